#!/usr/bin/python3
"""A thousand slow uploads in progress, what they cost and what others notice of them.

    JF_TEST_ENV=build/tests/httpd/env.json tests/bench/thousand_uploads.py

httpd is configured as doc/tuning.md says. Uploads and downloads of 100 KB go on one after the
other, each over a new connection, first alone and then beside the slow uploads. All of these must
end with 201, and what is there then is compared with what was sent. Some downloads with a rate
are in progress all the time, for which httpd has a connection and no thread."""

import argparse
import hashlib
import itertools
import random
import re
import time

from bench_server import QUIET_LOG, bench, read_status
from burden import Burden, report_burden
from client import Client, area_path, link_path
from config import Site, base_location
from documents import Document
from fast_requests import Apart, FastRequests, allow_many_files, report_states, report_times
from paced import Crowd, Download, Upload, dial

UNLIMITED = "JabberFilesQuota unlimited\nJabberFilesMaxFileSize unlimited\n"
DOWNLOADS = 40
DOWNLOAD_RATE = 2_000_000
DOWNLOAD_BYTES = 200_000_000
BEGIN_SECONDS = 120
LOOK_SECONDS = 0.2
RATE_SECONDS = 5
# Each upload has another part of this.
DIFFERENT_BYTES = 997


def make_site(arguments, place):
    tuning = Document(place.env, "tuning").block("apache", "mpm")
    return Site(base_lines=UNLIMITED,
                certificates=place.certificates() if arguments.tls else None,
                inner_lines=base_location("/fast", place.users.path, UNLIMITED)
                + base_location("/rate", place.users.path,
                                f"{UNLIMITED}JabberFilesRate {DOWNLOAD_RATE}"),
                server_lines="\n".join([QUIET_LOG, tuning, *arguments.set, ""]))


class Contents:
    """What is uploaded: as many parts of random bytes, of one size."""

    def __init__(self, count, size_bytes):
        self._bytes = random.Random(count).randbytes(size_bytes + count * DIFFERENT_BYTES)
        self.size_bytes = size_bytes

    def of(self, number):
        begin = number * DIFFERENT_BYTES
        return memoryview(self._bytes)[begin:begin + self.size_bytes]


def name_of(number):
    return f"slow/{number}"


# The slow ones, in a process of their own


def run_slow(server, link, owners, contents, arguments, orders):
    """Begins the downloads and then all uploads. Says how fast they are when asked for it, and with
    which statuses the uploads have ended."""
    protocol = "http/1.1" if server.site.certificates else None
    with Crowd(arguments.seconds) as crowd:
        downloads = [crowd.add(Download(dial(server, protocol), link)) for _ in range(DOWNLOADS)]
        uploads = [crowd.add(Upload(dial(server, protocol), area_path(owner.jid, name_of(number)),
                                    contents.of(number), owner, arguments.rate))
                   for number, owner in zip(range(arguments.uploads), itertools.cycle(owners))]
        rates = crowd.rates(orders.recv())
        orders.send((rates[:len(downloads)], rates[len(downloads):]))
        crowd.wait(*uploads)
        orders.send([upload.read_status() for upload in uploads])


def wait_for_all(server, count):
    """Returns when so many uploads are in progress; says how many were, at most."""
    watcher = Client(server)
    end = time.monotonic() + BEGIN_SECONDS
    active = most = 0
    while active < count and time.monotonic() < end:
        time.sleep(LOOK_SECONDS)
        active = int(read_status(watcher)["JabberFilesActiveUploads"])
        most = max(most, active)
    return most


def verify(owners, contents, count):
    """How many of the uploads are there as they were sent: by the list, and by the content. Each
    request has a new connection, for httpd closes kept ones when it ends children."""
    right_sizes = whole = 0
    for owner in owners:
        sizes = [file["size_bytes"] for file in owner.listing()["files"]]
        right_sizes += sizes.count(contents.size_bytes)
        owner.close()
    for number, owner in zip(range(count), itertools.cycle(owners)):
        found = hashlib.sha256(owner.get(name_of(number)).body).digest()
        whole += found == hashlib.sha256(contents.of(number)).digest()
        owner.close()
    return right_sizes, whole


# What comes out


def report_children(server, states):
    """How evenly the children are filled. An idle thread helps those only whose connection is in
    its child."""
    limit = int(re.findall(r"^ThreadLimit +(\d+)", server.site.server_lines, re.MULTILINE)[-1])
    board = states[len(states) // 2]["Scoreboard"]
    children = [board[begin:begin + limit] for begin in range(0, len(board), limit)]
    idle = sorted(child.count("_") for child in children if child.strip("."))
    print(f"idle threads of each child: {', '.join(map(str, idle))}")


def report_rates(name, rates):
    print(f"{name}: {min(rates) / 1000:.1f} to {max(rates) / 1000:.1f} kB/s, together "
          f"{sum(rates) / 1000:.0f} kB/s")


def report_statuses(statuses):
    counts = {status: statuses.count(status) for status in sorted(set(statuses))}
    print("answers:", ", ".join(f"{count} x {status}" for status, count in counts.items()))


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--uploads", type=int, default=1000)
    parser.add_argument("--areas", type=int, default=50, help="that they go into")
    parser.add_argument("--rate", type=int, default=10_000, help="bytes/s of each")
    parser.add_argument("--seconds", type=int, default=40, help="that each takes")
    parser.add_argument("--beside", type=int, default=15, help="seconds of fast requests")
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--reload", action="store_true",
                        help="a graceful restart while all are in progress")
    parser.add_argument("--set", action="append", default=[], metavar="LINE",
                        help="one more line of configuration, to try other settings")
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    allow_many_files()
    contents = Contents(arguments.uploads, arguments.rate * arguments.seconds)

    with bench() as place:
        server = place.start(make_site(arguments, place))
        owners = [place.users.client(server) for _ in range(arguments.areas)]
        idle = Burden(server)
        link = link_path(place.users.client(server, base="/rate").put(
            "big", bytes(DOWNLOAD_BYTES)).link)
        alone, beside = (FastRequests(server, place.users, "/fast") for _ in range(2))
        alone.run(arguments.beside / 2)
        begin = time.monotonic()
        slow = Apart(run_slow, server, link, owners, contents, arguments)
        most = wait_for_all(server, arguments.uploads)
        print(f"{most} uploads are in progress after {time.monotonic() - begin:.1f} s")
        if arguments.reload:
            server.graceful()
        begun = Burden(server)
        slow.tell(RATE_SECONDS)
        download_rates, upload_rates = slow.hear()
        waiting = Burden(server)
        beside.run(arguments.beside)
        active = read_status(Client(server))["JabberFilesActiveUploads"]
        print(f"{active} are in progress after {time.monotonic() - begin:.1f} s")
        statuses = slow.hear()
        print(f"all have ended after {time.monotonic() - begin:.1f} s")
        slow.close()
        right_sizes, whole = verify(owners, contents, arguments.uploads)

    report_rates("uploads", upload_rates)
    report_rates("downloads", download_rates)
    report_statuses(statuses)
    print(f"{right_sizes} are listed with their size, {whole} have their SHA-256")
    report_times({"alone": alone, f"beside {arguments.uploads} uploads": beside})
    report_states(beside, "JabberFilesActiveUploads")
    report_children(server, beside.states)
    report_burden(idle, waiting, arguments.uploads)
    print(f"the uploads alone take {100 * waiting.cpu_since(begun):.1f} % of a processor")


if __name__ == "__main__":
    main()
