"""Measure whole runs of ``orderpull``: ``make bench``.

Each figure is of a process of its own, by the operating system's account of it (``getrusage`` of
the finished child): CPU seconds, wall seconds, the peak of its memory. The simulated shop runs in
the measuring process and is not counted.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from orderpull.simulator import Simulator, SkubanaAssessment

SETTINGS = '[sources.shop]\napi = "skubana-assessment"\nbase_url = "{url}"\nmax_pages = {pages}\n'
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
    runs = parser.parse_args().runs
    print("| run | orders | CPU s | orders per CPU s | wall s | peak RSS MiB |")
    print("|---|---|---|---|---|---|")
    found = [measure_once() for _ in range(runs)]
    for same in zip(*found, strict=True):
        print(min(same, key=lambda measured: measured.cpu).row())


def measure_once() -> list[Measured]:
    """All runs, once."""
    folder = Path(tempfile.mkdtemp(prefix="orderpull-bench-"))
    try:
        measure(folder / "warm-up", "warm-up", 100, 100)
        return [
            measure(folder / "small", "first run", 50_000, PER_CALL),
            measure(folder / "large", "first run", 200_000, PER_CALL),
            measure(folder / "large", "100 orders, new and changed, on 200,000", 100, 100),
            measure(folder / "large", "nothing new on 200,000", 0, PER_CALL),
        ]
    finally:
        shutil.rmtree(folder)


def measure(folder: Path, what: str, orders: int, per_call: int) -> Measured:
    """Run ``orderpull run`` in *folder* on *orders* orders of a shop of its own."""
    folder.mkdir(exist_ok=True)
    endless = SkubanaAssessment(endless=True, orders=0, per_call=per_call, seed=per_call)
    shop = endless if orders else SkubanaAssessment(orders=0)
    with Simulator(shop) as simulator:
        settings = SETTINGS.format(url=simulator.url, pages=max(1, orders // per_call))
        (folder / "orderpull.toml").write_text(settings)
        began = time.monotonic()
        process = subprocess.Popen(
            COMMAND, cwd=folder, env=COMPILED, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        output = process.stdout.read() if process.stdout else b""
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - began
    result = json.loads(output)
    if status or result["sources"]["shop"]["fetched"] != orders:
        sys.exit(f"{what}: {result}")
    return Measured(what, orders, usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024)


if __name__ == "__main__":
    main()
