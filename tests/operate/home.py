"""A folder with settings, a landing of awkward orders, and a warehouse of either kind beside it."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
from click.testing import CliRunner, Result

from orderpull import Settings, read_settings
from orderpull.cli import main
from orderpull.sources.spec.reader import parse_api
from tests.normalize.helpers import land, new_landing
from tests.warehouses import Warehouse, warehouse

KINDS = ("duckdb", "postgresql", "redshift")
API = """
title = "Awkward shop"
[request]
path = "/orders"
[records]
path = "orders"
[order]
id = "id"
number = "no"
status = "status"
ordered_at = "placed"
modified_at = "changed"
total = "total"
refunded = "back"
customer = "mail"
[order.address]
name = "to"
line1 = "street"
country = "country"
[order.lines]
path = "lines"
sku = "sku"
quantity = "n"
title = "title"
amount = "came_to"
returned = "returned"
"""
NAMES = (
    "\\.",
    "O'Brien",
    'the "quoted"',
    "two\nlines\r\n\\.\n",
    "😀 家族",
    "",
    None,
    "a,b",
    "NULL",
)
"""Texts that break careless loaders: ends of data, quotes, line ends, emoji; '' and NULL."""

NUMBERS = ("~1", "Z", "a", "Ä1", "\uff5e", "😀", "#10", "#9", "a b", "1")
"""Order numbers whose order differs between bytes, UTF-16 and most languages."""


def order(id_: str, number: str, **more: Any) -> dict[str, Any]:
    """One order, as the shop serves it."""
    usual = {"placed": "2026-01-01T08:00:00Z", "total": "10.50", "to": "Ada", "country": "DE"}
    return {"id": id_, "no": number, "lines": [{"sku": "TEA", "n": 1}], **usual, **more}


def history() -> list[list[dict[str, Any]]]:
    """Pages with awkward texts, newer and older versions, reused numbers and bad orders."""
    first = [
        order(f"i{n}", number, to=NAMES[n % len(NAMES)], street=NAMES[n % 5], status=NAMES[n % 7],
              lines=[{"sku": f"S{n}", "n": n}, {"sku": NAMES[n % 3], "n": 2}])
        for n, number in enumerate(NUMBERS)
    ]  # fmt: skip
    second = [
        order("i1", "Z", changed="2026-02-01T00:00:00Z", lines=[]),
        order("i2", "moved", to=None, country="Narnia"),
        order("late", "a", placed="2026-03-01T00:00:00Z"),
        order("other", "1", placed="2025-01-01T00:00:00.123456Z", total="-0.0001"),
        order("bad", "B", lines=[{"sku": "X", "n": "some"}]),
    ]
    third = [
        order("i1", "Z", changed="2026-01-15T00:00:00Z"),
        order("i3", "Ä1", to=NAMES[3], street=NAMES[3], status=NAMES[3],
              lines=[{"sku": "S3", "n": 3}, {"sku": NAMES[0], "n": 2}]),
        order("later", "a", placed="2025-03-01T00:00:00Z"),
        order("bad", "B", lines=[{"sku": "X", "n": -1}]),
        order("i9", "again", total=None),
    ]  # fmt: skip
    return [first, second, third]


@dataclass
class House:
    """A folder with a landing, and its warehouse."""

    folder: Path
    origin: Warehouse

    def settings(self, more: str = "", target: Warehouse | None = None) -> Settings:
        """Write ``orderpull.toml``.

        :param more: further lines of the source ``shop``.
        :param target: another warehouse that is to be reached with these settings, but for its URL.
        """
        lines = {**(target.lines if target else {}), "url": None, **self.origin.lines}
        block = "".join(f'{key} = "{value}"\n' for key, value in lines.items() if value)
        (self.folder / "awkward.toml").write_text(API, encoding="utf-8")
        file = self.folder / "orderpull.toml"
        file.write_text(
            f"[destination]\nlock_wait = 5\n{block}\n"
            f'[sources.shop]\napi = "awkward.toml"\nbase_url = "http://127.0.0.1:9"\n{more}\n',
            encoding="utf-8",
        )
        return read_settings(file)

    def land(self, *pages: Sequence[dict[str, Any]]) -> None:
        """Land *pages*."""
        api = parse_api(API, "awkward.toml")
        landing = new_landing(self.folder / "landing")
        for page in pages:
            land(landing, api, json.dumps({"orders": page}, ensure_ascii=False).encode())

    def plant(self, statement: str) -> None:
        """Change what readers see."""
        self.origin.query(statement)
        if self.origin.kind == "duckdb":
            with duckdb.connect(str(self.folder / "orders.snapshot.duckdb")) as snapshot:
                snapshot.execute(statement)

    def call(self, *arguments: str, code: int = 0, stdin: str | None = None) -> Result:
        """The result of ``orderpull ARGUMENTS``, which must end with *code*."""
        config = str(self.folder / "orderpull.toml")
        result = CliRunner().invoke(main, ["--config", config, *arguments], input=stdin)
        assert result.exit_code == code, result.output
        return result


@contextmanager
def house(kind: Any, folder: Path) -> Iterator[House]:
    """A house with a warehouse of *kind* that has loaded the whole history."""
    with warehouse(kind, folder) as origin:
        made = House(folder, origin)
        made.settings()
        made.land(*history())
        made.call("load", "--accept-rejects")
        yield made
