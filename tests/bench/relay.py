#!/usr/bin/python3
"""socketstreamer beside the proxies of Prosody and ejabberd, the least that a relay can do, and
plain TCP.

    make -C build bench-relay [BENCHFLAGS='--rounds 7 --only one,four']

README.md beside this file tells what the rows are and how to read them."""

import argparse
import contextlib
import os
import platform
import resource
import statistics
import subprocess
import sys
from pathlib import Path

# bench_server lets the modules of the tests be found.
from bench_server import bench
import environment
from loads import Failed
from relays import RELAYS, Flow
from rounds import Bench, Result, measure, ratios, report

CONGESTION = Path("/proc/sys/net/ipv4/tcp_congestion_control")
IN_NAMESPACE = "JF_BENCH_NETWORK"
IDLE_STREAMS, ACTIVE_STREAMS = 5000, 200
# What socketstreamer is to reach; README.md tells more.
FLOOR_SHARE_MIN, PROSODY_TIMES_MIN, CPU_SHARE_MAX = 0.9, 5, 0.3
IDLE_BYTES_MAX = 4096
# The slowest of many streams against the median.
SLOWEST_SHARE_MIN = 0.2


def enter_namespace():
    """Starts this program again where its network is its own, with the congestion control that
    every kernel has: a machine's own may pace what goes over loopback. As root only."""
    if os.geteuid() == 0 and IN_NAMESPACE not in os.environ:
        os.environ[IN_NAMESPACE] = "yes"
        with contextlib.suppress(FileNotFoundError):
            os.execvp("unshare", ["unshare", "--net", sys.executable, *sys.argv])
    if IN_NAMESPACE in os.environ:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        CONGESTION.write_text("reno\n", encoding="ascii")


class FlowRow:
    """So many streams that carry as much as they can, one way."""

    unit, cpu_unit = "MB/s", "s/GB"

    def __init__(self, name, active):
        self.name = name
        self.title = f"{active} stream{'s' if active > 1 else ''} one way"
        self._active = active

    def run(self, bench, relays):
        """Measures and prints."""
        def work(relay):
            with Flow(bench.place.env, relay, self._active) as flow:
                carried = flow.carry(bench.arguments.seconds)
            return Result(carried.mb_per_second, carried.server_cpu_per_gb, carried.client_share)

        names = [relay.name for relay in relays]
        measured = measure(work, relays, bench)
        report(self, names, measured)
        bench.keep(self, measured.rounds)
        self._judge(measured, names)

    @staticmethod
    def _judge(measured, names):
        """socketstreamer against what it is to reach."""
        ours, peers = "socketstreamer", [name for name in ("Prosody", "ejabberd") if name in names]
        if ours not in names:
            return
        print()
        if "floor" in names:
            print(f"- {ours} to the floor: {ratios(measured, ours, 'floor')} of its throughput, "
                  f"at least {FLOOR_SHARE_MIN} wanted")
        if "Prosody" in peers:
            print(f"- {ours} to Prosody: {ratios(measured, ours, 'Prosody')} times its "
                  f"throughput, at least {PROSODY_TIMES_MIN} wanted")
        if peers:
            best = min(peers, key=lambda name: statistics.median(
                results[name].server_cpu for results in [*measured.rounds, measured.first]))
            print(f"- {ours} to {best}: {ratios(measured, ours, best, 'server_cpu')} of its "
                  f"processor time for the same bytes, at most {CPU_SHARE_MAX} wanted")


class CrowdRow:
    """Many streams that carry nothing, and some that carry what they can."""

    name = "crowd"
    title = f"{IDLE_STREAMS} idle streams and {ACTIVE_STREAMS} active ones"

    def run(self, bench, relays):
        """Measures and prints."""
        print(f"\n**{self.name}**: {self.title}\n")
        print("| | bytes of memory for an idle stream | MB/s of all active | slowest of them "
              "to the median | fastest to the median | server CPU s/GB |")
        print("|---|---|---|---|---|---|")
        for relay in relays:
            if relay.port and relay.name != "floor":
                self._measure(bench, relay)
        print(f"\nsocketstreamer: less than {IDLE_BYTES_MAX} bytes wanted, and none starved: "
              f"the slowest at least {SLOWEST_SHARE_MIN} of the median", flush=True)

    @staticmethod
    def _measure(bench, relay):
        env = bench.place.env
        with Flow(env, relay, 0, ACTIVE_STREAMS):
            pass  # what the first streams bring is not the idle ones'
        before_bytes = relay.user_bytes()
        with Flow(env, relay, ACTIVE_STREAMS, IDLE_STREAMS) as flow:
            # The active ones have what those others left.
            idle_bytes = (relay.user_bytes() - before_bytes) / IDLE_STREAMS
            carried = flow.carry(bench.arguments.seconds * 2)
        median = statistics.median(carried.bytes)
        print(f"| {relay.name} | {idle_bytes:,.0f} | {carried.mb_per_second:,.0f} "
              f"| {min(carried.bytes) / median:.2f} | {max(carried.bytes) / median:.2f} "
              f"| {carried.server_cpu_per_gb:.3g} |", flush=True)


ROWS = (FlowRow("one", 1), FlowRow("four", 4), CrowdRow())


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--only", default=",".join(row.name for row in ROWS), help="names of rows")
    parser.add_argument("--relays", default=",".join(RELAYS), help="names of relays")
    parser.add_argument("--rounds", type=int, default=5, help="that count")
    parser.add_argument("--seconds", type=float, default=2, help="of each measurement")
    parser.add_argument("--noise", type=float, default=0.05,
                        help="part of the machine that others may use when a measurement begins")
    parser.add_argument("--patience", type=float, default=30,
                        help="seconds to wait for that, each time")
    parser.add_argument("--json", help="a file that every single figure is added to")
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    rows = [row for row in ROWS if row.name in arguments.only.split(",")]
    names = arguments.relays.split(",")
    if not rows or not set(names) <= RELAYS.keys():
        sys.exit(f"bench: rows are {', '.join(row.name for row in ROWS)}; relays are "
                 f"{', '.join(RELAYS)}")
    enter_namespace()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    env = environment.load()
    print(f"Machine: {os.cpu_count()} processors, Linux {platform.release()}, "
          f"{CONGESTION.read_text('ascii').strip()}; jabberfiles {env.version}", flush=True)
    with bench() as place, contextlib.ExitStack() as stack:
        relays = []
        for name in names:
            relays.append(RELAYS[name](place))
            stack.callback(relays[-1].close)
        for row in rows:
            row.run(Bench(place, None, arguments), relays)


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        sys.exit(f"bench: {failure}")
    except KeyboardInterrupt:
        sys.exit("bench: interrupted")
