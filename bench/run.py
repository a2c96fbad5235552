"""Measure whole runs of orderpull beside others: ``make bench``.

A shop of full-shape orders (:mod:`bench.workload`) is served by loopback HTTP, by a process that is
not measured. Each system pulls it into a warehouse of its own, then 1,000 changed orders, then
nothing new; orderpull also loads its landing again. Each figure is of whole processes, by the
operating system's account of them; the median of some runs. After each step the tables are compared
with the truth that was added up while the orders were made.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from bench.process import Launcher, Usage
from bench.shop import served
from bench.systems import ROOT, SYSTEMS, System, orderpull
from bench.workload import Truth, render

DATA = Path("build/bench")
CHANGED = 1000
SHOP, SHOP_CHANGED = 200, 50
"""Orders of each of many small shops, and how many of them change."""

LATENCY = 0.1
"""Seconds before each answer of the many small shops."""

HEAD = (
    "| orders | run | system | CPU s | orders per CPU s | wall s | peak RSS MiB |\n"
    "|---|---|---|---|---|---|---|"
)


@dataclass(frozen=True)
class Step:
    """One step of one system: orders held, orders loaded by the step, and its cost."""

    orders: int
    what: str
    system: str
    loaded: int
    cpu: float
    wall: float
    rss: float

    def row(self) -> str:
        """As a row of the table."""
        rate = f"{self.loaded / self.cpu:,.0f}" if self.loaded else "-"
        return (
            f"| {self.orders:,} | {self.what} | {self.system} | {self.cpu:.2f} | {rate} "
            f"| {self.wall:.2f} | {self.rss:.0f} |"
        )


class Round:
    """One system's steps over one shop, in a folder of its own.

    :param postgresql: a connection to the database to load into, and its URL.
    :param copies: the shop holds its rendered orders so many times.
    :ivar ways: set to a dictionary, gets the number of orders that went each way.
    """

    ways: dict[str, int] | None = None

    def __init__(
        self,
        launcher: Launcher,
        system: System,
        data: Path,
        postgresql: tuple[Any, str] | None,
        copies: int = 1,
    ) -> None:
        self.launcher, self.system, self.data, self.copies = launcher, system, data, copies
        self.connection: Any = postgresql and postgresql[0]
        self.url = postgresql[1] if postgresql else ""
        self.home = Path(tempfile.mkdtemp(prefix="orderpull-bench-"))
        self.truth = json.loads((data / "truth.json").read_text())

    def steps(self) -> Iterator[Step]:
        """Each step, checked."""
        orders = self.truth["pulled"] * self.copies
        with served(self.data, copies=self.copies) as url:
            self.system.prepare(self.home, {"shop": url}, self.url)
            yield self.step("first load", orders, self.run(url))
            self.check("before")
        if self.system.has_landing and not self.connection and self.copies == 1:
            yield from self.from_landing(orders)
        port = int(url.rsplit(":", 1)[1])
        with served(self.data, changed=True, port=port, copies=self.copies):
            yield self.step(f"{CHANGED:,} changed", CHANGED, self.run(url))
            self.check("after")
            yield self.step("nothing new", 0, self.run(url))
            self.check("after")

    def from_landing(self, orders: int) -> Iterator[Step]:
        """The landing loaded into an empty warehouse, and loaded again into a full one."""
        again = self.home / "again"
        again.mkdir()
        for file in self.home.glob("*.toml"):
            shutil.copy(file, again)
        (self.home / "landing").rename(again / "landing")
        for what, command in (("landing, loaded", "load"), ("landing, replayed", "replay")):
            yield self.step(what, orders, self.run("", again, command))
            self.check("before", again)
        for file in again.glob("orders*"):
            file.unlink()
        self.note_ways(again)
        (again / "landing").rename(self.home / "landing")
        shutil.rmtree(again)

    def note_ways(self, home: Path) -> None:
        """Note which way the orders in the landing of *home* go, if that is wanted."""
        if self.ways is not None:
            command = [sys.executable, "-m", "bench.ways", str(home)]
            path = os.pathsep.join((str(ROOT / "src"), str(ROOT)))
            self.ways |= json.loads(self.launcher.run(command, home, PYTHONPATH=path).output)

    def run(self, url: str, home: Path | None = None, command: str = "run") -> Usage:
        """Run the system in *home*; *command* is one of orderpull's."""
        home = home or self.home
        words = [part.format(url=url, home=home, command=command) for part in self.system.command]
        usage = self.launcher.run(words, home, **self.system.environment)
        if usage.status:
            sys.exit(f"{self.system.name}: {usage}")
        return usage

    def step(self, what: str, loaded: int, usage: Usage) -> Step:
        """One step of this round."""
        name = f"{self.system.name}, PostgreSQL" if self.connection else self.system.name
        orders = self.truth["pulled"] * self.copies
        return Step(orders, what, name, loaded, usage.cpu, usage.wall, usage.rss)

    def check(self, when: str, home: Path | None = None) -> None:
        """Compare the tables with the truth."""
        held = self.system.held(home or self.home, self.connection)
        truth = Truth(**self.truth[when])
        if self.copies > 1:  # each copy has numbers of its own, which the hashes are of
            earlier = Truth(**self.truth["before"])
            truth = truth.counts(earlier, self.copies - 1)
            held = held.counts()
        if held != truth:
            sys.exit(f"{self.system.name} holds {held}, and the truth is {truth}")

    def close(self) -> None:
        """Remove its folder."""
        shutil.rmtree(self.home)


