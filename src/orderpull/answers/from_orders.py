"""The questions over the order tables; the warehouse's views are made from these queries.

A filter is applied before ranking: the first SKU of a country is the first of the selected orders.
"""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from orderpull.answers.filter import Filter
from orderpull.answers.tables import ADDRESS, HEADER, ITEM, SOLD, in_bytes, same_order
from orderpull.days import offsets
from orderpull.model import VIEWS


class OrderQueries:
    """Queries over the order tables. They answer every filter.

    The docstring of each query begins with its columns.
    """

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

    def average_items_per_order(self, where: Filter) -> sa.Select[Any, Any, Any]:
        """(average, quantity, orders): over counted orders that have at least one item."""
        sold = _items(where)
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

    def popular_sku(self, where: Filter, top: int | None = None) -> sa.Select[Any]:
        """(sku, quantity, orders, rank): by quantity, ties by SKU in byte order."""
        sold = _items(where)
        return _ranked(sold, [], [sold.c.sku], top)

    def popular_sku_by_country(self, where: Filter, top: int | None = None) -> sa.Select[Any]:
        """(country, sku, quantity, orders, rank): rank within the country."""
        sold = _items(where)
        return _ranked(sold, [sold.c.country], [sold.c.country, sold.c.sku], top)

    def search_popular_sku(
        self, where: Filter, text: str = "", limit: int | None = None, offset: int = 0
    ) -> sa.Select[Any]:
        """(sku, quantity, orders, rank) of the SKUs that contain *text*, best-selling first.

        The rank is the rank among all SKUs. :func:`contains` says how texts are compared.
        """
        ranked = self.popular_sku(where).subquery("ranked_sku")
        query = sa.select(ranked).order_by(ranked.c.rank).limit(limit).offset(offset or None)
        return query.where(contains(ranked.c.sku, text)) if text else query

    def search_popular_sku_by_country(self, where: Filter, text: str, top: int) -> sa.Select[Any]:
        """(country, sku, quantity, orders, rank) of each country's *top* SKUs that contain *text*.

        The rank is the rank among all SKUs of the country.
        """
        if not text:
            return self.popular_sku_by_country(where, top)
        ranked = self.popular_sku_by_country(where).subquery("ranked_sku")
        nth = sa.func.row_number().over(partition_by=ranked.c.country, order_by=ranked.c.rank)
        matches = sa.select(ranked, nth.label("nth")).where(contains(ranked.c.sku, text))
        numbered = matches.subquery("numbered_match")
        columns = [numbered.c[column.name] for column in ranked.c]
        return sa.select(*columns).where(numbered.c.nth <= top)

    def count_skus(self, where: Filter, text: str = "") -> sa.Select[Any]:
        """(skus): number of different SKUs sold that contain *text*."""
        sold = _items(where)
        query = sa.select(sa.func.count(sold.c.sku.distinct()).label("skus"))
        return query.where(contains(sold.c.sku, text)) if text else query

    def sku_totals(self, where: Filter, sku: str) -> sa.Select[Any, Any]:
        """(orders, quantity): counted orders with *sku*, and its quantity in them."""
        sold = _items(where)
        quantity = sa.func.coalesce(sa.func.sum(sold.c.quantity), 0)
        return sa.select(
            sa.func.count().label("orders"),
            sa.cast(quantity, sa.BigInteger).label("quantity"),
        ).where(sold.c.sku == sku)

    def sales_by_country(self, where: Filter) -> sa.Select[Any]:
        """(country, orders, items): counted orders and the items in them."""
        return _sales(where, ADDRESS.c.country.label("country"))

    def sales_by_source(self, where: Filter) -> sa.Select[Any]:
        """(source, orders, items): counted orders and the items in them."""
        return _sales(where, HEADER.c.source.label("source"))

    def sales_by_group(self, where: Filter) -> sa.Select[Any]:
        """(source, country, orders, orders_with_items, items): counted orders and their items."""
        order = (
            sa.select(
                HEADER.c.source,
                HEADER.c.ordernumber,
                ADDRESS.c.country,
                sa.func.sum(ITEM.c.quantity).label("items"),
            )
            .join_from(HEADER, ADDRESS, same_order(HEADER, ADDRESS))
            .outerjoin(ITEM, sa.and_(same_order(HEADER, ITEM), ITEM.c.quantity > 0))
            .where(*where.conditions())
            .group_by(HEADER.c.source, HEADER.c.ordernumber, ADDRESS.c.country)
            .subquery("sold_order")
        )
        items = sa.cast(sa.func.sum(order.c["items"]), sa.BigInteger)
        return sa.select(
            order.c.source,
            order.c.country,
            sa.func.count().label("orders"),
            sa.func.count(order.c["items"]).label("orders_with_items"),
            sa.func.coalesce(items, 0).label("items"),
        ).group_by(order.c.source, order.c.country)

    def sales_by_day(
        self, where: Filter, zone: ZoneInfo, first: datetime, last: datetime, /
    ) -> sa.Select[Any]:
        """(day, orders, items): by the day of the order; NULL for orders without a date.

        :param zone: the time zone of the days.
        :param first: time of the first order (UTC).
        :param last: time of the last order (UTC).
        """
        placed = HEADER.c.ordered_at
        turns = offsets(first, last, zone)
        later = [(placed >= since, placed + _seconds(east)) for since, east in reversed(turns[1:])]
        oldest = placed + _seconds(turns[0][1])
        local = sa.case(*later, else_=oldest) if later else oldest
        return _sales(where, sa.cast(local, sa.Date).label("day"))

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
        """(source, ordernumber, ordered_at, country, quantity): newest first, undated orders last.

        :param addresses: add the columns of the recipient: name, line1, line2, postalcode, city,
            stateprovince.
        """
        parts = ("name", "line1", "line2", "postalcode", "city", "stateprovince")
        return (
            sa.select(
                HEADER.c.source, HEADER.c.ordernumber, HEADER.c.ordered_at, ADDRESS.c.country,
                ITEM.c.quantity, *(ADDRESS.c[part] for part in parts if addresses),
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
    """The query of each view, by the view's name."""
    queries, everything = OrderQueries(), Filter()
    selects = (
        queries.average_items_per_order(everything),
        queries.popular_sku_by_country(everything),
        queries.popular_sku(everything),
    )
    return dict(zip(VIEWS, selects, strict=True))


def contains(column: sa.ColumnElement[str], text: str) -> sa.ColumnElement[bool]:
    """Condition that *column* contains *text*, ignoring the case of A to Z.

    The case of other letters is ignored where the warehouse's locale has them.
    """
    return sa.func.strpos(sa.func.lower(column), sa.func.lower(sa.cast(text, sa.Text))) > 0


def _items(where: Filter) -> sa.Subquery:
    """(country, sku, quantity, source, ordernumber) of the items of counted orders."""
    return (
        sa.select(ADDRESS.c.country, ITEM.c.sku, ITEM.c.quantity, ITEM.c.source, ITEM.c.ordernumber)
        .join_from(ITEM, HEADER, same_order(ITEM, HEADER))
        .join(ADDRESS, same_order(ITEM, ADDRESS))
        .where(SOLD, *where.conditions())
        .subquery("items")
    )


def _ranked(
    sold: sa.Subquery,
    within: list[sa.ColumnElement[Any]],
    by: list[sa.ColumnElement[Any]],
    top: int | None,
) -> sa.Select[Any]:
    """(*by*, quantity, orders, rank): the rank restarts with each value of *within*."""
    quantity = sa.cast(sa.func.sum(sold.c.quantity), sa.BigInteger)
    order = (quantity.desc(), in_bytes(sold.c.sku))
    ranked = (
        sa.select(
            *by,
            quantity.label("quantity"),
            sa.func.count().label("orders"),
            sa.func.row_number().over(partition_by=within or None, order_by=order).label("rank"),
        )
        .group_by(*by)
        .subquery("ranked")
    )
    answer = sa.select(ranked)
    return answer.where(ranked.c.rank <= top) if top is not None else answer


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


def _seconds(count: int) -> sa.ColumnElement[Any]:
    return sa.literal_column(f"INTERVAL '{count:d} seconds'")
