"""JSON shapes of the API's answers, and the queries that fill them.

``/api/openapi.json`` describes these shapes; their docstrings are the descriptions.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct, structs

from orderpull import clock
from orderpull.model import COUNTS
from orderpull.web import overview
from orderpull.web.cache import CachedQueries
from orderpull.web.comparison import read_comparison
from orderpull.web.context import QueryContext
from orderpull.web.movers import Movers, read_movers
from orderpull.web.overview import page_count
from orderpull.web.question import Question
from orderpull.web.totals import Count, Filtered, Totals, read_totals, read_undated
from orderpull.web.trend import Trend, beside_earlier, read_trend

PAGE_ROWS = 500
"""Rows of one page of a long table."""

Rank = Annotated[int, Meta(ge=1)]
Instant = Annotated[datetime, Meta(tz=True)]
Row = TypeVar("Row", bound=Struct)


class Compared(Filtered):
    """The totals, and the totals of the period before if there is one.

    ``before_until`` is the time at which it ends, if this period was not read to its end.
    ``before`` is null if that period begins before ``data_begins``, the day of the first order.
    ``undated`` is the number of orders without a date, which belong to no period.
    """

    totals: Totals
    first_day: date | None
    last_day: date | None
    before: Totals | None
    before_first_day: date | None
    before_last_day: date | None
    before_until: Instant | None
    data_begins: date | None
    undated: Count


class Country(Struct):
    """Sales to one country; null stands for orders without a country."""

    rank: Rank
    country: str | None
    orders: Count
    items: Count


class Countries(Filtered):
    """All countries, largest first."""

    rows: list[Country]


class Sku(Struct):
    """Sales of one SKU, with its rank among all SKUs of the selected orders."""

    rank: Rank
    sku: str
    quantity: Count
    orders: Count


class PopularSkus(Filtered):
    """The best-selling SKUs."""

    rows: list[Sku]


class Skus(Filtered):
    """All SKUs, page by page."""

    skus: Count
    page: Rank
    pages: Count
    rows: list[Sku]


class CountrySku(Struct):
    """Sales of one SKU in one country, with its rank in the country."""

    country: str | None
    rank: Rank
    sku: str
    quantity: Count
    orders: Count


class PopularSkusByCountry(Filtered):
    """The best-selling SKUs of each country."""

    rows: list[CountrySku]


class Order(Struct):
    """An order, and the quantity of the SKU in it."""

    source: str
    ordernumber: str
    ordered_at: Instant | None
    country: str | None
    quantity: Count


class Orders(Filtered):
    """The orders with a SKU, newest first, page by page."""

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
    """The last runs, newest first."""

    rows: list[Run]


class Rejects(Struct):
    """The number of rejected orders of a source for one reason, and what to do about them."""

    source: str
    reason: str
    rejects: Count
    newest: Instant | None
    to_do: str


class RejectsByReason(Struct):
    """The open rejects by source and reason."""

    rows: list[Rejects]


class SourceStanding(Struct):
    """Time at which a source was last read to its end."""

    source: str
    pulled_at: Instant | None


class Standing(Struct):
    """Freshness and completeness of the answers. ``warnings`` need a person's attention."""

    last_pulled: Instant | None
    complete_through: Instant | None
    next_pull: Instant | None
    rejected: Count
    warnings: list[str]
    sources: list[SourceStanding]


class Problem(Struct):
    """An error, and a hint what to do."""

    error: str
    hint: str


def compared(context: QueryContext) -> Compared:
    """Answer ``/api/totals``."""
    compared, earlier = read_comparison(context), context.earlier
    return Compared(
        totals=read_totals(context, context.where)[0],
        first_day=context.days.first,
        last_day=context.days.last,
        before=compared.totals if compared else None,
        before_first_day=earlier.first if earlier else None,
        before_last_day=earlier.last if earlier else None,
        before_until=_utc(earlier.until) if earlier else None,
        data_begins=compared.data_begins if compared else None,
        undated=read_undated(context),
    )


def trend(context: QueryContext) -> Trend:
    """Answer ``/api/trend``."""
    counted = read_totals(context, context.where)[1]
    return beside_earlier(context, read_trend(context, counted), read_comparison(context))


def countries(context: QueryContext) -> Countries:
    """Answer ``/api/countries``."""
    return Countries(_convert(overview.read_countries(context, context.where), Country))


def popular_skus(context: QueryContext) -> PopularSkus:
    """Answer ``/api/popular-skus``."""
    return PopularSkus(_convert(overview.read_popular(context), Sku))


def popular_skus_by_country(context: QueryContext) -> PopularSkusByCountry:
    """Answer ``/api/popular-skus-by-country``."""
    return PopularSkusByCountry(_convert(overview.read_by_country(context), CountrySku))


def movers(context: QueryContext) -> Movers:
    """Answer ``/api/movers``."""
    answer = read_movers(context, context.question.top)
    return structs.replace(answer, before_until=_utc(answer.before_until))


def skus(context: QueryContext) -> Skus:
    """Answer ``/api/skus``."""
    rows, count = overview.read_skus(context, PAGE_ROWS)
    return Skus(count, context.question.page, page_count(count, PAGE_ROWS), _convert(rows, Sku))


def orders(context: QueryContext) -> Orders:
    """Answer ``/api/orders``."""
    rows, totals = overview.read_orders(context, PAGE_ROWS)
    return Orders(
        orders=totals["orders"],
        quantity=totals["quantity"],
        page=context.question.page,
        pages=page_count(totals["orders"], PAGE_ROWS),
        rows=_convert(rows, Order),
    )


def runs(context: QueryContext) -> Runs:
    """Answer ``/api/runs``."""
    counts = ("pages", "possible_loss", *COUNTS)
    rows = overview.read_runs(context)
    filled = [{**row, **{name: row[name] or 0 for name in counts}} for row in rows]
    return Runs(_convert(filled, Run))


def rejects(context: QueryContext) -> RejectsByReason:
    """Answer ``/api/rejects``."""
    return RejectsByReason(_convert(overview.read_rejects(context), Rejects))


def standing(queries: CachedQueries, question: Question) -> Standing:
    """Answer ``/api/standing``: the freshness of the sources."""
    freshness = queries.freshness(question)
    return Standing(
        last_pulled=_utc(freshness.last_pulled),
        complete_through=_utc(freshness.complete_through),
        next_pull=_utc(queries.next_pull()),
        rejected=freshness.rejected,
        warnings=freshness.warnings(clock.now()),
        sources=[SourceStanding(name, _utc(time)) for name, time in freshness.pulled.items()],
    )


def _convert(rows: Sequence[dict[str, Any]], shape: type[Row]) -> list[Row]:
    """Convert *rows* to *shape*: other columns are left out, times are marked as UTC."""
    return [
        msgspec.convert({key: _utc(value) for key, value in row.items()}, shape) for row in rows
    ]


def _utc(value: Any) -> Any:  # noqa: ANN401 - a time is marked, all else is unchanged
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value