@contextmanager
def database(*, wanted: bool) -> Iterator[tuple[Any, str] | None]:
    """A fresh database of a PostgreSQL that is started as the tests start it, if *wanted*."""
    if not wanted:
        yield None
        return
    from tests.servers import fresh_database, postgres_server

    server = postgres_server()
    name = fresh_database(server)
    with server.connect(name) as connection:
        connection.autocommit = True
        yield connection, server.url(name)


def measured(
    launcher: Launcher, system: System, orders: int, runs: int, *, postgresql: bool, copies: int
) -> Iterator[Step]:
    """The medians of *runs* rounds of *system* over *orders* orders."""
    data = DATA / f"orders-{orders}"
    render(data, orders, CHANGED)
    rounds, ways = [], dict[str, int]()
    for number in range(runs):
        with database(wanted=postgresql) as connection:
            one = Round(launcher, system, data, connection, copies)
            one.ways = ways if number == 0 and system is SYSTEMS["orderpull"] else None
            try:
                rounds.append(list(one.steps()))
            finally:
                one.close()
    for same in zip(*rounds, strict=True):
        yield _medians(same)
    if ways:
        share = ways["straight"] / sum(ways.values())
        print(f"orderpull: {share:.2%} of the orders went the straight way", file=sys.stderr)


def _medians(same: Iterable[Step]) -> Step:
    steps = list(same)
    figures = {
        name: median(getattr(step, name) for step in steps) for name in ("cpu", "wall", "rss")
    }
    return Step(**asdict(steps[0]) | figures)


def many_sources(launcher: Launcher, system: System, count: int, runs: int) -> Iterator[Step]:
    """One run over *count* small shops that answer slowly, and one over a single one of them."""
    data = DATA / f"sources-{count}"
    for number in range(count):
        render(data / f"s{number:03}", SHOP, SHOP_CHANGED, f"S{number:03}-")
    for number in (1, count):
        found = []
        for _ in range(runs):
            home = Path(tempfile.mkdtemp(prefix="orderpull-bench-"))
            try:
                with served(data) as url:
                    shops = {f"s{each:03}": f"{url}/s{each:03}" for each in range(number)}
                    system.prepare(home, shops)
                    launcher.run(_filled(system), home, **system.environment)
                port = int(url.rsplit(":", 1)[1])
                with served(data, changed=True, port=port, latency=LATENCY):
                    usage = launcher.run(_filled(system), home, **system.environment)
                loaded = json.loads(usage.output)["sources"]
                if any(source["updated"] != SHOP_CHANGED for source in loaded.values()):
                    sys.exit(f"{system.name}: {loaded}")
                what = (
                    f"{number} sources, {SHOP_CHANGED} changed orders each, {LATENCY:g} s latency"
                )
                found.append(
                    Step(number * SHOP, what, system.name, number * SHOP_CHANGED, usage.cpu,
                         usage.wall, usage.rss)
                )  # fmt: skip
            finally:
                shutil.rmtree(home)
        yield _medians(found)


def _filled(system: System) -> list[str]:
    return [part.format(url="", home="", command="run") for part in system.command]


def main() -> None:
    """Measure, print a Markdown table, and keep the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--orders", type=int, nargs="+", default=[100_000], help="sizes of the shop"
    )
    parser.add_argument("--runs", type=int, default=3, help="how often; medians are shown")
    parser.add_argument("--systems", nargs="+", default=list(SYSTEMS), choices=list(SYSTEMS))
    parser.add_argument("--postgresql", action="store_true", help="orderpull into PostgreSQL")
    parser.add_argument("--sources", type=int, help="so many small shops instead, in one run")
    parser.add_argument(
        "--copies", type=int, default=1, help="the orders of the shop so many times, renumbered"
    )
    parser.add_argument("--before", type=Path, help="checkout of another orderpull to measure too")
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    asked = parser.parse_args()
    systems = [SYSTEMS[name] for name in asked.systems]
    if asked.before:
        systems.append(orderpull("orderpull before", asked.before.resolve()))
    if asked.postgresql or asked.sources:
        systems = [system for system in systems if system.has_landing]
    print(HEAD)
    kept = []
    with Launcher() as launcher:
        for orders in asked.orders:
            for system in systems:
                for step in (
                    many_sources(launcher, system, asked.sources, asked.runs)
                    if asked.sources
                    else measured(
                        launcher,
                        system,
                        orders,
                        asked.runs,
                        postgresql=asked.postgresql,
                        copies=asked.copies,
                    )
                ):
                    print(step.row(), flush=True)
                    kept.append(asdict(step))
    if asked.json:
        asked.json.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
