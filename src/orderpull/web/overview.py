"""The numbers of the pages and of the API: totals, trend, countries, and best-selling SKUs."""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

from msgspec import Struct

from orderpull.answers import ledger
from orderpull.answers.filter import Filter
from orderpull.web.context import QueryContext, Row
from orderpull.web.periods import Days, choose_step, is_finished, sum_by_step
from orderpull.web.totals import (
    Comparison,
    Count,
    Totals,
    read_comparison,
    read_totals,
    read_undated,
)

COUNTRIES_SHOWN = 12
COUNTRIES_OF_A_PAGE = 24
RUNS_SHOWN = 50

TO_DO = {
    "number_reused": 'Set ordernumber = "{number}~{id}" for this source, then replay.',
    "value_too_long": "Load into a warehouse that takes longer texts, or have the shop shorten it.",
    "page_damaged": "The readable orders were loaded. See the rest: orderpull rejects show.",
    "page_unexpected": "See the API's response: orderpull rejects show.",
}
"""Advice about rejects, by reason."""

DEFAULT_TO_DO = (
    "Correct the order in the shop, or the API's .toml file; then run orderpull rejects retry."
)
"""Advice about rejects of every other reason."""


class Bar(Struct):
    """One step of the trend."""

    first_day: date
    last_day: date
    orders: Count
    items: Count

    @property
    def days(self) -> Days:
        """The days of the step."""
        return Days(self.first_day, self.last_day)


class AbsentCountry(Struct):
    """A country of the filter that no order has, and the nearest that has one, if one is near."""

    country: str
    nearest: str | None


class Filtered(Struct, kw_only=True, omit_defaults=True):
    """An answer that a country filters."""

    countries_without_orders: list[AbsentCountry] = []


class Trend(Filtered):
    """Orders and items by step; ``undated`` is the number of orders without a date, in no bar."""

    step: str
    bars: list[Bar]
    undated: Count


@dataclass(frozen=True, slots=True)
class Overview:
    """The first page.

    :param before: the period before, if there is one.
    :param read_until: time (UTC) to which the newest source was read.
    :param unfinished: number of bars, the last ones, whose days were not read to their end.
    :param countries: sales of every country, largest first; the filter by country is ignored.
    :param popular: the best-selling SKUs.
    :param by_country: the best-selling SKUs of each country shown.
    :param hidden: number of selected countries that *by_country* leaves out.
    :param country_pages: number of pages of *by_country*, if all countries are asked for.
    """

    totals: Totals
    before: Comparison | None
    read_until: datetime
    unfinished: int
    trend: Trend
    countries: list[Row]
    sources: list[Row]
    popular: list[Row]
    by_country: list[tuple[str | None, list[Row]]]
    hidden: int
    country_pages: int
    undated: int


def read_overview(context: QueryContext) -> Overview:
    """Read all numbers of the first page."""
    where, everything = context.where, Filter()
    totals, counted = read_totals(context, where)
    countries = read_countries(context, replace(where, countries=()))
    popular = read_popular(context)
    by_country, hidden, country_pages = _by_country(context, countries, popular)
    trend = read_trend(context, counted)
    return Overview(
        totals=totals,
        before=read_comparison(context),
        read_until=context.read_until,
        unfinished=_count_unfinished(context, trend),
        trend=trend,
        countries=countries,
        sources=context.reader.rows(context.queries_for(everything).sales_by_source(everything)),
        popular=popular,
        by_country=by_country,
        hidden=hidden,
        country_pages=country_pages,
        undated=read_undated(context),
    )


def _count_unfinished(context: QueryContext, trend: Trend) -> int:
    read = context.read_until.replace(tzinfo=UTC).astimezone(context.zone).date()
    is_open = context.days.last is None
    days = (bar.days for bar in trend.bars)
    return sum(not is_finished(each, trend.step, read, is_open=is_open) for each in days)


def read_countries(context: QueryContext, where: Filter) -> list[Row]:
    """(country, orders, items, rank) of each country, ranked by the question's measure."""
    measure = context.question.measure
    rows = context.reader.rows(context.queries_for(where).sales_by_country(where))
    rows.sort(key=lambda row: (-row[measure], row["country"] is None, row["country"] or ""))
    return [{**row, "rank": rank} for rank, row in enumerate(rows, start=1)]


def read_popular(context: QueryContext) -> list[Row]:
    """(sku, quantity, orders, rank) of the best-selling SKUs that match the search."""
    question = context.question
    return context.reader.rows(
        context.queries.search_popular_sku(context.where, question.search, question.top)
    )


