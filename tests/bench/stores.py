#!/usr/bin/python3
"""The module beside Apache's own mod_dav and core, and nginx, in interleaved runs of one go.

    make -C build bench BENCHFLAGS='--rounds 7'

wrk makes small requests, curl large ones. All stores lie in one file system, below $TMPDIR. Each
round asks all of them once, in random order; compared is within a round only. Uploads go where the
stores have them cheapest: into slots, and without a login into mod_dav and nginx. Nobody syncs
unless its name says so."""

import argparse
import random
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from bench_server import QUIET_LOG, OtherWork, bench
from config import BASE, Site
from environment import give_to_server, server_account
from ports import free_port
from slots import OCTETS, secret_lines, sign_v2

HERE = Path(__file__).resolve().parent
WRK_THREADS = 2
# More than any store takes in a second, for each thread.
PATHS_PER_SECOND = 20000
LARGE_BYTES = 1 << 30
ERRORS_RARE = 1000
MODULES = ("dav", "dav_fs")
TUNING = "MaxKeepAliveRequests 0\n"


class Store:
    """One server that keeps files."""

    def __init__(self, name, url):
        self.name = name
        self._url = url
        self._count = 0

    def put_path(self, size_bytes):
        """Where a new file of this size may be put, and got again."""
        self._count += 1
        return f"/dav/{self._count:x}-{size_bytes}"

    def put_paths(self, count, size_bytes):
        return [self.put_path(size_bytes) for _ in range(count)]

    def get_path(self, size_bytes):
        """Where a file of this size can be got."""
        path = self.put_path(size_bytes)
        with tempfile.NamedTemporaryFile() as file:
            file.truncate(size_bytes)
            self.curl("-T", file.name, "-H", f"Content-Type: {OCTETS}", self._url(path))
        return path.partition("?")[0]

    def curl(self, *args):
        """Runs curl; returns the seconds that it says it took."""
        done = subprocess.run(["curl", "-sS", "--fail", "-o", "/dev/null", "-w", "%{time_total}",
                               "-H", "Expect:", *args], check=True, text=True, capture_output=True)
        return float(done.stdout)

    def put_large(self, path, size_bytes):
        return self.curl("-T", str(path), "-H", f"Content-Type: {OCTETS}",
                         self._url(self.put_path(size_bytes)))

    def get_large(self, path):
        return self.curl(self._url(path))

    def run_wrk(self, method, paths, body_bytes, clients, seconds):
        """Requests a second, and the 99th percentile of their time in milliseconds."""
        with tempfile.TemporaryDirectory() as directory:
            for number in range(WRK_THREADS):
                (Path(directory) / str(number + 1)).write_text(
                    "\n".join(paths[number::WRK_THREADS]) + "\n", encoding="ascii")
            done = subprocess.run(
                ["wrk", "-t", str(WRK_THREADS), "-c", str(clients), "-d", f"{seconds}s", "-s",
                 str(HERE / "requests.lua"), self._url("/"), "--", method, directory, str(body_bytes)],
                check=True, text=True, capture_output=True).stdout
        line = next(line for line in done.splitlines() if line.startswith("result "))
        requests, duration_us, p99_us, errors = map(int, line.split()[1:])
        # httpd ends a kept connection now and then, which wrk counts as an error.
        assert errors * ERRORS_RARE < requests, done
        return requests / duration_us * 1e6, p99_us / 1000


class Static(Store):
    """What mod_dav has taken, served by httpd's core."""

    def get_path(self, size_bytes):
        return super().get_path(size_bytes).replace("/dav/", "/static/", 1)


class Slots(Store):
    """The module: uploads into slots, downloads by their links."""

    def put_path(self, size_bytes):
        self._count += 1
        path = f"{self.name.replace(' ', '-')}-{self._count:016x}-{size_bytes}/file.bin"
        return f"{BASE}/{path}?v2={sign_v2(path, size_bytes, OCTETS)}"


def start_httpd(place, work_dir, durability):
    lines = f"JabberFilesDurability {durability}\n" + QUIET_LOG + TUNING
    return place.start(Site(
        base_lines=secret_lines(work_dir, ("v2",))
        + "JabberFilesQuota unlimited\nJabberFilesMaxFileSize unlimited\n",
        server_lines=lines))


def start_dav(place, work_dir):
    root = work_dir / "dav"
    root.mkdir()
    give_to_server(root)
    lines = f"""{QUIET_LOG}{TUNING}
Alias /dav "{root}"
Alias /static "{root}"
DavLockDB "{root}/.locks"
<Directory "{root}">
    Require all granted
</Directory>
<Location /dav>
    Dav On
</Location>
"""
    return place.start(Site(with_module=False, server_lines=lines, modules=MODULES))


