"""The questions over the order tables; the warehouse's views are made from these queries.

A filter is applied before ranking: the first SKU of a country is the first of the selected orders.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from orderpull.answers.conversion import LocalDays
from orderpull.answers.filter import Filter
from orderpull.answers.skus import SkuQueries
from orderpull.answers.tables import ADDRESS, HEADER, ITEM, SOLD, in_bytes, same_order
from orderpull.model import VIEWS


class OrderQueries(SkuQueries):
    """Queries over the order tables. They answer every filter.

    The docstring of each query begins with its columns.
    """

    def counted_orders(self, where: Filter, days: LocalDays | None = None) -> sa.Subquery:
        """(source, country, channel, currency, orders, priced, amount): a row for each order."""
        return (
            sa.select(
                HEADER.c.source,
                ADDRESS.c.country,
                HEADER.c.channel,
                HEADER.c.currency,
                *_day(days),
                sa.literal_column("1").label("orders"),
                _one_if(HEADER.c.total).label("priced"),
                HEADER.c.total.label("amount"),
            )
            .join_from(HEADER, ADDRESS, same_order(HEADER, ADDRESS))
            .where(*where.conditions())
            .subquery("counted_order")
        )

    def sold_lines(
        self, where: Filter, skus: Sequence[str] = (), days: LocalDays | None = None
    ) -> sa.Subquery:
        """(source, ordernumber, country, channel, currency, sku, amount, *PIECES*)."""
        query = (
            sa.select(
                ITEM.c.source,
                ITEM.c.ordernumber,
                ADDRESS.c.country,
                HEADER.c.channel,
                HEADER.c.currency,
                *_day(days),
                ITEM.c.sku,
                ITEM.c.quantity,
                sa.literal_column("1").label("orders"),
                ITEM.c.returned,
                sa.case((ITEM.c.returned.is_not(None), ITEM.c.quantity)).label("returnable"),
                _one_if(ITEM.c.amount).label("priced"),
                ITEM.c.amount,
            )
            .join_from(ITEM, HEADER, same_order(ITEM, HEADER))
            .join(ADDRESS, same_order(ITEM, ADDRESS))
            .where(SOLD, *where.conditions())
        )
        return (query.where(ITEM.c.sku.in_(skus)) if skus else query).subquery("sold_line")

    def order_totals(self, where: Filter) -> sa.Select[Any, Any, Any, Any]:
        """(orders, countries, first, last): counted orders, and when first and last were placed."""
        placed = HEADER.c.ordered_at
        return (
            sa.select(
                sa.func.count().label("orders"),
                sa.func.count(ADDRESS.c.country.distinct()).label("countries"),
                sa.func.min(placed).label("first"),
                sa.func.max(placed).label("last"),
            )
            .join_from(HEADER, ADDRESS, same_order(HEADER, ADDRESS))
            .where(*where.conditions())
        )

    def totals(self, where: Filter, *, returns: bool = True) -> "list[sa.Select[Any]]":
        """Queries of one row each: (orders, countries, first, last), (orders_with_items, items).

        :param returns: and (returned, returnable).
        """
        sold = self.average_items_per_order(where).subquery("sold")
        columns = sold.c.orders.label("orders_with_items"), sold.c.quantity.label("items")
        back = [self.returned(where)] if returns else []
        return [self.order_totals(where), sa.select(*columns), *back]

    def average_items_per_order(self, where: Filter) -> sa.Select[Any, Any, Any]:
        """(average, quantity, orders): over counted orders that have at least one item."""
        sold = self.sold_lines(where)
        orders = (
            sa.select(sa.func.sum(sold.c.quantity).label("quantity"))
            .group_by(sold.c.source, sold.c.ordernumber)
            .subquery("orders")
        )
        quantity = sa.cast(sa.func.sum(orders.c.quantity), sa.BigInteger)
        count = sa.func.count()
        average = sa.cast(quantity, sa.Double) / sa.func.nullif(count, 0)
        return sa.select(
            average.label("average"),
            sa.func.coalesce(quantity, 0).label("quantity"),
            count.label("orders"),
        ).select_from(orders)

    def sales_by_country(self, where: Filter) -> sa.Select[Any]:
        """(country, orders, items): counted orders and the items in them."""
        return _sales(where, ADDRESS.c.country.label("country"))

    def sales_by_source(self, where: Filter) -> sa.Select[Any]:
        """(source, orders, items): counted orders and the items in them."""
        return _sales(where, HEADER.c.source.label("source"))

    def sales_by_channel(self, where: Filter) -> sa.Select[Any]:
        """(channel, orders, items): counted orders and the items in them."""
        return _sales(where, HEADER.c.channel.label("channel"))

    def sales_by_group(self, where: Filter) -> sa.Select[Any]:
        """Counted orders and their items, by source, country, channel and currency.

        (source, country, channel, currency, orders, orders_with_items, items, priced, amount).
        """
        keys = (HEADER.c.source, ADDRESS.c.country, HEADER.c.channel, HEADER.c.currency)
        order = (
            sa.select(
                *keys,
                HEADER.c.ordernumber,
                HEADER.c.total,
                sa.func.sum(ITEM.c.quantity).label("items"),
            )
            .join_from(HEADER, ADDRESS, same_order(HEADER, ADDRESS))
            .outerjoin(ITEM, sa.and_(same_order(HEADER, ITEM), ITEM.c.quantity > 0))
            .where(*where.conditions())
            .group_by(*keys, HEADER.c.ordernumber, HEADER.c.total)
            .subquery("sold_order")
        )
        items = sa.cast(sa.func.sum(order.c["items"]), sa.BigInteger)
        groups = [order.c[key.name] for key in keys]
        return sa.select(
            *groups,
            sa.func.count().label("orders"),
            sa.func.count(order.c["items"]).label("orders_with_items"),
            sa.func.coalesce(items, 0).label("items"),
            sa.func.count(order.c.total).label("priced"),
            sa.func.sum(order.c.total).label("amount"),
        ).group_by(*groups)

    def sales_by_day(
        self, where: Filter, zone: ZoneInfo, first: date, last: date, /
    ) -> sa.Select[Any]:
        """(day, orders, items): by the day of the order; NULL for orders without a date.

        :param zone: the time zone of the days.
        :param first: time of the first order (UTC).
        :param last: time of the last order (UTC).
        """
        return _sales(where, *_day(LocalDays(zone, first, last)))

    def customers(self, where: Filter) -> sa.Select[Any]:
        """New and returning customers, and their orders; one row.

        (customers, new_customers, new_orders, returning_customers, returning_orders,
        unknown_orders). An order is of a returning customer if that customer of the same source
        has an earlier counted order. The earlier order may be one that the filter leaves out. A
        customer with both kinds of orders is counted as both. Unknown are orders without a customer
        or a date.
        """
        earliest = (
            sa.select(
                HEADER.c.source, HEADER.c.customer, sa.func.min(HEADER.c.ordered_at).label("first")
            )
            .where(HEADER.c.counted, HEADER.c.customer.is_not(None))
            .group_by(HEADER.c.source, HEADER.c.customer)
        )
        if where.sources:
            earliest = earliest.where(HEADER.c.source.in_(where.sources))
        first = earliest.subquery("first_order")
        same = sa.and_(HEADER.c.source == first.c.source, HEADER.c.customer == first.c.customer)
        is_later = HEADER.c.ordered_at > first.c.first
        mine = (
            sa.select(
                HEADER.c.source,
                first.c.customer,
                _count_if(HEADER.c.ordered_at == first.c.first).label("new"),
                _count_if(is_later).label("later"),
                sa.func.count().label("all"),
            )
            .join_from(HEADER, ADDRESS, same_order(HEADER, ADDRESS))
            .join(first, same, isouter=True)
            .where(*where.conditions())
            .group_by(HEADER.c.source, first.c.customer)
            .subquery("customer")
        )
        known = mine.c.customer.is_not(None)
        new, later = (sa.func.coalesce(sa.func.sum(mine.c[n]), 0) for n in ("new", "later"))
        every = sa.func.coalesce(sa.func.sum(mine.c["all"]), 0)
        numbers = {
            "customers": _count_if(sa.and_(known, mine.c.new + mine.c.later > 0)),
            "new_customers": _count_if(mine.c.new > 0),
            "new_orders": new,
            "returning_customers": _count_if(mine.c.later > 0),
            "returning_orders": later,
            "unknown_orders": every - new - later,
        }
        columns: list[sa.Label[Any]] = [
            sa.cast(number, sa.BigInteger).label(name) for name, number in numbers.items()
        ]
        return sa.select(*columns)

    def count_undated(self, where: Filter) -> sa.Select[Any]:
        """(orders): counted orders without a date, which a filter by time leaves out.

        Of *where* only the sources are used.
        """
        query = sa.select(sa.func.count().label("orders")).select_from(HEADER)
        query = query.where(HEADER.c.counted, HEADER.c.ordered_at.is_(None))
        return query.where(HEADER.c.source.in_(where.sources)) if where.sources else query

    def orders_with_sku(
        self,
        where: Filter,
        sku: str,
        limit: int | None = None,
        offset: int = 0,
        *,
        addresses: bool = False,
    ) -> sa.Select[Any]:
        """The orders with *sku*, newest first, undated orders last.

        (source, ordernumber, ordered_at, country, quantity, amount, currency, returned, channel);
        *amount* is what the SKU's pieces came to.

        :param addresses: add the columns of the recipient: name, line1, line2, postalcode, city,
            stateprovince.
        """
        parts = ("name", "line1", "line2", "postalcode", "city", "stateprovince")
        return (
            sa.select(
                HEADER.c.source, HEADER.c.ordernumber, HEADER.c.ordered_at, ADDRESS.c.country,
                ITEM.c.quantity, ITEM.c.amount, HEADER.c.currency, ITEM.c.returned,
                HEADER.c.channel,
                *(ADDRESS.c[part] for part in parts if addresses),
            )
            .join_from(ITEM, HEADER, same_order(ITEM, HEADER))
            .join(ADDRESS, same_order(ITEM, ADDRESS))
            .where(ITEM.c.sku == sku, SOLD, *where.conditions())
            .order_by(
                HEADER.c.ordered_at.desc().nulls_last(),
                in_bytes(HEADER.c.source),
                in_bytes(HEADER.c.ordernumber),
            )
            .limit(limit)
            .offset(offset or None)
        )  # fmt: skip


def view_selects() -> dict[str, sa.Select[Any]]:
    """The query of each view, by the view's name: a method of :class:`OrderQueries`."""
    return {name: getattr(OrderQueries(), name)(Filter()) for name in VIEWS}


