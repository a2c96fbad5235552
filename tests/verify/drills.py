"""Drills: damage done at random to a warehouse and its landing, and what verify has to say of it.

What the rollups should say comes from ``tests/rollup_oracle.py``, which is plain Python.
"""

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orderpull.model import DATA_TABLES, NO_DAY
from tests.operate.home import House, history, house, order
from tests.rollup_oracle import recount, summaries

Found = tuple[str, str, str]
"""Order, kind and where of a difference."""

PAGE = 25
ORDERS = 200
COUNTRIES = ("DE", "AT", "", "FR")
BY_HAND = {
    "UPDATE order_header SET status = 'by hand' WHERE ordernumber = '{0}'": "different",
    "UPDATE order_header SET total = coalesce(total, 0) + 1 WHERE ordernumber = '{0}'": "different",
    "UPDATE order_header SET counted = NOT counted WHERE ordernumber = '{0}'": "uncounted",
    "UPDATE order_header SET ordered_at = '2026-02-03 04:05:06' WHERE ordernumber = '{0}'": "different",
    "UPDATE order_header SET page = 1 WHERE ordernumber = '{0}'": "different",
    "UPDATE order_address SET city = 'Elsewhere' WHERE ordernumber = '{0}'": "different",
    "UPDATE order_item SET quantity = quantity + 3 WHERE ordernumber = '{0}'": "different",
    "UPDATE order_item SET sku = 'by hand ' || sku WHERE ordernumber = '{0}'": "different",
    "UPDATE order_header SET content_hash = 'f', modified_at = '2025-01-01' "
    "WHERE ordernumber = '{0}'": "older",
}
"""Statements that change an order by hand, and the kind that verify must name it with."""

UNHASHED = ("SET page",)
"""Changes that the hash of an order does not cover."""


