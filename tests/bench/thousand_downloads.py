#!/usr/bin/python3
"""A thousand downloads with a rate in progress, and what others notice of them.

    JF_TEST_ENV=build/tests/httpd/env.json tests/bench/thousand_downloads.py

An event MPM with 64 worker threads in all. Uploads and downloads of 100 KB into and from an area
without a rate go on one after the other, each over a new connection, first alone and then beside
the slow downloads."""

import argparse
import multiprocessing
import resource
import statistics
import time

from bench_server import QUIET_LOG, bench, quantile, read_status
from client import Client, link_path
from config import Site, base_location
from paced import Crowd, Download, dial

THREADS = 64
CHILDREN = 4
UNLIMITED = "JabberFilesQuota unlimited\nJabberFilesMaxFileSize unlimited\n"
FAST_BYTES = 100_000
SETTLE_SECONDS = 3


def make_site(arguments, bench_place):
    """BASE has the rate, /fast has none. Each child takes ThreadsPerChild connections, and as many
    times more for each idle thread as AsyncRequestWorkerFactor says; 2 if it says nothing."""
    tuning = f"""\
StartServers {CHILDREN}
ServerLimit {CHILDREN}
ThreadsPerChild {THREADS // CHILDREN}
MaxRequestWorkers {THREADS}
MinSpareThreads 8
MaxSpareThreads {THREADS}
AsyncRequestWorkerFactor {arguments.factor}
"""
    return Site(base_lines=f"{UNLIMITED}JabberFilesRate {arguments.rate}",
                certificates=bench_place.certificates() if arguments.tls else None,
                inner_lines=base_location("/fast", bench_place.users.path, UNLIMITED),
                server_lines=QUIET_LOG + tuning)


# The slow ones, in a process of their own


def run_downloads(server, links, count, orders):
    """Begins `count` downloads; then answers each order with the rates of so many seconds."""
    protocol = "http/1.1" if server.site.certificates else None
    with Crowd(10) as crowd:
        for number in range(count):
            crowd.add(Download(dial(server, protocol), links[number % len(links)]))
        orders.send("all are asked for")
        while seconds := orders.recv():
            orders.send(crowd.rates(seconds))


class SlowDownloads:
    """The downloads with a rate, read by another process than the one that takes times."""

    def __init__(self, server, links, count):
        self._orders, theirs = multiprocessing.Pipe()
        self._process = multiprocessing.Process(target=run_downloads,
                                                args=(server, links, count, theirs))
        self._process.start()
        theirs.close()
        self._orders.recv()

    def begin_measuring(self, seconds):
        self._orders.send(seconds)

    def rates(self):
        return self._orders.recv()

    def close(self):
        self._orders.send(0)
        self._process.join()


# The fast ones


def timed(action, seconds):
    """Appends to `seconds` how long it takes."""
    begin = time.monotonic()
    action()
    seconds.append(time.monotonic() - begin)


class FastRequests:
    """Uploads and downloads one after the other, and a look at the server's threads each second."""

    def __init__(self, server, users):
        self._client = users.client(server, base="/fast")
        self._watcher = Client(server)
        self._content = bytes(FAST_BYTES)
        self.uploads, self.downloads, self.states = [], [], []

    def _upload(self):
        assert self._client.put("fast", self._content).status in (200, 201)
        self._client.close()

    def _download(self):
        assert len(self._client.get("fast").body) == FAST_BYTES
        self._client.close()

    def run(self, duration_seconds):
        end = time.monotonic() + duration_seconds
        next_look = 0
        while time.monotonic() < end:
            timed(self._upload, self.uploads)
            timed(self._download, self.downloads)
            if time.monotonic() > next_look:
                self.states.append(read_status(self._watcher))
                next_look = time.monotonic() + 1


def report_times(name, fast):
    for kind, seconds in (("PUT", fast.uploads), ("GET", fast.downloads)):
        p50, p99, most = (1000 * quantile(seconds, part) for part in (0.5, 0.99, 1))
        print(f"| {kind} 100 KB, {name} | {len(seconds)} | {p50:.1f} | {p99:.1f} | {most:.1f} |")


def report_states(fast):
    for key in ("BusyWorkers", "IdleWorkers", "JabberFilesActiveDownloads"):
        values = [int(state.get(key, -1)) for state in fast.states]
        print(f"{key}: {min(values)} to {max(values)}, median {statistics.median(values):.0f}, of "
              f"{len(values)} looks")


def report_rates(rates, area_count, rate):
    print(f"{len(rates)} downloads, {sum(rate > 0 for rate in rates)} of them proceed: "
          f"min {min(rates):.0f}, median {statistics.median(rates):.0f}, max {max(rates):.0f} "
          f"bytes/s each; together {sum(rates):.0f}, allowed {area_count} x {rate}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--downloads", type=int, default=1000)
    parser.add_argument("--areas", type=int, default=20, help="that they are from")
    parser.add_argument("--rate", default="1M", help="of each area")
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--factor", type=int, default=20, help="AsyncRequestWorkerFactor")
    parser.add_argument("--tls", action="store_true")
    arguments = parser.parse_args()
    files_max = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (files_max, files_max))

    with bench() as place:
        server = place.start(make_site(arguments, place))
        links = [link_path(place.users.client(server).put("big", bytes(32 << 20)).link)
                 for _ in range(arguments.areas)]
        alone = FastRequests(server, place.users)
        alone.run(arguments.seconds / 2)
        slow = SlowDownloads(server, links, arguments.downloads)
        time.sleep(SETTLE_SECONDS)
        slow.begin_measuring(arguments.seconds)
        beside = FastRequests(server, place.users)
        beside.run(arguments.seconds)
        rates = slow.rates()
        slow.close()

    print("| | requests | p50 ms | p99 ms | max ms |\n|---|---|---|---|---|")
    report_times("alone", alone)
    report_times(f"beside {arguments.downloads} downloads", beside)
    report_states(beside)
    report_rates(rates, arguments.areas, arguments.rate)


if __name__ == "__main__":
    main()