class Nginx:
    """A private nginx with its own dav module."""

    def __init__(self, directory):
        for name in ("root/dav", "temp"):
            (directory / name).mkdir(parents=True)
            give_to_server(directory / name)
        account = server_account()
        with free_port() as self.port:
            (directory / "nginx.conf").write_text(f"""
daemon off; worker_processes auto; pid {directory}/pid; error_log {directory}/error.log;
{f"user {account[0]} {account[1]};" if account else ""}
events {{ worker_connections 1024; }}
http {{
    access_log off; sendfile on; keepalive_requests 1000000000; client_max_body_size 0;
    client_body_temp_path {directory}/temp; default_type {OCTETS};
    server {{
        listen 127.0.0.1:{self.port}; root {directory}/root;
        location /dav {{ dav_methods PUT; }}
    }}
}}
""", encoding="ascii")
            self._process = subprocess.Popen(
                ["nginx", "-p", str(directory), "-c", str(directory / "nginx.conf")])
            time.sleep(1)

    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"

    def children(self):
        """As of a Server, for OtherWork."""
        found = subprocess.run(["pgrep", "-P", str(self._process.pid)], text=True,
                               capture_output=True, check=False).stdout
        return [int(pid) for pid in found.split()]

    def close(self):
        self._process.terminate()
        self._process.wait()


class Row:
    """One kind of work, and what each store did in each round: the more the better."""

    def __init__(self, title, unit, work):
        self.title = title
        self.unit = unit
        self._work = work
        self.results = {}
        self.p99_ms = {}

    @property
    def is_put(self):
        return self.title.startswith("PUT")

    def run(self, store):
        value, p99_ms = self._work(store)
        self.results.setdefault(store.name, []).append(value)
        self.p99_ms.setdefault(store.name, []).append(p99_ms)

    def forget_last(self):
        for values in (*self.results.values(), *self.p99_ms.values()):
            values.pop()


def small_put(size_bytes, arguments):
    def work(store):
        paths = store.put_paths(arguments.seconds * PATHS_PER_SECOND * WRK_THREADS, size_bytes)
        return store.run_wrk("PUT", paths, size_bytes, arguments.clients, arguments.seconds)

    return Row(f"PUT {size_bytes >> 10} KiB", "requests/s", work)


def small_get(size_bytes, arguments):
    paths = {}

    def work(store):
        if store.name not in paths:
            paths[store.name] = store.get_path(size_bytes)
        return store.run_wrk("GET", [paths[store.name]] * WRK_THREADS, 0, arguments.clients,
                             arguments.seconds)

    return Row(f"GET {size_bytes >> 10} KiB", "requests/s", work)


def large_rows(file):
    def put(store):
        return LARGE_BYTES / store.put_large(file, LARGE_BYTES) / 1e6, 0

    paths = {}

    def get(store):
        if store.name not in paths:
            paths[store.name] = store.get_path(LARGE_BYTES)
        return LARGE_BYTES / store.get_large(paths[store.name]) / 1e6, 0

    return [Row("PUT 1 GiB", "MB/s", put), Row("GET 1 GiB", "MB/s", get)]


def describe(values, base_values):
    """The median of the ratios within a round, and the least and the greatest."""
    ratios = [value / base for value, base in zip(values, base_values)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def report(row, stores):
    base = stores[0].name
    print(f"\n| {row.title} | {row.unit} | against {base} | p99 ms |")
    print("|---|---|---|---|")
    for name in (store.name for store in stores):
        p99_ms = statistics.median(row.p99_ms[name])
        print(f"| {name} | {statistics.median(row.results[name]):.0f} "
              f"| {describe(row.results[name], row.results[base])} "
              f"| {f'{p99_ms:.1f}' if p99_ms else ''} |", flush=True)


def measure(row, stores, arguments, others):
    """So many rounds of all stores, the first of which does not count."""
    for number in range(arguments.rounds + 1):
        others.wait_for_quiet(arguments.noise)
        for store in random.sample(stores, len(stores)):
            row.run(store)
        if number == 0:
            row.forget_last()


def make_rows(arguments, directory):
    large = directory / "large"
    with open(large, "wb") as file:
        file.truncate(LARGE_BYTES)
    return [small_put(4 << 10, arguments), small_put(64 << 10, arguments),
            small_get(4 << 10, arguments), *large_rows(large)]


def run(arguments, place, directory, nginx):
    ours = start_httpd(place, directory, "relaxed")
    safe = start_httpd(place, directory, "full")
    dav = start_dav(place, directory)
    theirs = Store("nginx", nginx.url)
    slots = Slots("jabberfiles", ours.url)
    put = [Store("mod_dav", dav.url), slots, Slots("jabberfiles, durable", safe.url), theirs]
    get = [Static("Apache core", dav.url), slots, theirs]
    others = OtherWork([ours, safe, dav, nginx])
    for row in make_rows(arguments, directory):
        stores = put if row.is_put else get
        measure(row, stores, arguments, others)
        report(row, stores)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="of wrk in each round")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--noise", type=float, default=0.05,
                        help="a round begins when others use no more of the machine")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="jabberfiles-bench.") as name, bench() as place:
        directory = Path(name)
        directory.chmod(0o755)
        nginx = Nginx(directory / "nginx")
        try:
            run(arguments, place, directory, nginx)
        finally:
            nginx.close()


if __name__ == "__main__":
    main()
