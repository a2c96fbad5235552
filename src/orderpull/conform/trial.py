"""One trial: a shop, a folder, real runs of the pipeline, and the warehouse afterwards."""

import hmac
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from orderpull.conform.target import Target, VirtualWait, page_size
from orderpull.landing.forgotten import KEY
from orderpull.pipeline import Pipeline, RunResult, SourceResult
from orderpull.settings import read_settings
from orderpull.simulator import Simulator
from orderpull.simulator.shop.base import Platform
from orderpull.sources.spec.order import AMOUNT_FIELDS
from orderpull.sqltext import literal

SOURCE = "shop"
ITEM_COLUMNS = ("items", "titles", "amounts", "returned")
COLUMNS = ("country", "line1", "line2", "name", "postalcode", "stateprovince", "city", "customer")
SINCE = timedelta(days=45)
"""Start of the first run: so long ago, before the shop's first order."""


@dataclass
class Warehouse:
    """Contents of the warehouse: orders by id, and number of rejects by reason."""

    orders: dict[str, dict[str, Any]]
    rejects: dict[str, int]


@dataclass
class Trial:
    """A served shop, and a folder with settings for it.

    :ivar waits: the waiting times of all runs.
    """

    target: Target
    shop: Platform
    folder: Path
    url: str
    waits: VirtualWait

    @property
    def size(self) -> int:
        """The page size."""
        return page_size(self.target.api)

    @property
    def calls(self) -> int:
        """Number of calls so far for orders and their children."""
        return self.shop.calls["list"] + self.shop.calls["child"]

    def settings(self, **more: object) -> Path:
        """Write the settings, with *more* for the source; return the file."""
        begin = self.shop.clock.now - SINCE
        values: dict[str, object] = {
            "api": self.target.file,
            "base_url": self.url,
            "rate": 1_000_000,
            "timeout": 20,
            **self.target.credentials(),
        }
        if self.target.api.cursor:
            values["start"] = begin.isoformat(timespec="seconds")
        if self.target.api.auth.token:
            values["auth_url"] = self.url
        if self.target.api.paging.size_param:
            values["page_size"] = self.size
        file = self.folder / "orderpull.toml"
        lines = [f"{key} = {msgspec.json.encode(value).decode()}"
                 for key, value in {**values, **more}.items()]  # fmt: skip
        file.write_text("\n".join((f"[sources.{SOURCE}]", *lines, "")), encoding="utf-8")
        return file

    def run(self, **more: object) -> SourceResult:
        """Run once, with *more* settings; the result holds the error of the source."""
        settings = read_settings(self.settings(**more))
        pipeline = Pipeline(settings, stop=self.waits)
        result: RunResult = pipeline.timed(pipeline.run)
        if result.error is not None:
            raise result.error
        return result.sources[SOURCE]

    def killed(self, point: str, **more: object) -> bool:
        """Run in a process that is killed at *point*; return True if the point was reached."""
        return exit_code("-m", "orderpull.conform.killed", point, str(self.settings(**more))) < 0

    def kinds(self) -> list[str]:
        """Return the kind of each landed page."""
        landing = Pipeline(read_settings(self.settings())).landing_of(SOURCE)
        return [landing.meta(page).kind for page in landing.pages()]

    def warehouse(self) -> Warehouse:
        """Read the warehouse."""
        with _attached(self.folder / "orders.duckdb") as connection:
            amounts = ", ".join(f"{name} * 100 AS {name}" for name in AMOUNT_FIELDS)
            orders = {
                row[0]: {"number": row[1], "counted": row[2],
                         **dict(zip((*COLUMNS, *AMOUNT_FIELDS), map(_plain, row[3:]), strict=True)),
                         **{name: {} for name in ITEM_COLUMNS}}
                for row in connection.execute(
                    f"SELECT order_id, ordernumber, counted, {', '.join(COLUMNS)}, {amounts} "  # noqa: S608
                    "FROM order_header JOIN order_address USING (source, ordernumber)"
                ).fetchall()
            }  # fmt: skip
            items = connection.execute(
                "SELECT order_id, sku, quantity, title, amount * 100, returned "
                "FROM order_item JOIN order_header USING (source, ordernumber)"
            ).fetchall()
            for order, sku, *values in items:
                for name, value in zip(ITEM_COLUMNS, values, strict=True):
                    orders[order][name][sku] = _plain(value)
            rejects = connection.execute(
                "SELECT reason, count(*) FROM orderpull_reject GROUP BY reason"
            ).fetchall()
        return Warehouse(orders, dict(rejects))

    def differences(self) -> list[str]:
        """Return the differences between warehouse and truth, as sentences."""
        truth = self.target.truth(self.shop)
        for part in truth.values():
            for order_id, row in part.items():
                part[order_id] = self._as_mapped(row)
        return list(differing(self.warehouse(), truth))

    def _as_mapped(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return a row of the truth without the columns that the file does not map."""
        mapping, hidden = self.target.api.mapping, set(AMOUNT_FIELDS)
        hidden -= mapping.amounts().keys()
        main = mapping.main
        hidden |= {"titles"} if main.title is None else set()
        hidden |= {"amounts"} if main.amount is None else set()
        if all(items.returned is None for items in mapping.item_lists):
            hidden.add("returned")
        kept = {name: value for name, value in row.items() if name not in hidden}
        if mapping.customer is None:
            kept.pop("customer", None)
        elif kept.get("customer") is not None:
            kept["customer"] = self._hash_of(kept["customer"])
        return kept

    def _hash_of(self, customer: str) -> str:
        """Return the keyed hash of a customer, under the key beside the pages."""
        key = (self.folder / "landing" / SOURCE / KEY).read_bytes()
        return hmac.digest(key, f"{SOURCE}\0{customer}".encode(), "sha256").hex()[:32]


@contextmanager
def _attached(file: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open *file* in the one DuckDB of all trials: to start another takes longer than to read."""
    with closing(_engine().cursor()) as connection:
        connection.execute(f"ATTACH {literal(str(file))} AS trial (READ_ONLY)")
        try:
            connection.execute("USE trial")
            yield connection
        finally:
            connection.execute("USE memory")
            connection.execute("DETACH trial")


@cache
def _engine() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()


def _plain(value: Any) -> Any:  # noqa: ANN401 - of any column
    """Return a value of a table; a decimal number as a float."""
    return float(value) if isinstance(value, Decimal) else value


def exit_code(*arguments: str) -> int:
    """Run Python with *arguments*; return its exit code, negative for a signal."""
    command = [sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, check=False, timeout=60).returncode  # noqa: S603


@contextmanager
def trial(target: Target, **switches: Any) -> Iterator[Trial]:  # noqa: ANN401 - of the shop
    """Open a trial on a shop with *switches*, in a temporary folder."""
    waits = VirtualWait()
    shop = target.open(waits, **switches)
    with (
        tempfile.TemporaryDirectory(prefix="orderpull-conform-") as folder,
        Simulator(shop) as simulator,
    ):
        yield Trial(target, shop, Path(folder), simulator.url, waits)


def differing(warehouse: Warehouse, truth: Mapping[str, Any]) -> Iterator[str]:
    """Yield the differences between *warehouse* and *truth*, as sentences.

    Deleted orders may still be loaded; carts and drafts may be loaded if they do not count.
    """
    expected, deleted, aside = truth["orders"], truth["deleted"], truth["aside"]
    lost = sorted(expected.keys() - warehouse.orders.keys())
    if lost:
        numbers = [expected[order_id]["number"] for order_id in lost]
        yield f"{_count(lost)} missing: {_listed(numbers)}"
    uncounted = {key for key in aside if warehouse.orders.get(key, {}).get("counted") is False}
    allowed = {*expected, *deleted, *uncounted}
    extra = [rows["number"] for key, rows in warehouse.orders.items() if key not in allowed]
    if extra:
        yield f"{_count(extra)} too many: {_listed(extra)}"
    for order_id in sorted(expected.keys() & warehouse.orders.keys()):
        yield from _unlike(expected[order_id], warehouse.orders[order_id])
    for reason, number in warehouse.rejects.items():
        yield f"{number} rejected: {reason}"


def _unlike(expected: Mapping[str, Any], loaded: Mapping[str, Any]) -> Iterator[str]:
    for column, value in loaded.items():
        if column in expected and expected[column] != value:
            yield (f"order {expected['number']}: {column} is {value!r}, not {expected[column]!r}")


def _count(orders: list[str]) -> str:
    return "1 order is" if len(orders) == 1 else f"{len(orders)} orders are"


def _listed(numbers: list[str]) -> str:
    return ", ".join(numbers[:3]) + (", …" if len(numbers) > 3 else "")  # noqa: PLR2004
