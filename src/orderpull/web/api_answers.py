"""The queries that fill the shapes of the API."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec
from msgspec import Struct, structs

from orderpull import clock
from orderpull.answers.money import plain
from orderpull.model import COUNTS
from orderpull.web import overview
from orderpull.web.api_shapes import (
    Channel,
    Channels,
    Compared,
    Countries,
    Country,
    CountrySku,
    Customers,
    Order,
    Orders,
    PopularSkus,
    PopularSkusByCountry,
    Rejects,
    RejectsByReason,
    Run,
    Runs,
    Sku,
    Skus,
    SourceStanding,
    Standing,
)
from orderpull.web.cache import CachedQueries
from orderpull.web.comparison import read_comparison
from orderpull.web.context import QueryContext
from orderpull.web.movers import Movers, read_movers
from orderpull.web.overview import page_count
from orderpull.web.question import Question
from orderpull.web.skus import (
    read_by_country,
    read_orders,
    read_popular,
    read_skus,
    with_amounts,
)
from orderpull.web.totals import read_totals, read_undated
from orderpull.web.trend import Trend, beside_earlier, read_trend

PAGE_ROWS = 500
"""Rows of one page of a long table."""

Row = TypeVar("Row", bound=Struct)


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
    return PopularSkus(_convert(with_amounts(context, read_popular(context)), Sku))


def popular_skus_by_country(context: QueryContext) -> PopularSkusByCountry:
    """Answer ``/api/popular-skus-by-country``."""
    rows = with_amounts(context, read_by_country(context), "country", "sku")
    return PopularSkusByCountry(_convert(rows, CountrySku))


def channels(context: QueryContext) -> Channels:
    """Answer ``/api/channels``."""
    return Channels(_convert(overview.read_channels(context), Channel))


def customers(context: QueryContext) -> Customers:
    """Answer ``/api/customers``."""
    return Customers(**overview.read_customers(context))


def movers(context: QueryContext) -> Movers:
    """Answer ``/api/movers``."""
    answer = read_movers(context, context.question.top)
    return structs.replace(answer, before_until=_utc(answer.before_until))


def skus(context: QueryContext) -> Skus:
    """Answer ``/api/skus``."""
    page = read_skus(context, PAGE_ROWS)
    pages = page_count(page.count, PAGE_ROWS)
    return Skus(
        page.count, context.question.page, pages, _convert(with_amounts(context, page.rows), Sku)
    )


def orders(context: QueryContext) -> Orders:
    """Answer ``/api/orders``."""
    rows, totals = read_orders(context, PAGE_ROWS)
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
        msgspec.convert(plain({key: _utc(value) for key, value in row.items()}), shape)
        for row in rows
    ]


def _utc(value: Any) -> Any:  # noqa: ANN401 - a time is marked, all else is unchanged
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value
