"""The numbers of the pages and of the API: totals, trend, countries, and best-selling SKUs."""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from orderpull.answers import ledger
from orderpull.answers.filter import Filter
from orderpull.web.comparison import Comparison, read_comparison
from orderpull.web.context import QueryContext, Row
from orderpull.web.skus import read_by_country, read_popular
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
    :param channels: sales of every channel, largest first; the filter by channel is ignored.
    :param measure: what bars and rankings show: not revenue where no order tells an amount.
    :param currency: currency of bars that show revenue.
    :param currencies: all that orders of the question have.
    :param conversion_notes: sentences on the conversion of amounts.
    :param tells_customers: some order tells its customer.
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
    channels: list[Row]
    measure: str
    currency: str | None
    currencies: list[str | None]
    conversion_notes: list[str]
    tells_customers: bool
    popular: list[Row]
    by_country: list[tuple[str | None, list[Row]]]
    hidden: int
    country_pages: int
    undated: int


def read_overview(context: QueryContext) -> Overview:
    """Read all numbers of the first page."""
    where = context.where
    totals, counted = read_totals(context, where)
    anywhere = replace(where, countries=())
    countries = context.remember_for(
        anywhere, "countries", lambda: read_countries(context, anywhere)
    )
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
        channels=context.remember_for(
            replace(where, channels=()), "channels", lambda: read_channels(context)
        ),
        measure=context.measure,
        currency=context.currency if context.measure == "revenue" else None,
        currencies=[row["currency"] for row in context.revenue],
        conversion_notes=context.conversion_notes,
        tells_customers=context.tells_customers(),
        popular=popular,
        by_country=by_country,
        hidden=hidden,
        country_pages=country_pages,
        undated=read_undated(context),
    )


def read_countries(context: QueryContext, where: Filter) -> list[Row]:
    """(country, orders, items, revenue, rank) of each country, ranked by the measure."""
    rows = context.reader.rows(context.queries_for(where).sales_by_country(where))
    amounts: list[Row] = []
    if context.measure == "revenue":
        queries = context.money_queries_for(where)
        amounts = context.reader.rows(queries.revenue_by_country(where))
    return _ranked(context, rows, amounts, "country")


def read_channels(context: QueryContext) -> list[Row]:
    """(channel, orders, items, revenue, rank) of each channel, ranked by the measure.

    Empty if no order of any question has a channel.
    """
    if not context.has_channels():
        return []
    where = replace(context.where, channels=())
    rows = context.reader.rows(context.queries_for(where).sales_by_channel(where))
    amounts: list[Row] = []
    if context.measure == "revenue":
        queries = context.money_queries_for(where)
        amounts = context.reader.rows(queries.revenue_by_channel(where))
    return _ranked(context, rows, amounts, "channel")


def _ranked(context: QueryContext, rows: list[Row], amounts: list[Row], key: str) -> list[Row]:
    """*rows* with revenue in the context's currency, and ranked by the measure."""
    priced = {row[key]: row["amount"] for row in amounts if row["currency"] == context.currency}
    measure = context.measure
    rows = [{**row, "revenue": priced.get(row[key], Decimal())} for row in rows]
    rows.sort(key=lambda row: (-row[measure], row[key] is None, row[key] or ""))
    return [{**row, "rank": rank} for rank, row in enumerate(rows, start=1)]


def page_count(rows: int, page_rows: int) -> int:
    """Number of pages of a table with *rows*."""
    return -(-rows // page_rows)


def read_customers(context: QueryContext) -> Row:
    """New and returning customers: the row of ``OrderQueries.customers``."""
    return context.reader.rows(context.queries.customers(context.where))[0]


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
