"""The rows of the benchmark: which work, and who does it."""

import functools
import mmap
import os

from loads import Curl
from memory import MemoryRow
from rounds import Result, Row
from stores import PAGE_FILES

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
# What a store is asked for in the first round, when nobody knows how fast it is.
FIRST_REQUESTS = 2000
# More than it did in the last round, in case it is faster now.
SPARE = 1.3
SEEDS = 256
SEED_CLIENTS = 4
LARGE_GETS = 4
SPARE_MEMORY_BYTES = 256 * MIB
# What is free is not taken in the order in which it was given back.
WARM_TIMES = 3


def free_memory_bytes():
    with open("/proc/meminfo", encoding="ascii") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("MemFree:")) * KIB


def warm(size_bytes):
    """Uses more memory than files of so many bytes take, and gives it back. A virtual machine has
    to ask its host for memory that nobody has used for a while, and some would pay for it, others
    not."""
    wanted_bytes = WARM_TIMES * (SPARE_MEMORY_BYTES + size_bytes)
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE
    mmap.mmap(-1, min(wanted_bytes, free_memory_bytes()), flags=flags).close()


class Work:
    """Measures a store; remembers what it must know of each."""

    def __init__(self, bench, clients=16):
        self._load = bench.load
        self._seconds = bench.arguments.seconds
        self._clients = bench.arguments.clients or clients
        self._expected = {}

    def _timed(self, store, run):
        """The outcome of `run()`, and how long the server worked for it."""
        before = store.cpu_seconds()
        outcome = run()
        return outcome, store.cpu_seconds() - before

    def _new_requests(self, store, size_bytes):
        """As many as the store may be able to take."""
        return store.put_requests(self._expected.get(store.name, FIRST_REQUESTS), size_bytes)

    def _result(self, store, outcome, cpu_seconds):
        rate = outcome.requests / outcome.seconds
        self._expected[store.name] = int(rate * self._seconds * SPARE) + 1
        return Result(rate, cpu_seconds / outcome.requests * 1e6,
                      outcome.cpu_seconds / outcome.seconds / os.cpu_count(), outcome.p99_ms)


class SmallPuts(Work):
    """Uploads of one size, as many as fit into the time."""

    def __init__(self, bench, size_bytes, clients):
        super().__init__(bench, clients)
        self._size_bytes = size_bytes

    def __call__(self, store):
        store.renew()
        requests = self._new_requests(store, self._size_bytes)
        warm(len(requests) * self._size_bytes)
        outcome, cpu_seconds = self._timed(store, lambda: self._load.run(
            store, "PUT", requests, self._size_bytes, self._clients, self._seconds))
        store.empty()
        return self._result(store, outcome, cpu_seconds)


class SmallGets(Work):
    """Downloads of some files again and again."""

    def __init__(self, bench, size_bytes, clients):
        super().__init__(bench, clients)
        self._size_bytes = size_bytes
        self._requests = {}

    def __call__(self, store):
        if store.name not in self._requests:
            puts = store.put_requests(SEEDS, self._size_bytes)
            self._load.run(store, "PUT", puts, self._size_bytes, SEED_CLIENTS)
            store.settle()
            self._requests[store.name] = list(map(store.get_request, puts))
        outcome, cpu_seconds = self._timed(store, lambda: self._load.run(
            store, "GET", self._requests[store.name], 0, self._clients, self._seconds,
            repeat=True))
        return self._result(store, outcome, cpu_seconds)


class Deletes(Work):
    """Deletes what was put just before."""

    def __call__(self, store):
        store.renew()
        requests = self._new_requests(store, KIB)
        self._load.run(store, "PUT", requests, KIB, self._clients)
        outcome, cpu_seconds = self._timed(store, lambda: self._load.run(
            store, "DELETE", requests, 0, self._clients, self._seconds))
        return self._result(store, outcome, cpu_seconds)


class Lists(Work):
    """One page of the list, again and again."""

    def __call__(self, store):
        store.renew()
        if store.is_new:
            self._load.run(store, "PUT", store.put_requests(PAGE_FILES, KIB), KIB)
        request = store.list_request()
        outcome, cpu_seconds = self._timed(store, lambda: self._load.run(
            store, "GET", [request], 0, self._clients, self._seconds, repeat=True))
        return self._result(store, outcome, cpu_seconds)


