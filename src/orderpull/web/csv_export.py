"""CSV downloads: every table of the pages as a file for spreadsheets.

The columns are the fields of the API's shapes.
"""

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import IO, Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from msgspec.structs import asdict

from orderpull.answers.money import in_columns
from orderpull.answers.report import escape_formula
from orderpull.model import NO_CHANNEL, NO_COUNTRY
from orderpull.web import overview
from orderpull.web.api_answers import trend
from orderpull.web.api_shapes import Channel, Country, CountrySku, Customers, Order, Run, Sku
from orderpull.web.context import QueryContext, Row
from orderpull.web.movers import Mover, read_movers
from orderpull.web.periods import Days
from orderpull.web.question import SKU_TABLES, Question
from orderpull.web.sku import read_sku
from orderpull.web.skus import ranked_skus, read_by_country, read_popular, with_amounts
from orderpull.web.totals import Totals, read_totals, revenue_in
from orderpull.web.trend import Bar

PAGE_ROWS = 50_000
MOST_NAMED = 3
"""Most countries or sources that a file's name repeats."""


def write_table(name: str, context: QueryContext, out: IO[bytes]) -> None:
    """Write the table *name* to *out*: UTF-8 with a byte order mark, lines ended by CR LF.

    Times are in ``report.timezone``, with their UTC offset. Revenue in several currencies has a
    column for each, after the others.
    """
    columns, rows = table_of(name, context)
    text = io.TextIOWrapper(out, encoding="utf-8-sig", newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([csv_cell(row[column], context.zone) for column in columns])
    text.flush()
    text.detach()


def table_of(name: str, context: QueryContext) -> tuple[list[str], Iterable[Row]]:
    """Columns and rows of the table *name*, with a phrase for no country and no channel.

    Revenue in several currencies has a column for each, after the others.
    """
    shape, read = TABLES[name]
    columns, rows = [*shape], read(context)
    if "revenue" in columns and not name.endswith("trend"):
        columns.remove("revenue")
        spread, currencies = in_columns([*rows])
        columns += currencies
        rows = [dict.fromkeys(currencies) | row for row in spread]
    return columns, map(_named, rows)


def _named(row: Row) -> Row:
    for key, phrase in (("country", NO_COUNTRY), ("channel", NO_CHANNEL)):
        if row.get(key, "") is None:
            row[key] = phrase
    return row


def file_name_of(name: str, question: Question, days: Days | None, kind: str = "csv") -> str:
    """Name of the file with table *name*: its filters and days, in letters, digits and ``-``.

    More than three countries or sources are counted, not named.
    """
    if name == "runs":
        return f"runs.{kind}"
    if name == "rejects":
        question, days = Question(sources=question.sources), None
    parts: list[object] = [name, question.sku if name in SKU_TABLES else ""]
    for plural, values, none in (
        ("countries", question.countries, NO_COUNTRY),
        ("sources", question.sources, ""),
        ("channels", question.channels, NO_CHANNEL),
    ):
        few = len(values) <= MOST_NAMED
        parts += [value or none for value in values] if few else [f"{len(values)}-{plural}"]
    parts.append(question.search if "sku" in name and name not in SKU_TABLES else "")
    if days:
        parts += [
            f"from-{days.first}" if days.first else "",
            f"to-{days.last}" if days.last else "",
        ]
        parts.append("" if days.first or days.last else "all-time")
    texts = (re.sub(r"[^A-Za-z0-9]+", "-", str(part or ""))[:40].strip("-") for part in parts)
    return "-".join(filter(None, texts)) + f".{kind}"


def csv_cell(value: object, zone: ZoneInfo) -> object:
    """Convert *value* to a cell: times to *zone*, formulas escaped."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC).astimezone(zone).isoformat(timespec="seconds")
    return escape_formula(value)


def _totals(context: QueryContext) -> list[Row]:
    totals = read_totals(context, context.where)[0]
    return [asdict(totals) | {"revenue": revenue_in(context, context.where)}]


def _trend(context: QueryContext) -> Iterable[Row]:
    return map(asdict, trend(context).bars)


def _countries(context: QueryContext) -> list[Row]:
    return overview.read_countries(context, context.where)


def _movers(context: QueryContext) -> Iterable[Row]:
    moved = read_movers(context, None)
    return map(asdict, (*moved.rises, *moved.falls))


def _popular(context: QueryContext) -> list[Row]:
    return with_amounts(context, read_popular(context))


def _by_country(context: QueryContext) -> list[Row]:
    return with_amounts(context, read_by_country(context), "country", "sku")


def _skus(context: QueryContext) -> list[Row]:
    return with_amounts(context, context.reader.rows(ranked_skus(context, None)))


def _sku_trend(context: QueryContext) -> Iterable[Row]:
    return map(asdict, read_sku(context).trend.bars)


def _sku_countries(context: QueryContext) -> Sequence[Row]:
    return read_sku(context).countries


def _sku_channels(context: QueryContext) -> Sequence[Row]:
    return read_sku(context).channels


def _customers(context: QueryContext) -> list[Row]:
    return [overview.read_customers(context)]


def _orders(context: QueryContext) -> Iterator[Row]:
    return _all_rows(context, context.queries.orders_with_sku, context.question.sku)


def _all_rows(
    context: QueryContext, query: Callable[..., sa.Select[Any]], text: str
) -> Iterator[Row]:
    """Read all rows of a long table, page by page."""
    offset = 0
    while rows := context.reader.rows(query(context.where, text, PAGE_ROWS, offset)):
        yield from rows
        offset += PAGE_ROWS


TABLES: dict[str, tuple[Sequence[str], Callable[[QueryContext], Iterable[Row]]]] = {
    "totals": (Totals.__struct_fields__, _totals),
    "trend": (Bar.__struct_fields__, _trend),
    "countries": (Country.__struct_fields__, _countries),
    "popular-skus": (Sku.__struct_fields__, _popular),
    "popular-skus-by-country": (CountrySku.__struct_fields__, _by_country),
    "channels": (Channel.__struct_fields__, overview.read_channels),
    "customers": (Customers.__struct_fields__[:-1], _customers),
    "movers": (Mover.__struct_fields__, _movers),
    "sku-trend": (Bar.__struct_fields__, _sku_trend),
    "sku-countries": (("country", "orders", "items"), _sku_countries),
    "sku-channels": (("channel", "orders", "items"), _sku_channels),
    "skus": (Sku.__struct_fields__, _skus),
    "orders": (Order.__struct_fields__, _orders),
    "runs": (Run.__struct_fields__, overview.read_runs),
    "rejects": (("source", "reason", "rejects", "newest"), overview.read_rejects),
}
"""Columns and rows of each table, by its name in addresses."""
