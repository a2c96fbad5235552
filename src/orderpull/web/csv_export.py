"""Every table of the pages as a CSV file that a spreadsheet opens as it is meant."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import IO, Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from orderpull.answers import from_orders
from orderpull.answers.from_orders import Filter
from orderpull.model import COUNTS, NO_COUNTRY
from orderpull.web.overview import (
    Asked,
    read_by_country,
    read_countries,
    read_popular,
    read_totals,
    read_trend,
)

RUNS_SHOWN = 50
ROWS_AT_ONCE = 50_000
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")
_RUN = (
    *("run", "source", "command", "started_at", "finished_at", "pulled_at", "pages", *COUNTS),
    *("possible_loss", "error"),
)

Lines = Iterator[Sequence[Any]]
Table = tuple[Sequence[str], Lines]


def write_table(name: str, asked: Asked, out: IO[bytes]) -> None:
    """Write the table *name* to *out*: UTF-8 with a byte order mark, lines ended by CR LF.

    Times are those of ``report.timezone``, with their distance from UTC.
    """
    columns, lines = TABLES[name](asked)
    text = io.TextIOWrapper(out, encoding="utf-8-sig", newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(columns)
    for line in lines:
        writer.writerow([cell(value, asked.zone) for value in line])
    text.flush()
    text.detach()


def cell(value: object, zone: ZoneInfo) -> object:
    """*value* as a cell; a text that a spreadsheet would compute has ``'`` before it."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC).astimezone(zone).isoformat(timespec="seconds")
    if isinstance(value, str) and value.startswith(_FORMULAS):
        return "'" + value
    return value


def _totals(asked: Asked) -> Table:
    totals = read_totals(asked, asked.chosen)
    columns = ("orders", "orders_with_items", "items", "average_items_per_order", "countries")
    line = (totals.orders, totals.with_items, totals.items, totals.average, totals.countries)
    return columns, iter([line])


def _trend(asked: Asked) -> Table:
    trend = read_trend(asked, read_totals(asked, asked.chosen))
    lines = ((bar.days.first, bar.days.last, bar.orders, bar.items) for bar in trend.bars)
    return ("first_day", "last_day", "orders", "items"), lines


def _countries(asked: Asked) -> Table:
    rows = read_countries(asked, asked.chosen, asked.question.measure)
    return _rows(rows, ("rank", "country", "orders", "items"))


def _popular(asked: Asked) -> Table:
    return _rows(read_popular(asked), ("rank", "sku", "quantity", "orders"))


def _by_country(asked: Asked) -> Table:
    return _rows(read_by_country(asked), ("country", "rank", "sku", "quantity", "orders"))


def _skus(asked: Asked) -> Table:
    def part(limit: int, offset: int) -> sa.Select[Any]:
        about = asked.about(asked.chosen)
        return about.popular_sku_found(asked.chosen, asked.question.search, limit, offset)

    return _rows(_all(asked, part), ("rank", "sku", "quantity", "orders"))


def _orders(asked: Asked) -> Table:
    def part(limit: int, offset: int) -> sa.Select[Any]:
        return from_orders.orders_with_sku(asked.chosen, asked.question.sku, limit, offset)

    return _rows(_all(asked, part), ("source", "ordernumber", "ordered_at", "country", "quantity"))


def _all(asked: Asked, part: Callable[[int, int], sa.Select[Any]]) -> Iterator[dict[str, Any]]:
    """All rows of a long table, asked for part by part; what was typed is always bound."""
    offset = 0
    while rows := asked.reader.rows(part(ROWS_AT_ONCE, offset)):
        yield from rows
        offset += ROWS_AT_ONCE


def _runs(asked: Asked) -> Table:
    return _rows(asked.reader.rows(from_orders.runs(RUNS_SHOWN)), _RUN)


def _rejects(asked: Asked) -> Table:
    about = Filter(sources=asked.chosen.sources)
    rows = asked.reader.rows(from_orders.rejects_by_reason(about))
    return _rows(rows, ("source", "reason", "rejects", "newest"))


def _rows(rows: Iterable[dict[str, Any]], columns: Sequence[str]) -> Table:
    return columns, ([_shown(name, row[name]) for name in columns] for row in rows)


def _shown(name: str, value: object) -> object:
    return NO_COUNTRY if name == "country" and value is None else value


TABLES: dict[str, Callable[[Asked], Table]] = {
    "totals": _totals,
    "trend": _trend,
    "countries": _countries,
    "popular-skus": _popular,
    "popular-skus-by-country": _by_country,
    "skus": _skus,
    "orders": _orders,
    "runs": _runs,
    "rejects": _rejects,
}
"""Each table by the name that it has in addresses."""
