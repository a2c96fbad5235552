"""Random histories of a shop, kills, replays, restored pages and erasures."""

import os
import random
import signal
from pathlib import Path

import pytest

from orderpull.operate.rejects import retry
from orderpull.operate.replay import replay
from tests.contract.list_shop import Listed
from tests.failpoints import FORGET_POINTS
from tests.forget.person import everything, forget
from tests.processes import start
from tests.rollup_oracle import differing
from tests.sources.random.seeds import seeds
from tests.traces import traces
from tests.warehouses import Warehouse, warehouse

STEPS = 10


class History:
    """A shop in which each order has a person of its own, and what was done to it.

    :ivar forgotten: numbers of the orders whose erasure has begun.
    :ivar open: an erasure was killed, or pages were restored from a backup.
    """

    def __init__(self, place: Warehouse, temporary: Path, seed: int) -> None:
        self.random = random.Random(seed)
        self.place, self.temporary = place, temporary
        self.listed = Listed(place, 0)
        self.numbers: list[int] = []
        self.forgotten: set[int] = set()
        self.landed: set[int] = set()
        self.open = False
        self.backup: dict[Path, bytes] = {}
        self.done: list[str] = []

    def step(self) -> None:
        """Do one thing, and look for the forgotten."""
        kinds = [
            self.place_order, self.change, self.run, self.run, self.forget, self.forget,
            self.killed, self.again, self.replay, self.retry, self.keep, self.restore,
        ]  # fmt: skip
        do = self.random.choice(kinds)
        self.done.append(do.__name__)
        do()
        self.check()

    def place_order(self) -> None:
        self.numbers.append(len(self.numbers) + 1)
        self.write(self.numbers[-1])

    def change(self) -> None:
        if self.numbers:
            self.write(self.random.choice(self.numbers))

    def write(self, number: int) -> None:
        """Place or change an order; one in four cannot be shaped."""
        name, street, mail = texts(number)
        amount = self.random.choice([1, 2, 3, "some"])
        to = {"country": "DE", "line": street, "name": name, "city": "Ulm"}
        lines = [{"sku": "A", "n": amount}]
        self.listed.shop.place(number, to=to, mail=mail, lines=lines)

    def run(self) -> None:
        assert self.listed.run().error is None
        self.landed = set(self.numbers)

    def forget(self) -> None:
        if number := self.wanted():
            forget(self.listed, *self.criteria(number), "--yes")
            self.forgotten.add(number)
            self.open = False

    def killed(self) -> None:
        if number := self.wanted():
            point = self.random.choice(FORGET_POINTS)
            process = start(
                "-m", "orderpull", "forget", "--yes", *self.criteria(number),
                cwd=self.place.folder, kill_at=f"{point}:1",
                env={**os.environ, "TMPDIR": str(self.temporary)},
            )  # fmt: skip
            _, errors = process.communicate(timeout=120)
            self.done[-1] += f" at {point}"
            assert process.returncode in {-signal.SIGKILL, 0}, errors.decode()
            self.forgotten.add(number)
            self.open = process.returncode != 0 or self.open

    def wanted(self) -> int:
        """An order that is landed and not forgotten; 0 if there is none."""
        left = sorted(self.landed - self.forgotten)
        return self.random.choice(left) if left else 0

    def criteria(self, number: int) -> list[str]:
        return ["--order", f"N-{number}"]

    def again(self) -> None:
        if self.forgotten:
            forget(self.listed, "--yes")
            self.open = False

    def replay(self) -> None:
        assert replay(self.listed.settings).result.ok

    def retry(self) -> None:
        assert retry(self.listed.settings).ok

    def keep(self) -> None:
        self.backup = {path: path.read_bytes() for path in self.pages()}

    def restore(self) -> None:
        for path, data in self.backup.items():
            path.write_bytes(data)
        self.open = self.open or bool(self.backup)

    def pages(self) -> list[Path]:
        return [*(self.place.folder / "landing").rglob("*.zst")]

    def check(self) -> None:
        """No forgotten order has a person, and the sums are right."""
        assert differing(self.place.query, "UTC") == []
        if self.open:
            return
        persons = [text for number in self.forgotten for text in texts(number)]
        assert traces(persons, everything(self.place, self.temporary)) == [], self.done


def texts(number: int) -> list[str]:
    """Name, street and address of the person of an order; no one is part of another."""
    return [f"Zebulon Q{number}uux", f"Krötenweg {number}z", f"z{number}@quux.example"]


@pytest.mark.parametrize("seed", seeds(1))
def test_who_is_forgotten_stays_so_and_every_sale_counts(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the end the tables have each order of the shop, as it is now."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    with warehouse("duckdb", tmp_path / "here", prepared=True) as place:
        history = History(place, tmp_path / "tmp", seed)
        for _ in range(4):
            history.place_order()
        history.run()
        for _ in range(STEPS):
            history.step()
        history.run()
        history.again()
        history.check()
        shop = history.listed.shop.orders.values()
        sold = {order["no"]: order["lines"][0]["n"] for order in shop}
        items = dict(place.query("SELECT ordernumber, quantity FROM order_item"))
        rejected = {number for (number,) in place.query("SELECT ordernumber FROM orderpull_reject")}
        assert {number for number in sold if number not in items} <= rejected
        assert {n for n, amount in sold.items() if amount == "some"} == rejected
        assert {n: sold[n] for n in items if n not in rejected} == {
            n: items[n] for n in items if n not in rejected
        }
