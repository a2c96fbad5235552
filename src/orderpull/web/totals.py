"""The totals of a question."""

from typing import Annotated

from msgspec import Meta, Struct

from orderpull.answers.filter import Filter
from orderpull.web.context import QueryContext, Row

Count = Annotated[int, Meta(ge=0)]


class Totals(Struct):
    """Totals of counted orders; cancelled orders, drafts and tests are not counted."""

    orders: Count
    orders_with_items: Count
    items: Count
    average_items_per_order: float | None
    """Average over the orders with items."""
    countries: Count


class AbsentCountry(Struct):
    """A country of the filter that no order has, and the nearest that has one, if one is near."""

    country: str
    nearest: str | None


class Filtered(Struct, kw_only=True, omit_defaults=True):
    """An answer that a country filters."""

    countries_without_orders: list[AbsentCountry] = []


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
