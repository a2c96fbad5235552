"""One trial: a shop, a folder, real runs of the pipeline, and what the warehouse holds then."""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from orderpull.conform.target import Target, page_size
from orderpull.conform.virtual_wait import VirtualWait
from orderpull.pipeline import Pipeline, RunResult, SourceResult
from orderpull.settings import read_settings
from orderpull.simulator import Request, Response, Simulator
from orderpull.simulator.shop.base import Platform

SOURCE = "shop"
COLUMNS = ("country", "line1", "line2", "name", "postalcode", "stateprovince", "city")
SINCE = timedelta(days=45)
"""How far back the first run begins: before the shop's first order."""

Tamper = Callable[[Request, Response], Response]
"""What becomes of an answer on its way out."""


@dataclass
class Warehouse:
    """What the warehouse holds: orders by id, and why others were rejected."""

    orders: dict[str, dict[str, Any]]
    rejects: dict[str, int]


class _TamperedShop:
    """A shop whose answers may be struck on their way out."""

    def __init__(self, shop: Platform, tamper: Tamper) -> None:
        self.shop = shop
        self.tamper = tamper
        self.name = shop.name
        self.seed = shop.seed
        self.exhausted = True

    def respond(self, request: Request) -> Response:
        """Answer one request."""
        return self.tamper(request, self.shop.respond(request))

    def truth(self) -> dict[str, Any]:
        """What a correct warehouse holds."""
        return self.shop.truth()

    def kind(self, request: Request) -> str:
        """What the request is for."""
        return self.shop.kind(request)


@dataclass
class Trial:
    """A shop that is served, and a folder with settings for it.

    :ivar waits: what was waited, in all runs.
    """

    target: Target
    shop: Platform
    folder: Path
    url: str
    waits: VirtualWait

    @property
    def size(self) -> int:
        """Orders on a page."""
        return page_size(self.target.api)

    @property
    def calls(self) -> int:
        """Calls so far for orders, and for what belongs to them."""
        return self.shop.calls["list"] + self.shop.calls["child"]

    def settings(self, **more: object) -> Path:
        """Write the settings, with *more* for the source; returns the file."""
        begin = self.shop.clock.now - SINCE
        given: dict[str, object] = {
            "api": self.target.file,
            "base_url": self.url,
            "rate": 1_000_000,
            "timeout": 20,
            **self.target.credentials(),
        }
        if self.target.api.cursor:
            given["start"] = begin.isoformat(timespec="seconds")
        if self.target.api.auth.token:
            given["auth_url"] = self.url
        if self.target.api.paging.size_param:
            given["page_size"] = self.size
        file = self.folder / "orderpull.toml"
        lines = [f"{key} = {msgspec.json.encode(value).decode()}"
                 for key, value in {**given, **more}.items()]  # fmt: skip
        file.write_text("\n".join((f"[sources.{SOURCE}]", *lines, "")), encoding="utf-8")
        return file

    def run(self, **more: object) -> SourceResult:
        """Run once, with *more* settings; the error, if there is one, is in the result."""
        settings = read_settings(self.settings(**more))
        pipeline = Pipeline(settings, stop=self.waits)
        result: RunResult = pipeline.timed(pipeline.run)
        if result.error is not None:
            raise result.error
        return result.sources[SOURCE]

    def killed(self, point: str) -> bool:
        """Run in a process of its own that is killed at *point*; whether it came so far."""
        detail = [sys.executable, "-m", "orderpull.conform.killed", point, str(self.settings())]
        ended = subprocess.run(detail, capture_output=True, check=False, timeout=60)  # noqa: S603
        return ended.returncode < 0

    def warehouse(self) -> Warehouse:
        """What the warehouse holds."""
        file = self.folder / "orders.duckdb"
        with duckdb.connect(str(file), read_only=True) as connection:
            orders = {
                row[0]: {"number": row[1], "counted": row[2],
                         **dict(zip(COLUMNS, row[3:], strict=True)), "items": {}}
                for row in connection.execute(
                    f"SELECT order_id, ordernumber, counted, {', '.join(COLUMNS)} "  # noqa: S608
                    "FROM order_header JOIN order_address USING (source, ordernumber)"
                ).fetchall()
            }  # fmt: skip
            items = connection.execute(
                "SELECT order_id, sku, quantity "
                "FROM order_item JOIN order_header USING (source, ordernumber)"
            ).fetchall()
            for order, sku, quantity in items:
                orders[order]["items"][sku] = quantity
            rejects = connection.execute(
                "SELECT reason, count(*) FROM orderpull_reject GROUP BY reason"
            ).fetchall()
        return Warehouse(orders, dict(rejects))

    def differences(self) -> list[str]:
        """How the warehouse differs from the truth, in words; nothing if it does not."""
        return list(differing(self.warehouse(), self.target.truth(self.shop)))


@contextmanager
def trial(target: Target, tamper: Tamper | None = None, **switches: Any) -> Iterator[Trial]:  # noqa: ANN401
    """A trial on a shop with *switches*, in a temporary folder."""
    waits = VirtualWait()
    shop = target.open(waits, **switches)
    profile: Any = shop if tamper is None else _TamperedShop(shop, tamper)
    with (
        tempfile.TemporaryDirectory(prefix="orderpull-conform-") as folder,
        Simulator(profile) as simulator,
    ):
        yield Trial(target, shop, Path(folder), simulator.url, waits)


def differing(warehouse: Warehouse, truth: Mapping[str, Any]) -> Iterator[str]:
    """How *held* differs from *truth*, in words.

    Deleted orders may still be held; what is no order may be held if it does not count.
    """
    wanted, gone, aside = truth["orders"], truth["deleted"], truth["aside"]
    lost = sorted(set(wanted) - set(warehouse.orders))
    if lost:
        yield f"{_count(lost)} missing: {_named(wanted[each]['number'] for each in lost)}"
    extra = [
        rows["number"] for told, rows in warehouse.orders.items()
        if told not in wanted and told not in gone
        and not (told in aside and rows["counted"] is False)
    ]  # fmt: skip
    if extra:
        yield f"{_count(extra)} too many: {_named(extra)}"
    for told in sorted(set(wanted) & set(warehouse.orders)):
        yield from _unlike(wanted[told], warehouse.orders[told])
    for reason, number in warehouse.rejects.items():
        yield f"{number} rejected: {reason}"


def _unlike(wanted: Mapping[str, Any], warehouse: Mapping[str, Any]) -> Iterator[str]:
    for column, value in warehouse.items():
        if column in wanted and wanted[column] != value:
            meant = wanted[column]
            yield f"order {wanted['number']}: {column} is {value!r}, not {meant!r}"


def _count(orders: list[str]) -> str:
    return "1 order is" if len(orders) == 1 else f"{len(orders)} orders are"


def _named(numbers: Any) -> str:  # noqa: ANN401 - numbers of orders
    named = list(numbers)
    return ", ".join(named[:3]) + (", …" if len(named) > 3 else "")  # noqa: PLR2004
