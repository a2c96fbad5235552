"""The questions about SKUs, written once for orders and rollups, which provide the sold lines."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from orderpull.answers.conversion import LocalDays, sum_money, sums_of, total_of
from orderpull.answers.filter import Filter
from orderpull.answers.revenue import RevenueQueries
from orderpull.answers.tables import SKU, in_bytes, with_titles

Measure = Literal["items", "orders", "revenue"]
"""Measure that SKUs are ranked by."""

COLUMN_OF = {"items": "quantity", "orders": "orders", "revenue": "amount"}
"""The column of a ranked SKU that holds each measure."""

PIECES = ("quantity", "orders", "returned", "returnable", "priced")
"""Whole numbers of sold lines. ``returnable``: pieces of which is known whether they came back;
``priced``: orders that tell an amount."""


@dataclass(frozen=True)
class SkuQueries(RevenueQueries):
    """Queries over sold lines: rankings of SKUs, and single SKUs.

    A ranking's rows are selected by the filter first: the first SKU of a country is the first of
    the selected orders.
    """

    def sold_lines(
        self, where: Filter, skus: Sequence[str] = (), days: LocalDays | None = None
    ) -> sa.Subquery:
        """(country, channel, currency, sku, amount, *PIECES*) of sold items, or their sums.

        :param skus: only these SKUs.
        :param days: add the column ``day``, by these days.
        """
        raise NotImplementedError

    def popular_sku(
        self, where: Filter, top: int | None = None, by: Measure = "items"
    ) -> sa.Select[Any]:
        """(sku, quantity, orders, rank, title, returned): ties are ranked by SKU in byte order.

        :param top: only so many; by revenue, so many for each currency.
        :param by: by revenue, each currency has a ranking: :meth:`rank_by_revenue` has the columns.
        """
        if by == "revenue":
            return self.rank_by_revenue(where, (), top)
        return _ranked(self.sold_lines(where), (), by, top)

    def popular_sku_by_country(
        self, where: Filter, top: int | None = None, by: Measure = "items"
    ) -> sa.Select[Any]:
        """(country, sku, quantity, orders, rank, title, returned): rank within the country.

        The parameters are those of :meth:`popular_sku`.
        """
        if by == "revenue":
            return self.rank_by_revenue(where, ("country",), top)
        return _ranked(self.sold_lines(where), ("country",), by, top)

    def search_popular_sku(
        self,
        where: Filter,
        text: str = "",
        limit: int | None = None,
        offset: int = 0,
        by: Measure = "items",
    ) -> sa.Select[Any]:
        """The columns of :meth:`popular_sku`, of SKUs that contain *text*, best-selling first.

        The SKU or its title contains it. The rank is the rank among all SKUs. By revenue, the
        currency with the largest amount comes first. :func:`contains` says how texts are compared.
        """
        ranked = self.popular_sku(where, by=by).subquery("ranked_sku")
        query = sa.select(ranked).limit(limit).offset(offset or None)
        query = query.order_by(*_currencies_first(ranked), ranked.c.rank)
        return query.where(matches(ranked, text)) if text else query

    def search_popular_sku_by_country(
        self, where: Filter, text: str, top: int, by: Measure = "items"
    ) -> sa.Select[Any]:
        """The columns of :meth:`popular_sku_by_country`: *top* SKUs that contain *text* for each.

        The rank is the rank among all SKUs of the country.
        """
        if not text:
            return self.popular_sku_by_country(where, top, by)
        ranked = self.popular_sku_by_country(where, by=by).subquery("ranked_sku")
        within = [ranked.c.country, *([ranked.c.currency] if by == "revenue" else [])]
        nth = sa.func.row_number().over(partition_by=within, order_by=ranked.c.rank)
        matching = sa.select(ranked, nth.label("nth")).where(matches(ranked, text))
        numbered = matching.subquery("numbered_match")
        columns = [numbered.c[column.name] for column in ranked.c]
        return sa.select(*columns).where(numbered.c.nth <= top)

    def count_skus(self, where: Filter, text: str = "") -> sa.Select[Any]:
        """(skus): number of different SKUs sold that contain *text*, they or their title."""
        sold = self.sold_lines(where)
        query = sa.select(sa.func.count(sold.c.sku.distinct()).label("skus"))
        if not text:
            return query
        named = query.join_from(sold, SKU, SKU.c.sku == sold.c.sku, isouter=True)
        return named.where(sa.or_(contains(sold.c.sku, text), contains(SKU.c.title, text)))

    def sku_totals(self, where: Filter, sku: str) -> sa.Select[Any, Any, Any, Any]:
        """(orders, quantity, returned, returnable): counted orders with *sku*, and its pieces."""
        sold = self.sold_lines(where, (sku,))
        return sa.select(
            total_of(sold.c.orders),
            total_of(sold.c.quantity),
            total_of(sold.c.returned),
            total_of(sold.c.returnable),
        )

    def title_of(self, sku: str) -> sa.Select[Any]:
        """(title) of *sku*: that of its newest order that has one; no row for an unknown SKU."""
        return sa.select(SKU.c.title).where(SKU.c.sku == sku)

    def returned(self, where: Filter) -> sa.Select[Any, Any]:
        """(returned, returnable): pieces that came back, of those of which this is known."""
        sold = self.sold_lines(where)
        return sa.select(total_of(sold.c.returned), total_of(sold.c.returnable))

    def sku_revenue(self, where: Filter, skus: Sequence[str] = ()) -> sa.Select[Any]:
        """(sku, currency, amount, orders): of each SKU, or of *skus* only."""
        return self._sku_revenue(where, skus, "sku")

    def sku_revenue_by_country(self, where: Filter, skus: Sequence[str] = ()) -> sa.Select[Any]:
        """(country, sku, currency, amount, orders): of each SKU, or of *skus* only."""
        return self._sku_revenue(where, skus, "country", "sku")

    def sku_by_currency(self, where: Filter, sku: str) -> sa.Select[Any]:
        """(currency, amount, *PIECES*) of *sku*; amount is NULL where no order tells it."""
        return self._sku_sales(where, sku)

    def sku_by_country(self, where: Filter, sku: str) -> sa.Select[Any]:
        """(country, currency, amount, *PIECES*) of *sku*."""
        return self._sku_sales(where, sku, "country")

    def sku_by_channel(self, where: Filter, sku: str) -> sa.Select[Any]:
        """(channel, currency, amount, *PIECES*) of *sku*."""
        return self._sku_sales(where, sku, "channel")

    def sku_by_day(
        self, where: Filter, sku: str, zone: ZoneInfo, first: date, last: date, /
    ) -> sa.Select[Any]:
        """(day, currency, amount, *PIECES*) of *sku*: by the days of :meth:`sales_by_day`."""
        return self._sku_sales(where, sku, "day", days=LocalDays(zone, first, last))

    def rank_by_revenue(self, where: Filter, by: Sequence[str], top: int | None) -> sa.Select[Any]:
        """(*by*, sku, quantity, orders, rank, title, returned, currency, amount, currency_amount).

        Each currency has a ranking of its own, within each value of *by*, over its orders alone.
        ``currency_amount`` is the currency's amount over all SKUs: the currency with the largest is
        shown first. SKUs without a known amount have no rank.
        """
        rows = self.sold_lines(where, days=self._conversion_days())
        group = sum_money(rows, (*by, "sku"), PIECES, self.conversion)
        within = [*(group.c[name] for name in by), group.c.currency]
        rank = sa.func.row_number().over(
            partition_by=within, order_by=(group.c.amount.desc(), in_bytes(group.c.sku))
        )
        whole = sa.func.sum(group.c.amount).over(partition_by=group.c.currency)
        ranked = (
            sa.select(group, rank.label("rank"), whole.label("currency_amount"))
            .where(group.c.priced != 0)
            .subquery("ranked")
        )
        names = (*by, "sku", "quantity", "orders", "rank", "returned",
                 "currency", "amount", "currency_amount")  # fmt: skip
        query = with_titles(ranked, names)
        return query.where(ranked.c.rank <= top) if top is not None else query

    def _sku_revenue(self, where: Filter, skus: Sequence[str], *by: str) -> sa.Select[Any]:
        rows = self.sold_lines(where, skus, self._conversion_days())
        sums = sum_money(rows, by, ("priced",), self.conversion)
        columns = [sums.c[name] for name in (*by, "currency", "amount")]
        query = sa.select(*columns, sums.c.priced.label("orders"))
        return query.where(sums.c.priced != 0)

    def _sku_sales(
        self, where: Filter, sku: str, *by: str, days: LocalDays | None = None
    ) -> sa.Select[Any]:
        rows = self.sold_lines(where, (sku,), days or self._conversion_days())
        sums = sum_money(rows, by, PIECES, self.conversion)
        return sa.select(sums).where(sums.c.orders != 0)


def matches(skus: sa.FromClause, text: str) -> sa.ColumnElement[bool]:
    """Condition that the SKU or the title of a row contains *text*."""
    return sa.or_(contains(skus.c.sku, text), contains(skus.c.title, text))


def contains(column: sa.ColumnElement[str], text: str) -> sa.ColumnElement[bool]:
    """Condition that *column* contains *text*, ignoring the case of A to Z.

    The case of other letters is ignored where the warehouse's locale has them.
    """
    return sa.func.strpos(sa.func.lower(column), sa.func.lower(sa.cast(text, sa.Text))) > 0


def _ranked(
    sold: sa.Subquery, within: Sequence[str], by: Measure, top: int | None
) -> sa.Select[Any]:
    """(*within*, sku, quantity, orders, rank, title, returned): rank in each value of *within*."""
    keys = [sold.c[name] for name in (*within, "sku")]
    sums = sums_of(sold, ("quantity", "orders", "returned"))
    measure = next(each for each in sums if each.name == COLUMN_OF[by]).element
    rank = sa.func.row_number().over(
        partition_by=keys[:-1] or None, order_by=(measure.desc(), in_bytes(sold.c.sku))
    )
    group = sa.select(*keys, *sums, rank.label("rank")).group_by(*keys)
    ranked = group.subquery("ranked")
    answer = with_titles(ranked, (*within, "sku", "quantity", "orders", "rank", "returned"))
    return answer.where(ranked.c.rank <= top) if top is not None else answer


def _currencies_first(ranked: sa.Subquery) -> list[sa.ColumnElement[Any]]:
    """The order of currencies in a ranking by revenue; nothing for another ranking."""
    if "currency" not in ranked.c:
        return []
    return [ranked.c.currency_amount.desc(), in_bytes(ranked.c.currency).nulls_last()]