def _day(days: LocalDays | None) -> list[sa.Label[date]]:
    return [days.day_of(HEADER.c.ordered_at).label("day")] if days else []


def _count_if(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    """The number of rows in which *condition* is true."""
    return sa.func.count(sa.case((condition, sa.literal_column("1"))))


def _one_if(column: sa.ColumnElement[Any]) -> sa.Case[int]:
    """1 where *column* has a value, else 0."""
    return sa.case((column.is_not(None), sa.literal_column("1")), else_=sa.literal_column("0"))


def _sales(where: Filter, key: sa.Label[Any]) -> sa.Select[Any]:
    """(key, orders, items). Orders and items are summed separately: an order may have no items.

    The key becomes a column of a subquery first. An expression with bound values would differ
    between SELECT and GROUP BY, because each use gets parameters of its own.
    """
    order = (
        sa.select(
            key, sa.literal_column("1").label("orders"), sa.literal_column("0").label("items")
        )
        .join_from(HEADER, ADDRESS, same_order(HEADER, ADDRESS))
        .where(*where.conditions())
    )
    item = (
        sa.select(key, sa.literal_column("0").label("orders"), ITEM.c.quantity.label("items"))
        .join_from(ITEM, HEADER, same_order(ITEM, HEADER))
        .join(ADDRESS, same_order(ITEM, ADDRESS))
        .where(*where.conditions())
    )
    both = sa.union_all(_summed(order, key.name), _summed(item, key.name))
    return _summed(both, key.name)


def _summed(rows: sa.Select[Any] | sa.CompoundSelect[Any], key: str) -> sa.Select[Any]:
    """(key, orders, items): the sums of *rows* by key."""
    part = rows.subquery()
    names = ("orders", "items")
    sums = [sa.cast(sa.func.sum(part.c[name]), sa.BigInteger).label(name) for name in names]
    return sa.select(part.c[key], *sums).group_by(part.c[key])
