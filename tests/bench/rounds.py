"""Rounds: every store is asked once in each, in random order, and compared is within a round only.
So whatever else the machine does concerns all of them, and drift none."""

import contextlib
import dataclasses
import json
import random
import statistics
import sys
import time
import typing

from bench_server import OtherWork
from servers import Servers

# A store that needs more for a first measurement is not asked again.
SLOW_SECONDS = 20


@dataclasses.dataclass(frozen=True)
class Result:
    """What one store did in one round: `value` is in the row's unit, the more the better;
    `server_cpu` in its cpu_unit; `client_share` the part of the machine that the clients used."""

    value: float
    server_cpu: float
    client_share: float
    p99_ms: float = None


@dataclasses.dataclass(frozen=True)
class Row:
    """One kind of work. `stores` names methods of Servers, the first is what others are compared
    with; `make_work(bench)` makes what measures a store and returns a Result."""

    name: str
    title: str
    unit: str
    cpu_unit: str
    stores: tuple
    make_work: typing.Callable
    tls: bool = False
    peers: tuple = ()

    def run(self, bench):
        """Measures and prints."""
        names = self.stores + (self.peers if bench.arguments.peers else ())
        with contextlib.closing(Servers(bench.place, self.tls)) as servers:
            stores = servers.stores(names)
            measured = measure(self.make_work(bench), stores, bench)
        report(self, [store.name for store in stores], measured)
        bench.keep(self, measured.rounds)


@dataclasses.dataclass
class Bench:
    """What all rows have: `place` for servers, `load` makes requests."""

    place: typing.Any
    load: typing.Any
    arguments: typing.Any

    def keep(self, row, rounds):
        """Writes what was measured to the file that was asked for."""
        if self.arguments.json:
            with open(self.arguments.json, "a", encoding="utf-8") as file:
                for number, results in enumerate(rounds):
                    for store, result in results.items():
                        line = {"row": row.name, "unit": row.unit, "round": number,
                                "store": store, **dataclasses.asdict(result)}
                        file.write(json.dumps(line) + "\n")


@dataclasses.dataclass
class Measured:
    """What a row gave: the first round, which does not count, and the others, each a dictionary by
    the names of stores; `shares` is the part of the machine that others used in each measurement.
    A store that takes too long is in the first round only."""

    first: dict
    rounds: list
    shares: list


def measure(work, stores, bench):
    """Lets all stores work, round after round."""
    others = OtherWork(list({id(store.server): store.server for store in stores}.values()))
    measured = Measured({}, [], [])
    for number in range(bench.arguments.rounds + 1):
        results = measured.first if number == 0 else {}
        for store in random.sample(stores, len(stores)):
            others.wait_for_quiet(bench.arguments.noise, bench.arguments.patience)
            begin = time.monotonic()
            results[store.name] = work(store)
            measured.shares.append(others.share())
            tell(number, store, results[store.name])
            if number == 0 and time.monotonic() - begin > SLOW_SECONDS and store != stores[0]:
                stores = [other for other in stores if other != store]
        if number:
            measured.rounds.append(results)
    return measured


def tell(number, store, result):
    """A word for who watches."""
    if sys.stderr.isatty():
        print(f"\r\033[K  round {number}, {store.name}: {result.value:.0f}", end="\r",
              file=sys.stderr, flush=True)


def ratios(measured, name, base, figure="value"):
    """The median of the ratios within a round, and the least and the greatest."""
    def ratio(results):
        return getattr(results[name], figure) / getattr(results[base], figure)

    if any(one not in measured.rounds[0] for one in (name, base)):
        return f"{ratio(measured.first):.2f} (one round)"
    values = list(map(ratio, measured.rounds))
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def cell(values, form):
    """The median as text; nothing if there are no values."""
    known = [value for value in values if value is not None]
    return format(statistics.median(known), form) if known else ""


def report(row, names, measured):
    """The table of a row."""
    base = names[0]
    print(f"\n**{row.name}**: {row.title}\n")
    print(f"| | {row.unit} | against {base} | p99 ms | server CPU {row.cpu_unit} | clients |")
    print("|---|---|---|---|---|---|")
    for name in names:
        results = [results[name] for results in measured.rounds if name in results] \
            or [measured.first[name]]
        print(f"| {name} | {cell((result.value for result in results), ',.0f')} "
              f"| {ratios(measured, name, base)} "
              f"| {cell((result.p99_ms for result in results), '.1f')} "
              f"| {cell((result.server_cpu for result in results), '.3g')} "
              f"| {cell((result.client_share for result in results), '.0%')} |")
    print(f"\nOthers used {max(0, statistics.median(measured.shares)):.0%} of the machine, "
          f"{max(0, *measured.shares):.0%} at most.", flush=True)
