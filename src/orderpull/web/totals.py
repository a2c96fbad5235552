"""The totals of a question, and those of the period before."""

from dataclasses import dataclass, replace
from datetime import date
from typing import Annotated

from msgspec import Meta, Struct

from orderpull.answers.filter import Filter
from orderpull.days import midnight
from orderpull.web.context import QueryContext, Row
from orderpull.web.periods import Days, Earlier

Count = Annotated[int, Meta(ge=0)]


class Totals(Struct):
    """Totals of counted orders; cancelled orders, drafts and tests are not counted."""

    orders: Count
    orders_with_items: Count
    items: Count
    average_items_per_order: float | None
    """Average over the orders with items."""
    countries: Count


@dataclass(frozen=True, slots=True)
class Comparison:
    """The period before.

    :param totals: None if the period begins before the first order.
    :param data_begins: day of the first order.
    """

    earlier: Earlier
    totals: Totals | None
    data_begins: date | None


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


def read_comparison(context: QueryContext) -> Comparison | None:
    """Read the totals of the period before, up to the time of day to which this one was read."""
    earlier = context.earlier
    if earlier is None:
        return None
    begins = context.first_day()
    covered = begins is not None and begins <= earlier.first
    return Comparison(earlier, _read_earlier(context, earlier) if covered else None, begins)


def _read_earlier(context: QueryContext, earlier: Earlier) -> Totals:
    where = context.question.filter(Days(earlier.first, earlier.last), context.zone)
    if earlier.until is None:
        return read_totals(context, where)[0]
    last = midnight(earlier.last, context.zone)
    rows = context.sales_between(last, earlier.until)
    countries = {row["country"] for row in rows}
    orders, with_items, items = (
        sum(row[name] for row in rows) for name in ("orders", "orders_with_items", "items")
    )
    if earlier.first < earlier.last:
        where = replace(where, until=last)
        queries = context.queries_for(where)
        average = context.reader.rows(queries.average_items_per_order(where))[0]
        by_country = context.reader.rows(queries.sales_by_country(where))
        countries |= {row["country"] for row in by_country}
        orders += sum(row["orders"] for row in by_country)
        with_items, items = with_items + average["orders"], items + average["quantity"]
    return Totals(
        orders=orders,
        orders_with_items=with_items,
        items=items,
        average_items_per_order=items / with_items if with_items else None,
        countries=len(countries - {None}),
    )


def read_undated(context: QueryContext) -> int:
    """Number of orders that the question's period leaves out because they have no date."""
    if not context.where.excludes_undated:
        return 0
    orders: int = context.reader.rows(context.queries.count_undated(context.where))[0]["orders"]
    return orders
