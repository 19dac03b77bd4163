#!/usr/bin/python3
"""A thousand downloads with a rate in progress, and what others notice of them.

    JF_TEST_ENV=build/tests/httpd/env.json tests/bench/thousand_downloads.py

An event MPM with 64 worker threads in all. Uploads and downloads of 100 KB into and from an area
without a rate go on one after the other, each over a new connection, first alone and then beside
the slow downloads."""

import argparse
import statistics
import time

from bench_server import QUIET_LOG, bench
from client import link_path
from config import Site, base_location
from fast_requests import Apart, FastRequests, allow_many_files, report_states, report_times
from paced import Crowd, Download, dial

THREADS = 64
CHILDREN = 4
UNLIMITED = "JabberFilesQuota unlimited\nJabberFilesMaxFileSize unlimited\n"
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


def run_downloads(server, links, count, orders):
    """Begins `count` downloads; then answers each order with the rates of so many seconds."""
    protocol = "http/1.1" if server.site.certificates else None
    with Crowd(10) as crowd:
        for number in range(count):
            crowd.add(Download(dial(server, protocol), links[number % len(links)]))
        orders.send("all are asked for")
        while seconds := orders.recv():
            orders.send(crowd.rates(seconds))


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
    allow_many_files()

    with bench() as place:
        server = place.start(make_site(arguments, place))
        links = [link_path(place.users.client(server).put("big", bytes(32 << 20)).link)
                 for _ in range(arguments.areas)]
        alone, beside = (FastRequests(server, place.users, "/fast") for _ in range(2))
        alone.run(arguments.seconds / 2)
        slow = Apart(run_downloads, server, links, arguments.downloads)
        slow.hear()
        time.sleep(SETTLE_SECONDS)
        slow.tell(arguments.seconds)
        beside.run(arguments.seconds)
        rates = slow.hear()
        slow.tell(0)
        slow.close()

    report_times({"alone": alone, f"beside {arguments.downloads} downloads": beside})
    report_states(beside, "JabberFilesActiveDownloads")
    report_rates(rates, arguments.areas, arguments.rate)


if __name__ == "__main__":
    main()
