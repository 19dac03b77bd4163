#!/usr/bin/python3
"""What counting costs small downloads at full speed.

    JF_TEST_ENV=build/tests/httpd/env.json tests/bench/metering_cost.py

Servers of the same build that differ in one directive run at once. In each round ab asks all of
them, one after the other in random order, for the same small file over kept connections. Compared
is within a round only: what else the machine does meanwhile concerns all of them. The last server
is a copy of the first: its difference is what chance makes of nothing."""

import argparse
import random
import re
import statistics
import subprocess
from pathlib import Path

from bench_server import QUIET_LOG, OtherWork, bench, quantile
from client import link_path
from config import Site

BASELINE = "JabberFilesMeter Off"
VARIANTS = {
    "not metered": BASELINE,
    "metered": "JabberFilesMeter On",
    "with a transfer quota": "JabberFilesTransferQuota 1T",
    "not metered, again": BASELINE,
}
FILE_BYTES = 4096
# One child, so that connections are spread over children in one way only. They stay: a child whose
# threads are all busy would close idle ones.
TUNING = """\
StartServers 1
ServerLimit 1
ThreadsPerChild 32
MaxRequestWorkers 32
MinSpareThreads 1
MaxKeepAliveRequests 0
"""
# ab and httpd each have a processor: where they meet is chance, and costs more than counting.
AB_PINNED = ("taskset", "-c", "0")
HTTPD_PINNED = ("taskset", "-c", "1")


def run_time_us(pid):
    """How long the threads of a process have run, finer than in ticks."""
    return sum(int(path.read_text("ascii").split()[0]) / 1000
               for path in Path(f"/proc/{pid}/task").glob("*/schedstat"))


class Target:
    """One server with the file, and what its rounds took."""

    def __init__(self, place, name, line):
        self.name = name
        self.server = place.start(Site(base_lines=line, server_lines=QUIET_LOG + TUNING),
                                  HTTPD_PINNED)
        owner = place.users.client(self.server)
        self._url = self.server.url(link_path(owner.put("small", bytes(FILE_BYTES)).link))
        self.request_us, self.cpu_us = [], []

    def _cpu_us(self):
        return sum(map(run_time_us, self.server.children()))

    def run(self, requests, clients):
        before = self._cpu_us()
        done = subprocess.run([*AB_PINNED, "ab", "-q", "-k", "-c", str(clients), "-n",
                               str(requests), self._url], check=True, text=True,
                              capture_output=True).stdout
        assert re.search(r"Failed requests: +0\n", done) and "Non-2xx" not in done, done
        seconds = float(re.search(r"Time taken for tests: +([\d.]+)", done)[1])
        self.request_us.append(seconds / requests * 1e6)
        self.cpu_us.append((self._cpu_us() - before) / requests)

    def forget_last(self):
        self.request_us.pop()
        self.cpu_us.pop()


def describe(values, base_values):
    """The median of the ratios within a round, and where half of them are."""
    changes = [100 * (value / base - 1) for value, base in zip(values, base_values)]
    return f"{statistics.median(changes):+.2f} % ({quantile(changes, 0.25):+.2f} to " \
        f"{quantile(changes, 0.75):+.2f})"


def report(targets):
    base = targets[0]
    print("| | us/request | against the first | CPU us/request | against the first |")
    print("|---|---|---|---|---|")
    for target in targets:
        print(f"| {target.name} | {statistics.median(target.request_us):.2f} "
              f"| {describe(target.request_us, base.request_us)} "
              f"| {statistics.median(target.cpu_us):.2f} "
              f"| {describe(target.cpu_us, base.cpu_us)} |")
    print("\nDifferences: the median of those within a round, and where half of them are")


def run_round(targets, arguments):
    """Runs all targets once; throws the round away if others have worked too much meanwhile.
    Returns whether it counts."""
    others = OtherWork([target.server for target in targets])
    others.wait_for_quiet(arguments.noise)
    shares = []
    for target in random.sample(targets, len(targets)):
        target.run(arguments.requests, arguments.clients)
        shares.append(others.share())
    if max(shares) <= arguments.noise:
        return True
    for target in targets:
        target.forget_last()
    return False


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--tries", type=int, default=200, help="for so many quiet rounds")
    parser.add_argument("--requests", type=int, default=20000, help="of each server in a round")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--noise", type=float, default=0.05,
                        help="part of the machine that others may use in a round that counts")
    arguments = parser.parse_args()
    with bench() as place:
        targets = [Target(place, name, line) for name, line in VARIANTS.items()]
        for target in targets:
            target.run(arguments.requests, arguments.clients)
            target.forget_last()
        tries = counted = 0
        while counted < arguments.rounds and tries < arguments.tries:
            counted += run_round(targets, arguments)
            tries += 1
    print(f"{counted} rounds of {tries}; in the others the machine was too busy\n")
    if counted:
        report(targets)


if __name__ == "__main__":
    main()
