"""One command of an installation in a process of its own, which a test may kill."""

import json
from datetime import datetime, timedelta
from pathlib import Path

from orderpull import clock, pipeline, read_settings
from orderpull.cli import main as orderpull
from tests.contract.list_shop import ListShop

PROGRAM = "import sys; from tests.stateful.killed import main; main(*sys.argv[1:])"


class Clock:
    """A clock that goes on by two seconds with each look at it."""

    def __init__(self, time: datetime) -> None:
        self.time = time

    def now(self) -> datetime:
        """The time, UTC."""
        self.time += timedelta(seconds=2)
        return self.time

    def pass_days(self, days: int) -> None:
        """Let *days* pass."""
        self.time += timedelta(days=days)


def keep(file: Path, shop: ListShop, now: datetime) -> None:
    """Write the orders of *shop* and the time, for :func:`main`."""
    file.write_text(json.dumps({"orders": shop.orders, "now": now.isoformat()}), encoding="utf-8")


def main(file: str, *arguments: str) -> None:
    """Run ``orderpull ARGUMENTS`` in the working folder, with the shop and the time in *file*."""
    kept = json.loads(Path(file).read_text(encoding="utf-8"))
    clock.now = Clock(datetime.fromisoformat(kept["now"])).now
    shop = ListShop(0)
    shop.orders = {int(number): order for number, order in kept["orders"].items()}
    if arguments == ("run",):
        pipeline.run(read_settings("orderpull.toml"), send=shop.send)
    else:
        orderpull(arguments)