def page_count(rows: int, page_rows: int) -> int:
    """Number of pages of a table with *rows*."""
    return -(-rows // page_rows)


def read_skus(context: QueryContext, page_rows: int) -> tuple[list[Row], int]:
    """(sku, quantity, orders, rank): one page of the SKUs that match, and the number of all."""
    question, where, queries = context.question, context.where, context.queries
    offset = (question.page - 1) * page_rows
    page = queries.search_popular_sku(where, question.search, page_rows, offset)
    count = context.reader.rows(queries.count_skus(where, question.search))
    return context.reader.rows(page), count[0]["skus"]


def read_orders(
    context: QueryContext, page_rows: int, *, addresses: bool = False
) -> tuple[list[Row], Row]:
    """One page of the orders with the question's SKU, and the totals of all of them.

    :param addresses: read names and addresses, too.
    """
    sku, where = context.question.sku, context.where
    offset = (context.question.page - 1) * page_rows
    page = context.queries.orders_with_sku(where, sku, page_rows, offset, addresses=addresses)
    totals = context.reader.rows(context.queries.sku_totals(where, sku))[0]
    return context.reader.rows(page), totals


def _by_country(
    context: QueryContext, countries: list[Row], popular: list[Row]
) -> tuple[list[tuple[str | None, list[Row]]], int, int]:
    """Best-selling SKUs of each country shown, number of countries not shown, number of pages."""
    selected = context.where.countries
    ranking = [row["country"] for row in countries]
    if selected:
        ranking = [country for country in ranking if country in selected]
    pages = page_count(len(ranking), COUNTRIES_OF_A_PAGE)
    start = (min(context.question.page, max(pages, 1)) - 1) * COUNTRIES_OF_A_PAGE
    every = context.question.every
    shown = ranking[start : start + COUNTRIES_OF_A_PAGE] if every else ranking[:COUNTRIES_SHOWN]
    if len(shown) == len(selected) == 1:  # The SKUs of the only country were read already.
        return [(shown[0], popular)], 0, 1
    if not shown:
        return [], 0, 0
    rows = read_by_country(context, tuple(shown))
    groups = [(each, [row for row in rows if row["country"] == each]) for each in shown]
    return groups, 0 if every else len(ranking) - len(shown), pages


def read_by_country(
    context: QueryContext, countries: tuple[str | None, ...] | None = None
) -> list[Row]:
    """(country, sku, quantity, orders, rank) of the best-selling SKUs of each country.

    :param countries: only these countries; None: the countries of the question.
    """
    question, where = context.question, context.where
    if countries is not None:
        where = replace(where, countries=countries)
    rows = context.reader.rows(
        context.queries_for(where).search_popular_sku_by_country(
            where, question.search, question.top
        )
    )
    return sorted(rows, key=lambda row: (row["country"] or "", row["rank"]))


def read_runs(context: QueryContext) -> list[Row]:
    """The last runs, newest first."""
    return context.reader.rows(ledger.runs(RUNS_SHOWN))


def read_rejects(context: QueryContext) -> list[Row]:
    """(source, reason, rejects, newest, to_do) of the open rejects."""
    rows = context.reader.rows(ledger.rejects_by_reason(context.where.sources))
    return [{**row, "to_do": TO_DO.get(row["reason"], DEFAULT_TO_DO)} for row in rows]


def read_rejected(context: QueryContext, page_rows: int) -> list[Row]:
    """One page of the rejected orders, newest first, without their texts."""
    offset = (context.question.page - 1) * page_rows
    query = ledger.newest_rejects(context.where.sources, page_rows, offset)
    return context.reader.rows(query)


def read_trend(context: QueryContext, counted: Row) -> Trend:
    """Read the trend over the days of the question, or from the first order to the last.

    :param counted: the row of ``order_totals``.
    """
    first, last = counted["first"], counted["last"]
    if first is None:
        return Trend("day", [], counted["orders"])
    sales = context.queries.sales_by_day(context.where, context.zone, first, last)
    rows = context.reader.rows(sales)
    dated = [(row["day"], row["orders"], row["items"]) for row in rows if row["day"]]
    undated = sum(row["orders"] for row in rows if row["day"] is None)
    days = [day for day, _, _ in dated]
    span = Days(context.days.first or min(days), context.days.last or max(days))
    requested: Any = context.question.by or None
    step = choose_step(span, requested)
    return Trend(step, [Bar(*bar) for bar in sum_by_step(dated, span, step)], undated)