class Large(Work):
    """Uploads or downloads of large files, so many at a time."""

    def __init__(self, bench, method, size_bytes, at_a_time=1):
        super().__init__(bench, at_a_time)
        self._method = method
        self._size_bytes = size_bytes
        self._requests = {}

    def _result(self, store, outcome, cpu_seconds):
        total_bytes = outcome.requests * self._size_bytes
        return Result(total_bytes / outcome.seconds / 1e6, cpu_seconds / total_bytes * 1e9,
                      outcome.cpu_seconds / outcome.seconds / os.cpu_count())

    def _put(self, store):
        requests = store.put_requests(self._clients, self._size_bytes)
        warm(self._clients * self._size_bytes)
        measured = self._timed(store, lambda: self._load.run(
            store, "PUT", requests, self._size_bytes, self._clients))
        store.empty()
        return measured

    def _get(self, store):
        if store.name not in self._requests:
            puts = store.put_requests(1, self._size_bytes)
            self._load.run(store, "PUT", puts, self._size_bytes)
            store.settle()
            self._requests[store.name] = list(map(store.get_request, puts)) * LARGE_GETS
        return self._timed(store, lambda: self._load.run(
            store, "GET", self._requests[store.name], 0, self._clients))

    def __call__(self, store):
        run = self._put if self._method == "PUT" else self._get
        return self._result(store, *run(store))


class LargeTls(Large):
    """Uploads by curl."""

    def __init__(self, bench, size_bytes, version):
        super().__init__(bench, "PUT", size_bytes)
        self._curl = Curl(bench.place.certificates().ca, version)
        self._file = bench.place.new_directory("large") / "file"
        with open(self._file, "wb") as file:
            file.truncate(size_bytes)

    def _put(self, store):
        request, = store.put_requests(1, self._size_bytes)
        warm(self._size_bytes)
        measured = self._timed(store, lambda: self._curl.put(store, request, self._file))
        store.empty()
        return measured


PUT_STORES = ("mod_dav", "areas", "slots", "nginx")
GET_STORES = ("core", "core_sendfile", "slots", "nginx")
PEERS = ("prosody", "ejabberd")
REQUESTS = ("requests/s", "µs/request")
MEGABYTES = ("MB/s", "s/GB")


def small_puts(name, size_bytes, clients):
    title = f"PUT {size_bytes // KIB} KiB, {clients} clients, nobody syncs"
    return Row(name, title, *REQUESTS, (*PUT_STORES, "floor"),
               lambda bench: SmallPuts(bench, size_bytes, clients), peers=PEERS)


def durable_puts(clients):
    return Row("put-4k-durable", f"PUT 4 KiB, {clients} clients, synced", *REQUESTS,
               ("durable_floor", "durable_areas", "durable_slots"),
               lambda bench: SmallPuts(bench, 4 * KIB, clients))


def large_puts(name, title, size_bytes, at_a_time):
    return Row(name, title, *MEGABYTES, PUT_STORES,
               lambda bench: Large(bench, "PUT", size_bytes, at_a_time), peers=PEERS)


def tls_puts(name, version):
    return Row(name, f"PUT 1 GiB over TLS, HTTP/{version}", *MEGABYTES, PUT_STORES,
               lambda bench: LargeTls(bench, GIB, version), tls=True)


def area_row(name, what, work):
    return Row(f"area-{name}", f"{what}, an area with 100 000 files", *REQUESTS,
               ("small_area", "large_area"), work)


def ledger_row(name, what, work):
    return Row(f"ledger-{name}", f"{what}, a ledger with 1 000 000 files", *REQUESTS,
               ("small_ledger", "large_ledger"), work)


SMALL_PUTS = functools.partial(SmallPuts, size_bytes=4 * KIB, clients=16)
SMALL_GETS = functools.partial(SmallGets, size_bytes=4 * KIB, clients=16)

ROWS = (
    small_puts("put-4k", 4 * KIB, 16),
    small_puts("put-4k-64", 4 * KIB, 64),
    small_puts("put-64k", 64 * KIB, 16),
    durable_puts(16),
    large_puts("put-1g", "PUT 1 GiB", GIB, 1),
    large_puts("put-256m-4", "PUT 256 MiB, four at a time", 256 * MIB, 4),
    tls_puts("put-1g-tls", "1.1"),
    tls_puts("put-1g-h2", "2"),
    Row("get-4k", "GET 4 KiB, 16 clients", *REQUESTS, GET_STORES, SMALL_GETS,
        peers=PEERS),
    Row("get-1g", "GET 1 GiB", *MEGABYTES, GET_STORES,
        lambda bench: Large(bench, "GET", GIB), peers=PEERS),
    area_row("put", "PUT 4 KiB", SMALL_PUTS),
    area_row("get", "GET 4 KiB", SMALL_GETS),
    area_row("delete", "DELETE", Deletes),
    area_row("list", "100 files of the list", Lists),
    ledger_row("put", "PUT 4 KiB", SMALL_PUTS),
    ledger_row("get", "GET 4 KiB", SMALL_GETS),
    MemoryRow(),
)
