"""One SKU: totals and trend beside the period before, countries, channels, and newest orders."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from orderpull.answers.filter import Filter
from orderpull.answers.money import largest_first
from orderpull.web.comparison import Comparison
from orderpull.web.context import QueryContext, Row
from orderpull.web.movers import filters_of
from orderpull.web.totals import Revenue, Totals
from orderpull.web.trend import Trend, beside_earlier, count_unfinished, trend_of

ORDERS_SHOWN = 10


@dataclass(frozen=True, slots=True)
class SkuSales:
    """Sales of one SKU.

    :param is_known: some order has it, whatever the question selects.
    :param title: of its newest order that has one.
    :param totals: its orders, items and amounts; the amounts are of its lines.
    :param countries: country, orders, items, revenue; the largest first. :param channels: the same.
    :param orders: its newest orders.
    """

    is_known: bool
    title: str | None
    totals: Totals
    before: Comparison | None
    trend: Trend
    unfinished: int
    read_until: datetime
    measure: str
    currency: str | None
    countries: Sequence[Row]
    channels: Sequence[Row]
    orders: Sequence[Row]
    conversion_notes: Sequence[str]


def read_sku(context: QueryContext) -> SkuSales:
    """Read the sales of the question's SKU."""
    sku, where, rows = context.question.sku, context.where, context.reader.rows
    by_day = _by_day(context, where)
    totals = _totals(by_day)
    currencies = [row.currency for row in totals.revenue]
    wanted = context.question.measure
    measure = "items" if wanted == "revenue" and not currencies else wanted
    chosen = context.question.currency
    currency = chosen if chosen in currencies else currencies[0] if currencies else None
    before = _before(context, currency)
    dated = _dated(by_day, currency)
    undated = sum(row["orders"] for row in by_day if row["day"] is None)
    trend = trend_of(context, dated, undated, priced=measure == "revenue", currency=currency)
    trend = beside_earlier(context, trend, before)
    queries = context.money_queries
    everywhere = rows(queries.sku_by_country(where, sku))
    over = rows(queries.sku_by_channel(where, sku)) if context.has_channels() else []
    title = rows(context.queries.title_of(sku))
    return SkuSales(
        is_known=bool(totals.orders) or bool(_totals(_by_day(context, Filter())).orders),
        title=title[0]["title"] if title else None,
        totals=totals,
        before=before,
        trend=trend,
        unfinished=count_unfinished(context, trend),
        read_until=context.read_until,
        measure=measure,
        currency=currency if measure == "revenue" else None,
        countries=_ranked(everywhere, "country", measure, currency),
        channels=_ranked(over, "channel", measure, currency),
        orders=rows(context.queries.orders_with_sku(where, sku, ORDERS_SHOWN)),
        conversion_notes=context.conversion_notes,
    )


def _by_day(context: QueryContext, where: Filter) -> list[Row]:
    """The rows of ``sku_by_day``."""
    bounds = context.reader.rows(context.queries_for(where).order_totals(where))[0]
    if bounds["first"] is None:
        days = (context.today, context.today)
    else:
        days = (bounds["first"], bounds["last"])
    queries = context.money_queries_for(where)
    query = queries.sku_by_day(where, context.question.sku, context.zone, *days)
    return context.reader.rows(query)


def _before(context: QueryContext, currency: str | None) -> Comparison | None:
    """The SKU's sales in the period before, cut at the time of day as those of all orders."""
    earlier = context.earlier
    if earlier is None:
        return None
    begins = context.first_day()
    if not context.is_covered(earlier):
        return Comparison(earlier, None, begins)
    by_day = [row for part in filters_of(context, earlier) for row in _by_day(context, part)]
    return Comparison(earlier, _totals(by_day), begins, _dated(by_day, currency))


def _dated(rows: Iterable[Row], currency: str | None) -> list[tuple[date, int, int, float]]:
    """(day, orders, items, amount in *currency*) of the rows with a day."""
    return [
        (
            row["day"],
            row["orders"],
            row["quantity"],
            float(row["amount"] or 0) if row["currency"] == currency else 0.0,
        )
        for row in rows
        if row["day"]
    ]


def _totals(rows: Iterable[Row]) -> Totals:
    orders = items = returned = returnable = 0
    amounts: dict[str | None, tuple[Decimal, int]] = {}
    for row in rows:
        orders, items = orders + row["orders"], items + row["quantity"]
        returned, returnable = returned + (row["returned"] or 0), returnable + row["returnable"]
        if row["amount"] is not None:
            amount, priced = amounts.get(row["currency"], (Decimal(), 0))
            amounts[row["currency"]] = amount + row["amount"], priced + row["priced"]
    known = [
        {"currency": currency, "amount": amount, "priced": priced}
        for currency, (amount, priced) in amounts.items()
        if priced
    ]
    return Totals(
        orders=orders,
        orders_with_items=orders,
        items=items,
        average_items_per_order=items / orders if orders else None,
        countries=0,
        revenue=[
            Revenue(row["currency"], float(row["amount"]), row["priced"], 0.0)
            for row in largest_first(known)
        ],
        returned=returned,
        returnable=returnable,
    )


def _ranked(rows: Iterable[Row], key: str, measure: str, currency: str | None) -> list[Row]:
    """(key, orders, items, revenue in *currency*): the sums of *rows*, largest first."""
    sums: dict[str | None, Row] = {}
    for row in rows:
        total = sums.setdefault(
            row[key], {key: row[key], "orders": 0, "items": 0, "revenue": Decimal()}
        )
        total["orders"] += row["orders"]
        total["items"] += row["quantity"]
        if row["currency"] == currency:
            total["revenue"] += row["amount"] or 0
    return sorted(sums.values(), key=lambda row: (-row[measure], row[key] or ""))