@dataclass
class Drill:
    """One drill in *home*; ``expected`` is what verify must find, neither less nor more."""

    home: House
    rng: random.Random
    expected: set[Found] = field(default_factory=set)
    dropped: tuple[Path, bytes] | None = None

    def damage(self) -> None:
        """Delete ten orders, change five, drop a page, add a foreign order, falsify a rollup."""
        page = self.rng.choice(self.pages())
        self._drop(page)
        self.delete(10, but=page)
        self.change(5, but=page)
        self._add_foreign()
        self.falsify()
        self.expected |= self._wrong_rollups()

    def delete(self, count: int, but: int = 0) -> None:
        """Delete *count* orders that did not come with page *but*."""
        for number in self.rng.sample(self._orders(but), count):
            for table in ("order_header", "order_address", "order_item"):
                self.run(f"DELETE FROM {table} WHERE ordernumber = '{number}'")
            self.expected.add((number, "missing", "landing-tables"))

    def change(self, count: int, but: int = 0) -> None:
        """Change *count* orders that did not come with page *but*."""
        for number in self.rng.sample(self._orders(but), count):
            self._change(number)

    def run(self, statement: str) -> list[tuple[Any, ...]]:
        """Run *statement* in the warehouse."""
        return self.home.origin.query(statement)

    def pages(self) -> list[int]:
        """The numbers of the pages that hold the plain orders."""
        return [page for (page,) in self.run(
            "SELECT DISTINCT page FROM order_header WHERE ordernumber LIKE 'N%' ORDER BY page"
        )]  # fmt: skip

    def verify(self, *options: str, code: int | None = None) -> set[Found]:
        """What `orderpull verify --deep` finds."""
        code = (1 if self.expected else 0) if code is None else code
        told = json.loads(self.home.call("verify", "--deep", "--json", *options, code=code).output)
        found = [
            (d["order"], d["kind"], d["where"]) for d in told["sources"]["shop"]["differences"]
        ]
        assert len(found) == len(set(found)), "a difference is named twice"
        return set(found)

    def put_back(self) -> None:
        """Restore the dropped page, as from a backup."""
        assert self.dropped is not None
        path, data = self.dropped
        path.write_bytes(data)

    def _orders(self, but: int) -> list[str]:
        rows = self.run(f"""SELECT ordernumber FROM order_header WHERE page <> {but} AND counted
                            AND ordernumber LIKE 'N%' ORDER BY ordernumber""")
        return [number for (number,) in rows]

    def _change(self, number: str) -> None:
        statement, kind = self.rng.choice(list(BY_HAND.items()))
        self.run(statement.format(number))
        self.expected.add((number, kind, "landing-tables"))
        if not any(part in statement for part in UNHASHED):
            self.expected.add((number, "different", "tables"))

    def _drop(self, page: int) -> None:
        (path,) = (self.home.folder / "landing" / "shop").glob(f"*/{page:012d}.json.zst")
        self.dropped = path, path.read_bytes()
        path.unlink()
        self.expected.add((f"page {page}", "missing", "landing-tables"))

    def _add_foreign(self) -> None:
        like = self.run("SELECT ordernumber FROM order_header WHERE ordernumber LIKE 'N%' LIMIT 1")[
            0
        ][0]
        page = self.run("SELECT min(page) FROM orderpull_page")[0][0]
        foreign = {"ordernumber": "'foreign'", "order_id": "'foreign'", "content_hash": "'abc'"}
        for table in DATA_TABLES:
            own = foreign | ({"page": page} if "page" in table.names else {})
            values = ", ".join(str(own.get(name, name)) for name in table.names)
            self.run(
                f"""INSERT INTO {table.name} ({", ".join(table.names)})
                    SELECT {values} FROM {table.name} WHERE ordernumber = '{like}'"""
            )
        self.expected |= {
            ("foreign", "extra", "landing-tables"), ("foreign", "different", "tables"),
        }  # fmt: skip

    def falsify(self) -> None:
        """Change a sum in a rollup."""
        day, country = self.rng.choice(
            self.run("SELECT day, country FROM summary_day ORDER BY 1, 2")
        )
        table = self.rng.choice(("summary_day", "summary_line"))
        self.run(
            f"UPDATE {table} SET quantity = quantity + 7 WHERE day = '{day}' AND country = '{country}'"
        )

    def _wrong_rollups(self) -> set[Found]:
        query = self.home.origin.query
        from zoneinfo import ZoneInfo

        told, counted = summaries(query), recount(query, ZoneInfo("UTC"))
        wrong = set()
        for name in ("day", "line", "year"):
            for group in {*told[name], *counted[name]}:
                if told[name].get(group, 0) != counted[name].get(group, 0):
                    when, place = group[1], group[2] or "(no country)"
                    if when in {NO_DAY, NO_DAY.year}:
                        wrong.add(f"orders without a date, {place}")
                    else:
                        wrong.add(f"{'year' if name == 'year' else 'day'} {when} {place}")
        return {(each, "different", "rollups") for each in wrong}


def plain_orders(rng: random.Random) -> Iterator[list[dict[str, Any]]]:
    """Pages of plain orders, some of which come again, newer or unchanged."""
    made = [_plain(rng, number) for number in range(ORDERS)]
    again = [
        {**each, "changed": "2026-05-01T00:00:00Z", "status": rng.choice(("paid", "sent"))}
        for each in rng.sample(made, ORDERS // 5)
    ]
    everything = made + again + rng.sample(made, ORDERS // 20)
    for first in range(0, len(everything), PAGE):
        yield everything[first : first + PAGE]


def _plain(rng: random.Random, number: int) -> dict[str, Any]:
    return order(
        f"p{number}", f"N{number}",
        placed=f"2026-0{rng.randint(1, 3)}-{rng.randint(1, 28):02d}T08:00:00Z",
        changed="2026-04-01T00:00:00Z",
        country=rng.choice(COUNTRIES), total=str(rng.randint(1, 99)),
        lines=[{"sku": f"S{rng.randint(1, 6)}", "n": rng.randint(1, 4)} for _ in range(rng.randint(1, 3))],
    )  # fmt: skip


@contextmanager
def drilled(kind: Any, folder: Path) -> Iterator[House]:
    """A house with a warehouse of *kind*, the awkward history and plain orders."""
    with house(kind, folder) as home:
        home.land(*plain_orders(random.Random(1)))
        home.call("load")
        yield home


__all__ = ["Drill", "drilled", "history"]
