"""The answers as programs get them: their shapes, and how each is read.

The shapes are what ``/api/openapi.json`` describes; they are encoded from here, and described from
here.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct

from orderpull import clock
from orderpull.answers import from_orders
from orderpull.answers.from_orders import Filter
from orderpull.model import COUNTS
from orderpull.web import overview
from orderpull.web.csv_export import RUNS_SHOWN
from orderpull.web.freshness import LOOK, TO_DO
from orderpull.web.overview import Asked
from orderpull.web.queries import Desk
from orderpull.web.question import Question

ROWS_AT_ONCE = 500
"""Rows of one page of a long table."""

Count = Annotated[int, Meta(ge=0)]
Rank = Annotated[int, Meta(ge=1)]
Instant = Annotated[datetime, Meta(tz=True)]
Row = TypeVar("Row", bound=Struct)


class Totals(Struct):
    """Counted orders: none cancelled, no drafts, no tests."""

    orders: Count
    orders_with_items: Count
    items: Count
    average_items_per_order: float | None
    """Over the orders that have items."""
    countries: Count


class Compared(Struct):
    """The totals, and those of the period before, where there is one.

    ``undated`` orders have no date, and so are in no period.
    """

    totals: Totals
    first_day: date | None
    last_day: date | None
    before: Totals | None
    before_first_day: date | None
    before_last_day: date | None
    undated: Count


class Bar(Struct):
    """One step of the trend."""

    first_day: date
    last_day: date
    orders: Count
    items: Count


class Trend(Struct):
    """Orders and items by step; ``undated`` orders are in no bar."""

    step: str
    bars: list[Bar]
    undated: Count


class Country(Struct):
    """One country's sales; null: the orders without a country."""

    rank: Rank
    country: str | None
    orders: Count
    items: Count


class Countries(Struct):
    """The countries, the largest first."""

    rows: list[Country]


class Sku(Struct):
    """One SKU's sales. The rank is that among all SKUs of what is chosen."""

    rank: Rank
    sku: str
    quantity: Count
    orders: Count


class PopularSkus(Struct):
    """The best-selling SKUs."""

    rows: list[Sku]


class Skus(Struct):
    """All SKUs, page by page."""

    skus: Count
    page: Rank
    pages: Count
    rows: list[Sku]


class CountrySku(Struct):
    """One SKU's sales in one country. The rank is that within the country."""

    country: str | None
    rank: Rank
    sku: str
    quantity: Count
    orders: Count


class PopularSkusByCountry(Struct):
    """The best-selling SKUs of each country."""

    rows: list[CountrySku]


class Order(Struct):
    """An order, and how much of the SKU is in it."""

    source: str
    ordernumber: str
    ordered_at: Instant | None
    country: str | None
    quantity: Count


class Orders(Struct):
    """The orders with a SKU, the newest first, page by page."""

    orders: Count
    quantity: Count
    page: Rank
    pages: Count
    rows: list[Order]


class Run(Struct):
    """One source's part in one run."""

    run: int
    source: str
    command: str
    started_at: Instant | None
    finished_at: Instant | None
    pulled_at: Instant | None
    pages: Count
    fetched: Count
    inserted: Count
    updated: Count
    unchanged: Count
    stale: Count
    rejected: Count
    possible_loss: Count
    error: str | None


class Runs(Struct):
    """The last runs, the newest first."""

    rows: list[Run]


class Rejects(Struct):
    """How many orders of a source are kept aside for a reason, and what to do about them."""

    source: str
    reason: str
    rejects: Count
    newest: Instant | None
    to_do: str


class RejectsByReason(Struct):
    """The open rejects by source and reason."""

    rows: list[Rejects]


class SourceStanding(Struct):
    """When a source was last read to its end."""

    source: str
    pulled_at: Instant | None


class Standing(Struct):
    """How fresh and how whole the answers are. ``warnings`` are what needs a person."""

    last_pulled: Instant | None
    complete_through: Instant | None
    next_pull: Instant | None
    rejected: Count
    warnings: list[str]
    sources: list[SourceStanding]


class Problem(Struct):
    """What is wrong, and what to do."""

    error: str
    hint: str


def compared(desk: Desk, question: Question) -> Compared:
    """``/api/totals``."""

    def read(asked: Asked) -> Compared:
        days, earlier = asked.days, asked.before
        before = earlier[0] if earlier else None
        undated = asked.reader.rows(asked.about(asked.chosen).undated(asked.chosen))[0]["orders"]
        return Compared(
            totals=_totals(asked, asked.chosen),
            first_day=days.first,
            last_day=days.last,
            before=_totals(asked, earlier[1]) if earlier else None,
            before_first_day=before.first if before else None,
            before_last_day=before.last if before else None,
            undated=undated if asked.chosen.by_time else 0,
        )

    return desk.ask("api totals", question, read)


