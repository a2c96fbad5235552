"""The comparison of a period with the one before, or with the same days of last year."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal

from msgspec import convert

from orderpull.answers.filter import Filter
from orderpull.answers.money import revenue_of
from orderpull.days import midnight
from orderpull.web.context import QueryContext, Row
from orderpull.web.periods import DAY, Earlier
from orderpull.web.totals import Revenue, Totals, read_totals, revenue_in

SalesByDay = Sequence[tuple[date, int, int, float]]
"""(day, orders, items, revenue) of days that have orders; revenue in one currency, if asked for."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The period before.

    :param totals: None if the period begins before the first order.
    :param data_begins: day of the first order.
    :param by_day: sales of the period by day, up to the time at which it ends.
    """

    earlier: Earlier
    totals: Totals | None
    data_begins: date | None
    by_day: SalesByDay = ()


def read_comparison(context: QueryContext) -> Comparison | None:
    """Read the totals of the period before, up to the time of day to which this one was read."""
    earlier = context.earlier
    if earlier is None:
        return None
    begins = context.first_day()
    if not context.is_covered(earlier):
        return Comparison(earlier, None, begins)
    if earlier.until is None:
        where = context.question.filter(earlier.days, context.zone)
        totals = read_totals(context, where, returns=False)[0]
        by_day = _sales_by_day(context, where, earlier)
    else:
        totals, by_day = _read_cut(context, earlier, earlier.until)
    return Comparison(earlier, totals, begins, by_day)


def _sales_by_day(context: QueryContext, where: Filter, earlier: Earlier) -> SalesByDay:
    begin, end = (midnight(day, context.zone) for day in (earlier.first, earlier.last + DAY))
    query = context.queries_for(where).sales_by_day(where, context.zone, begin, end)
    amounts = amounts_by_day(context, where, begin, end)
    return [
        (row["day"], row["orders"], row["items"], float(amounts.get(row["day"], 0)))
        for row in context.reader.rows(query)
    ]


def amounts_by_day(
    context: QueryContext, where: Filter, first: date, last: date
) -> dict[date, Decimal]:
    """Revenue by day in the currency of the context, if the measure is revenue."""
    if context.measure != "revenue":
        return {}
    queries = context.money_queries_for(where)
    rows = context.reader.rows(queries.revenue_by_day(where, context.zone, first, last))
    return {row["day"]: row["amount"] for row in rows if row["currency"] == context.currency}


def _read_cut(
    context: QueryContext, earlier: Earlier, until: datetime
) -> tuple[Totals, SalesByDay]:
    """Totals and sales by day of *earlier*, the last day up to *until*."""
    last = midnight(earlier.last, context.zone)
    rows = context.sales_between(last, until)
    countries = {row["country"] for row in rows}
    orders, with_items, items = (
        sum(row[name] for row in rows) for name in ("orders", "orders_with_items", "items")
    )
    cut = replace(context.question.filter(earlier.days, context.zone), since=last, until=until)
    revenue = _revenue_of_cut(context, cut, rows)
    shown = sum(row["amount"] for row in revenue if row["currency"] == context.currency)
    by_day: SalesByDay = [(earlier.last, orders, items, float(shown))]
    if earlier.first < earlier.last:
        where = replace(context.question.filter(earlier.days, context.zone), until=last)
        queries = context.queries_for(where)
        average = context.reader.rows(queries.average_items_per_order(where))[0]
        by_country = context.reader.rows(queries.sales_by_country(where))
        countries |= {row["country"] for row in by_country}
        orders += sum(row["orders"] for row in by_country)
        with_items, items = with_items + average["orders"], items + average["quantity"]
        by_day = [*_sales_by_day(context, where, earlier), *by_day]
        revenue = [*revenue, *revenue_in(context, where)]
    totals = Totals(
        orders=orders,
        orders_with_items=with_items,
        items=items,
        average_items_per_order=items / with_items if with_items else None,
        countries=len(countries - {None}),
        revenue=convert(revenue_of(_summed(revenue)), list[Revenue], strict=False),
    )
    return totals, by_day


def _revenue_of_cut(context: QueryContext, cut: Filter, rows: list[Row]) -> list[Row]:
    """(currency, amount, orders) of the orders of *cut*, whose sales are *rows*."""
    queries = context.money_queries_for(cut)
    if queries.conversion is not None:
        return context.reader.rows(queries.revenue(cut))
    priced = [{**row, "orders": row["priced"]} for row in rows if row["priced"]]
    return _summed(priced)


def _summed(rows: list[Row]) -> list[Row]:
    """(currency, amount, orders): the sums of *rows* by currency."""
    sums: dict[str | None, tuple[Decimal, int]] = {}
    for row in rows:
        amount, orders = sums.get(row["currency"], (Decimal(), 0))
        sums[row["currency"]] = amount + row["amount"], orders + row["orders"]
    return [
        {"currency": currency, "amount": amount, "orders": orders}
        for currency, (amount, orders) in sums.items()
    ]
