"""The numbers of the pages and of the API: totals, trend, countries, and best-selling SKUs."""

from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from msgspec import Meta, Struct

from orderpull.answers import ledger
from orderpull.answers.choose import choose_queries, countries_without_orders, load_rollups
from orderpull.answers.filter import Filter
from orderpull.answers.from_orders import OrderQueries
from orderpull.answers.from_rollups import RollupQueries
from orderpull.destinations.protocol import Reader
from orderpull.web.periods import Days, choose_step, days_before, sum_by_step
from orderpull.web.question import Question

COUNTRIES_SHOWN = 12
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

Count = Annotated[int, Meta(ge=0)]
Row = dict[str, Any]


class QueryContext:
    """A question, and a reader to answer it with; all reads see the warehouse at one instant.

    :param today: the current day in *zone*, which is ``report.timezone``.
    """

    def __init__(self, reader: Reader, question: Question, today: date, zone: ZoneInfo) -> None:
        self.reader = reader
        self.question = question
        self.days = question.days(today)
        self.where = question.filter(self.days, zone)
        before = days_before(question.period, self.days)
        self.before = (before, question.filter(before, zone)) if before else None
        self.zone = zone

    @property
    def queries(self) -> OrderQueries:
        """The queries for the orders that the question selects."""
        return self.queries_for(self.where)

    def queries_for(self, where: Filter) -> OrderQueries:
        """Choose the queries for the orders of *where*: over rollups if possible."""
        return choose_queries(self._rollups, where)

    def absent_countries(self) -> list[dict[str, str | None]]:
        """(country, nearest) of the question's countries that no order has."""
        return countries_without_orders(self.reader, self._rollups, self.question.countries)

    @cached_property
    def _rollups(self) -> RollupQueries | None:
        return load_rollups(self.reader, self.zone)


class Totals(Struct):
    """Totals of counted orders; cancelled orders, drafts and tests are not counted."""

    orders: Count
    orders_with_items: Count
    items: Count
    average_items_per_order: float | None
    """Average over the orders with items."""
    countries: Count


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

    :param before: the totals of the period before, if there is one.
    :param countries: sales of every country, largest first; the filter by country is ignored.
    :param popular: the best-selling SKUs.
    :param by_country: the best-selling SKUs of each country shown.
    :param hidden: number of selected countries that *by_country* leaves out.
    """

    totals: Totals
    before: tuple[Days, Totals] | None
    trend: Trend
    countries: list[Row]
    sources: list[Row]
    popular: list[Row]
    by_country: list[tuple[str | None, list[Row]]]
    hidden: int
    undated: int


def read_overview(context: QueryContext) -> Overview:
    """Read all numbers of the first page."""
    where, earlier, everything = context.where, context.before, Filter()
    totals, counted = read_totals(context, where)
    countries = read_countries(context, replace(where, countries=()))
    popular = read_popular(context)
    by_country, hidden = _by_country(context, countries, popular)
    return Overview(
        totals=totals,
        before=(earlier[0], read_totals(context, earlier[1])[0]) if earlier else None,
        trend=read_trend(context, counted),
        countries=countries,
        sources=context.reader.rows(context.queries_for(everything).sales_by_source(everything)),
        popular=popular,
        by_country=by_country,
        hidden=hidden,
        undated=read_undated(context),
    )


def read_totals(context: QueryContext, where: Filter) -> tuple[Totals, Row]:
    """Read the totals of the orders of *where*, and the row of ``order_totals``."""
    queries = context.queries_for(where)
    counted = context.reader.rows(queries.order_totals(where))[0]
    average = context.reader.rows(queries.average_items_per_order(where))[0]
    totals = Totals(
        orders=counted["orders"],
        orders_with_items=average["orders"],
        items=average["quantity"],
        average_items_per_order=average["average"],
        countries=counted["countries"],
    )
    return totals, counted


def read_undated(context: QueryContext) -> int:
    """Number of orders that the question's period leaves out because they have no date."""
    if not context.where.excludes_undated:
        return 0
    orders: int = context.reader.rows(context.queries.count_undated(context.where))[0]["orders"]
    return orders


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
) -> tuple[list[tuple[str | None, list[Row]]], int]:
    """Best-selling SKUs of each country shown, and the number of countries not shown."""
    selected = context.where.countries
    ranking = [row["country"] for row in countries]
    if selected:
        ranking = [country for country in ranking if country in selected]
    shown = ranking if context.question.every else ranking[:COUNTRIES_SHOWN]
    if len(shown) == len(selected) == 1:  # The SKUs of the only country were read already.
        return [(shown[0], popular)], 0
    if not shown:
        return [], 0
    rows = read_by_country(context, tuple(shown))
    groups = [(each, [row for row in rows if row["country"] == each]) for each in shown]
    return groups, len(ranking) - len(shown)


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
