"""The trend: orders and items by day, week, month or year, beside those of the period before."""

from datetime import UTC, date
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from orderpull.web.comparison import Comparison, SalesByDay, amounts_by_day
from orderpull.web.context import QueryContext, Row
from orderpull.web.periods import Days, choose_step, is_finished, sum_by_step
from orderpull.web.totals import Count, Filtered


class Bar(Struct):
    """One step of the trend, and the days of the period before that it is compared with."""

    first_day: date
    last_day: date
    orders: Count
    items: Count
    before_first_day: date | None = None
    before_last_day: date | None = None
    before_orders: Count | None = None
    before_items: Count | None = None
    revenue: float | None = None
    before_revenue: float | None = None

    @property
    def days(self) -> Days:
        """The days of the step."""
        return Days(self.first_day, self.last_day)

    @property
    def before(self) -> Days:
        """The days that the step is compared with."""
        return Days(self.before_first_day, self.before_last_day)


class Trend(Filtered):
    """Orders and items by step; ``undated`` is the number of orders without a date, in no bar.

    Revenue is shown on demand, in one ``currency``.
    """

    step: str
    bars: list[Bar]
    undated: Count
    currency: str | None = None


def read_trend(context: QueryContext, counted: Row) -> Trend:
    """Read the trend over the days of the question, or from the first order to the last.

    :param counted: the totals, with ``first`` and ``last``.
    """
    first, last = counted["first"], counted["last"]
    if first is None:
        return Trend("day", [], counted["orders"])
    sales = context.queries.sales_by_day(context.where, context.zone, first, last)
    rows = context.reader.rows(sales)
    amounts = amounts_by_day(context, context.where, first, last)
    dated = [
        (row["day"], row["orders"], row["items"], float(amounts.get(row["day"], 0)))
        for row in rows
        if row["day"]
    ]
    undated = sum(row["orders"] for row in rows if row["day"] is None)
    priced = context.measure == "revenue"
    currency = context.currency if priced else None
    return trend_of(context, dated, undated, priced=priced, currency=currency)


def trend_of(
    context: QueryContext, dated: SalesByDay, undated: int, *, priced: bool, currency: str | None
) -> Trend:
    """Sum *dated* sales by the step of the question, over its days.

    :param priced: the amounts are shown: they are in *currency*.
    """
    days = [row[0] for row in dated]
    if not days:
        return Trend("day", [], undated)
    span = Days(context.days.first or min(days), context.days.last or max(days))
    requested: Any = context.question.by or None
    step = choose_step(span, requested)
    bars = [
        Bar(since, until, orders, items, revenue=round(amount, 4) if priced else None)
        for since, until, orders, items, amount in sum_by_step(dated, span, step)
    ]
    return Trend(step, bars, undated, currency if priced else None)


def beside_earlier(context: QueryContext, trend: Trend, compared: Comparison | None) -> Trend:
    """Return *trend* with the sales of the period before beside each bar, where there are any."""
    start = context.days.first
    if compared is None or compared.totals is None or start is None:
        return trend
    bars = []
    for bar in trend.bars:
        days = compared.earlier.days_for(bar.first_day, bar.last_day, start)
        bars.append(_beside(bar, *days, compared.by_day) if days else bar)
    return replace(trend, bars=bars)


def _beside(bar: Bar, first: date, last: date, by_day: SalesByDay) -> Bar:
    sales = [row[1:] for row in by_day if first <= row[0] <= last]
    return replace(
        bar,
        before_first_day=first,
        before_last_day=last,
        before_orders=sum(orders for orders, _, _ in sales),
        before_items=sum(items for _, items, _ in sales),
        before_revenue=round(sum(amount for *_, amount in sales), 4)
        if bar.revenue is not None
        else None,
    )


def count_unfinished(context: QueryContext, trend: Trend) -> int:
    """Number of bars, the last ones, whose days were not read to their end."""
    read = context.read_until.replace(tzinfo=UTC).astimezone(context.zone).date()
    is_open = context.days.last is None
    days = (bar.days for bar in trend.bars)
    return sum(not is_finished(each, trend.step, read, is_open=is_open) for each in days)
