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

from orderpull.answers.report import escape_formula
from orderpull.model import NO_COUNTRY
from orderpull.web import overview
from orderpull.web.api_answers import Country, CountrySku, Order, Run, Sku, trend
from orderpull.web.context import QueryContext, Row
from orderpull.web.movers import Mover, read_movers
from orderpull.web.periods import Days
from orderpull.web.question import Question
from orderpull.web.totals import Totals, read_totals
from orderpull.web.trend import Bar

PAGE_ROWS = 50_000
MOST_NAMED = 3
"""Most countries or sources that a file's name repeats."""


def write_table(name: str, context: QueryContext, out: IO[bytes]) -> None:
    """Write the table *name* to *out*: UTF-8 with a byte order mark, lines ended by CR LF.

    Times are in ``report.timezone``, with their UTC offset.
    """
    columns, _ = TABLES[name]
    text = io.TextIOWrapper(out, encoding="utf-8-sig", newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows_of(name, context):
        writer.writerow([csv_cell(row[name], context.zone) for name in columns])
    text.flush()
    text.detach()


def rows_of(name: str, context: QueryContext) -> Iterator[Row]:
    """Read the rows of the table *name*; no country has a name, too."""
    _, read = TABLES[name]
    for row in read(context):
        if row.get("country", "") is None:
            row["country"] = NO_COUNTRY
        yield row


def file_name_of(name: str, question: Question, days: Days | None, kind: str = "csv") -> str:
    """Name of the file with table *name*: its filters and days, in letters, digits and ``-``.

    More than three countries or sources are counted, not named.
    """
    if name == "runs":
        return f"runs.{kind}"
    if name == "rejects":
        question, days = Question(sources=question.sources), None
    parts: list[object] = [name, question.sku if name == "orders" else ""]
    for plural, values in (("countries", question.countries), ("sources", question.sources)):
        few = len(values) <= MOST_NAMED
        parts += [value or NO_COUNTRY for value in values] if few else [f"{len(values)}-{plural}"]
    parts.append(question.search if "sku" in name else "")
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
    return [asdict(read_totals(context, context.where)[0])]


def _trend(context: QueryContext) -> Iterable[Row]:
    return map(asdict, trend(context).bars)


def _countries(context: QueryContext) -> list[Row]:
    return overview.read_countries(context, context.where)


def _movers(context: QueryContext) -> Iterable[Row]:
    moved = read_movers(context, None)
    return map(asdict, (*moved.rises, *moved.falls))


def _skus(context: QueryContext) -> Iterator[Row]:
    return _all_rows(context, context.queries.search_popular_sku, context.question.search)


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
    "popular-skus": (Sku.__struct_fields__, overview.read_popular),
    "popular-skus-by-country": (CountrySku.__struct_fields__, overview.read_by_country),
    "movers": (Mover.__struct_fields__, _movers),
    "skus": (Sku.__struct_fields__, _skus),
    "orders": (Order.__struct_fields__, _orders),
    "runs": (Run.__struct_fields__, overview.read_runs),
    "rejects": (("source", "reason", "rejects", "newest"), overview.read_rejects),
}
"""Columns and rows of each table, by its name in addresses."""
