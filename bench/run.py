"""Measure whole runs of ``orderpull``: ``make bench``; ``ARGS=--postgresql`` into PostgreSQL.

Each figure is of a process of its own, by the operating system's account of it (``getrusage`` of
the finished child): CPU seconds, wall seconds, the peak of its memory. The simulated shop runs in
the measuring process and is not counted; nor is what a server does, but for the wall seconds.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from orderpull.simulator import Simulator, SkubanaAssessment

# Linux hands the peak of a process on to the programs that it starts: so a small one starts them.
LAUNCHER = """
import json, os, subprocess, sys, time
for line in sys.stdin:
    asked = json.loads(line)
    began = time.monotonic()
    process = subprocess.Popen(**asked, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    output = process.stdout.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    wall, cpu = time.monotonic() - began, usage.ru_utime + usage.ru_stime
    print(json.dumps([output, status, wall, cpu, usage.ru_maxrss / 1024]), flush=True)
"""
SETTINGS = '[sources.shop]\napi = "skubana-assessment"\nbase_url = "{url}"\nmax_pages = {pages}\n'
Launcher = subprocess.Popen[str]
PER_CALL = 500
COMMAND = [sys.executable, "-m", "orderpull", "run", "--json"]
COMPILED = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
"""As installed by pip: a program that compiles its libraries at each start is not what is meant."""


@dataclass
class Measured:
    """One run: orders loaded, CPU seconds, wall seconds, peak RSS in MiB."""

    what: str
    orders: int
    cpu: float
    wall: float
    rss: float

    def row(self) -> str:
        """As a row of the table."""
        rate = f"{self.orders / self.cpu:,.0f}" if self.orders else "-"
        return (
            f"| {self.what} | {self.orders:,} | {self.cpu:.2f} | {rate} | {self.wall:.2f} "
            f"| {self.rss:.0f} |"
        )


def main() -> None:
    """Measure, and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3, help="how often; the best is shown")
    parser.add_argument("--postgresql", action="store_true", help="a million into PostgreSQL")
    asked = parser.parse_args()
    print("| run | orders | CPU s | orders per CPU s | wall s | peak RSS MiB |")
    print("|---|---|---|---|---|---|")
    once = measure_postgresql if asked.postgresql else measure_once
    launcher = subprocess.Popen(
        [sys.executable, "-c", LAUNCHER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    found = [once(launcher) for _ in range(asked.runs)]
    for same in zip(*found, strict=True):
        print(min(same, key=lambda measured: measured.cpu).row())


def measure_postgresql(launcher: Launcher) -> list[Measured]:
    """Runs into a server that is started for them, as the tests start it, once."""
    from tests.servers import fresh_database, postgres_server

    server = postgres_server()
    url = server.url(fresh_database(server))
    folder = Path(tempfile.mkdtemp(prefix="orderpull-bench-"))
    try:
        on = "on 1,000,000"
        some = f"1,000 orders, new and changed, {on}"
        return [
            measure(launcher, folder, "first run", 1_000_000, per_call=PER_CALL, url=url),
            measure(launcher, folder, some, 1000, per_call=1000, url=url),
            measure(launcher, folder, f"nothing new {on}", 0, per_call=PER_CALL, url=url),
        ]
    finally:
        shutil.rmtree(folder)


def measure_once(launcher: Launcher) -> list[Measured]:
    """All runs into DuckDB, once."""
    folder = Path(tempfile.mkdtemp(prefix="orderpull-bench-"))
    try:
        some = "100 orders, new and changed, on 200,000"
        measure(launcher, folder / "warm-up", "warm-up", 100, per_call=100)
        return [
            measure(launcher, folder / "small", "first run", 50_000, per_call=PER_CALL),
            measure(launcher, folder / "large", "first run", 200_000, per_call=PER_CALL),
            measure(launcher, folder / "large", some, 100, per_call=100),
            measure(launcher, folder / "large", "nothing new on 200,000", 0, per_call=PER_CALL),
        ]
    finally:
        shutil.rmtree(folder)


def measure(
    launcher: Launcher, folder: Path, what: str, orders: int, *, per_call: int, url: str = ""
) -> Measured:
    """Run ``orderpull run`` in *folder* on *orders* orders of a shop of its own.

    :param url: of the warehouse, if it is not the file that is used by default.
    """
    folder.mkdir(exist_ok=True)
    endless = SkubanaAssessment(endless=True, orders=0, per_call=per_call, seed=per_call)
    shop = endless if orders else SkubanaAssessment(orders=0)
    with Simulator(shop) as simulator:
        settings = SETTINGS.format(url=simulator.url, pages=max(1, orders // per_call))
        into = f'[destination]\nurl = "{url}"\n' if url else ""
        (folder / "orderpull.toml").write_text(into + settings)
        output, status, wall, cpu, rss = launch(launcher, folder)
    result = json.loads(output)
    if status or result["sources"]["shop"]["fetched"] != orders:
        sys.exit(f"{what}: {result}")
    return Measured(what, orders, cpu, wall, rss)


def launch(launcher: Launcher, folder: Path) -> tuple[str, int, float, float, float]:
    """Run ``orderpull run`` in *folder*: output, status, wall and CPU seconds, peak MiB."""
    asked = json.dumps({"args": COMMAND, "cwd": str(folder), "env": COMPILED})
    assert launcher.stdin is not None  # noqa: S101 - it was asked for
    assert launcher.stdout is not None  # noqa: S101 - it was asked for
    launcher.stdin.write(f"{asked}\n")
    launcher.stdin.flush()
    output, status, wall, cpu, rss = json.loads(launcher.stdout.readline())
    return output, status, wall, cpu, rss


if __name__ == "__main__":
    main()
