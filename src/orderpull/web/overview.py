"""The numbers of the pages and of the API: totals, trend, countries, and best-selling SKUs."""

from dataclasses import dataclass, replace
from datetime import datetime

from orderpull.answers import ledger
from orderpull.answers.filter import Filter
from orderpull.web.comparison import Comparison, read_comparison
from orderpull.web.context import QueryContext, Row
from orderpull.web.totals import Totals, read_totals, read_undated
from orderpull.web.trend import Trend, beside_earlier, count_unfinished, read_trend

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
    where = context.where
    totals, counted = read_totals(context, where)
    countries = read_countries(context, replace(where, countries=()))
    popular = read_popular(context)
    by_country, hidden, country_pages = _by_country(context, countries, popular)
    before = read_comparison(context)
    trend = beside_earlier(context, read_trend(context, counted), before)
    return Overview(
        totals=totals,
        before=before,
        read_until=context.read_until,
        unfinished=count_unfinished(context, trend),
        trend=trend,
        countries=countries,
        sources=context.sources(),
        popular=popular,
        by_country=by_country,
        hidden=hidden,
        country_pages=country_pages,
        undated=read_undated(context),
    )


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
