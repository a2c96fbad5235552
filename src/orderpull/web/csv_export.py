"""CSV downloads: every table of the pages as a file for spreadsheets.

The columns are the fields of the API's shapes.
"""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import IO, Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from orderpull.answers import ledger
from orderpull.answers.csv import escape_formula
from orderpull.answers.from_orders import OrderQueries
from orderpull.model import NO_COUNTRY
from orderpull.web.api_answers import Bar, Country, CountrySku, Order, Run, Sku, Totals
from orderpull.web.overview import (
    RUNS_SHOWN,
    QueryContext,
    read_by_country,
    read_countries,
    read_popular,
    read_totals,
    read_trend,
)

PAGE_ROWS = 50_000

Lines = Iterator[Sequence[Any]]
Table = tuple[Sequence[str], Lines]
"""Column names, and lines of values."""


def write_table(name: str, context: QueryContext, out: IO[bytes]) -> None:
    """Write the table *name* to *out*: UTF-8 with a byte order mark, lines ended by CR LF.

    Times are in ``report.timezone``, with their UTC offset.
    """
    columns, lines = TABLES[name](context)
    text = io.TextIOWrapper(out, encoding="utf-8-sig", newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(columns)
    for line in lines:
        writer.writerow([csv_cell(value, context.zone) for value in line])
    text.flush()
    text.detach()


def csv_cell(value: object, zone: ZoneInfo) -> object:
    """Convert *value* to a cell: times to *zone*, formulas escaped."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC).astimezone(zone).isoformat(timespec="seconds")
    return escape_formula(value)


def _totals(context: QueryContext) -> Table:
    totals = read_totals(context, context.where)
    line = (totals.orders, totals.with_items, totals.items, totals.average, totals.countries)
    return Totals.__struct_fields__, iter([line])


def _trend(context: QueryContext) -> Table:
    trend = read_trend(context, read_totals(context, context.where))
    lines = ((bar.days.first, bar.days.last, bar.orders, bar.items) for bar in trend.bars)
    return Bar.__struct_fields__, lines


def _countries(context: QueryContext) -> Table:
    return _rows(read_countries(context, context.where), Country.__struct_fields__)


def _popular(context: QueryContext) -> Table:
    return _rows(read_popular(context), Sku.__struct_fields__)


def _by_country(context: QueryContext) -> Table:
    return _rows(read_by_country(context), CountrySku.__struct_fields__)


def _skus(context: QueryContext) -> Table:
    def page(limit: int, offset: int) -> sa.Select[Any]:
        search = context.question.search
        return context.queries.search_popular_sku(context.where, search, limit, offset)

    return _rows(_all_rows(context, page), Sku.__struct_fields__)


def _orders(context: QueryContext) -> Table:
    def page(limit: int, offset: int) -> sa.Select[Any]:
        return OrderQueries().orders_with_sku(context.where, context.question.sku, limit, offset)

    return _rows(_all_rows(context, page), Order.__struct_fields__)


def _all_rows(
    context: QueryContext, page: Callable[[int, int], sa.Select[Any]]
) -> Iterator[dict[str, Any]]:
    """Read all rows of a long table, page by page."""
    offset = 0
    while rows := context.reader.rows(page(PAGE_ROWS, offset)):
        yield from rows
        offset += PAGE_ROWS


def _runs(context: QueryContext) -> Table:
    return _rows(context.reader.rows(ledger.runs(RUNS_SHOWN)), Run.__struct_fields__)


def _rejects(context: QueryContext) -> Table:
    rows = context.reader.rows(ledger.rejects_by_reason(context.where.sources))
    return _rows(rows, ("source", "reason", "rejects", "newest"))


def _rows(rows: Iterable[dict[str, Any]], columns: Sequence[str]) -> Table:
    """A table of *columns*, with the orders without a country named."""
    return columns, (
        [NO_COUNTRY if name == "country" and row[name] is None else row[name] for name in columns]
        for row in rows
    )


TABLES: dict[str, Callable[[QueryContext], Table]] = {
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
"""Each table by its name in addresses."""