def _totals(asked: Asked, chosen: Filter) -> Totals:
    found = overview.read_totals(asked, chosen)
    return Totals(found.orders, found.with_items, found.items, found.average, found.countries)


def trend(desk: Desk, question: Question) -> Trend:
    """``/api/trend``."""

    def read(asked: Asked) -> Trend:
        found = overview.read_trend(asked, overview.read_totals(asked, asked.chosen))
        bars = [
            Bar(bar.days.first, bar.days.last, bar.orders, bar.items)
            for bar in found.bars
            if bar.days.first and bar.days.last
        ]
        return Trend(found.step, bars, found.undated)

    return desk.ask("api trend", question, read)


def countries(desk: Desk, question: Question) -> Countries:
    """``/api/countries``."""

    def read(asked: Asked) -> Countries:
        rows = overview.read_countries(asked, asked.chosen, question.measure)
        return Countries(_shaped(rows, Country))

    return desk.ask("api countries", question, read)


def popular_skus(desk: Desk, question: Question) -> PopularSkus:
    """``/api/popular-skus``."""
    return desk.ask(
        "api popular-skus",
        question,
        lambda asked: PopularSkus(_shaped(overview.read_popular(asked), Sku)),
    )


def popular_skus_by_country(desk: Desk, question: Question) -> PopularSkusByCountry:
    """``/api/popular-skus-by-country``."""

    def read(asked: Asked) -> PopularSkusByCountry:
        return PopularSkusByCountry(_shaped(overview.read_by_country(asked), CountrySku))

    return desk.ask("api popular-skus-by-country", question, read)


def skus(desk: Desk, question: Question) -> Skus:
    """``/api/skus``."""

    def read(asked: Asked) -> Skus:
        offset = (question.page - 1) * ROWS_AT_ONCE
        some = asked.about(asked.chosen).popular_sku_found(
            asked.chosen, question.search, ROWS_AT_ONCE, offset
        )
        counted = asked.about(asked.chosen).skus_counted(asked.chosen, question.search)
        count = asked.reader.rows(counted)[0]["skus"]
        rows = _shaped(asked.reader.rows(some), Sku)
        return Skus(count, question.page, _pages(count), rows)

    return desk.ask("api skus", question, read)


def orders(desk: Desk, question: Question) -> Orders:
    """``/api/orders``."""

    def read(asked: Asked) -> Orders:
        offset = (question.page - 1) * ROWS_AT_ONCE
        some = from_orders.orders_with_sku(asked.chosen, question.sku, ROWS_AT_ONCE, offset)
        count = asked.reader.rows(
            asked.about(asked.chosen).sku_counted(asked.chosen, question.sku)
        )[0]
        rows = _shaped(asked.reader.rows(some), Order)
        pages = _pages(count["orders"])
        return Orders(count["orders"], count["quantity"], question.page, pages, rows)

    return desk.ask("api orders", question, read)


def runs(desk: Desk, question: Question) -> Runs:
    """``/api/runs``."""

    def read(asked: Asked) -> Runs:
        found = asked.reader.rows(from_orders.runs(RUNS_SHOWN))
        counts = ("pages", "possible_loss", *COUNTS)
        rows = [{**row, **{name: row[name] or 0 for name in counts}} for row in found]
        return Runs(_shaped(rows, Run))

    return desk.ask("api runs", question, read)


def rejects(desk: Desk, question: Question) -> RejectsByReason:
    """``/api/rejects``."""
    found = desk.standing(question).rejects
    rows = [{**row, "to_do": TO_DO.get(row["reason"], LOOK)} for row in found]
    return RejectsByReason(_shaped(rows, Rejects))


def standing(desk: Desk, question: Question) -> Standing:
    """``/api/standing``."""
    found = desk.standing(question)
    return Standing(
        last_pulled=_utc(found.last_pulled),
        complete_through=_utc(found.complete_through),
        next_pull=_utc(desk.next_pull()),
        rejected=found.rejected,
        warnings=found.warnings(clock.now()),
        sources=[SourceStanding(name, _utc(at)) for name, at in found.pulled.items()],
    )


def _pages(count: int) -> int:
    return -(-count // ROWS_AT_ONCE)


def _shaped(rows: Sequence[dict[str, Any]], shape: type[Row]) -> list[Row]:
    """*rows* as *shape*, with what else is in them left out; times say that they are UTC."""
    return [
        msgspec.convert({key: _utc(value) for key, value in row.items()}, shape) for row in rows
    ]


def _utc(value: Any) -> Any:  # noqa: ANN401 - a time is marked, all else is handed on
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value
