"""The totals of a question."""

from typing import Annotated

from msgspec import Meta, Struct, convert

from orderpull.answers.filter import Filter
from orderpull.answers.money import revenue_of
from orderpull.web.context import QueryContext, Row

Count = Annotated[int, Meta(ge=0)]


class Amount(Struct):
    """An amount; the currency is null where it is not known."""

    currency: str | None
    amount: float


class Revenue(Amount):
    """Sum of the totals of the orders that have one, in one currency."""

    orders: Count
    average_order_value: float


class Totals(Struct):
    """Totals of counted orders; cancelled orders, drafts and tests are not counted."""

    orders: Count
    orders_with_items: Count
    items: Count
    average_items_per_order: float | None
    """Average over the orders with items."""
    countries: Count
    revenue: list[Revenue] = []
    """For each currency, the largest amount first; empty where no order tells its total."""
    returned: Count = 0
    """Items that came back, of the ``returnable``."""
    returnable: Count = 0
    """Items of which the shop tells whether they came back."""

    @property
    def returned_share(self) -> float | None:
        """Share of the items that came back; None if no shop tells it."""
        return self.returned / self.returnable if self.returnable else None


class AbsentCountry(Struct):
    """A country of the filter that no order has, and the nearest that has one, if one is near."""

    country: str
    nearest: str | None


class Filtered(Struct, kw_only=True, omit_defaults=True):
    """An answer that a country filters."""

    countries_without_orders: list[AbsentCountry] = []


def read_totals(
    context: QueryContext, where: Filter, *, returns: bool = True
) -> tuple[Totals, Row]:
    """Read the totals of the orders of *where*, and their row, with ``first`` and ``last``.

    :param returns: with what came back.
    """
    row: Row = {}
    for query in context.queries_for(where).totals(where, returns=returns):
        row |= context.reader.rows(query)[0]
    orders, items = row["orders_with_items"], row["items"]
    totals = Totals(
        orders=row["orders"],
        orders_with_items=orders,
        items=items,
        average_items_per_order=items / orders if orders else None,
        countries=row["countries"],
        revenue=convert(revenue_in(context, where), list[Revenue], strict=False),
        returned=row.get("returned", 0),
        returnable=row.get("returnable", 0),
    )
    return totals, row


def revenue_in(context: QueryContext, where: Filter) -> list[Row]:
    """(currency, amount, orders, average_order_value) of the orders of *where*."""
    if where == context.where:
        return context.revenue
    return revenue_of(context.reader.rows(context.money_queries_for(where).revenue(where)))


def read_undated(context: QueryContext) -> int:
    """Number of orders that the question's period leaves out because they have no date."""
    if not context.where.excludes_undated:
        return 0
    orders: int = context.reader.rows(context.queries.count_undated(context.where))[0]["orders"]
    return orders
