"""The questions about revenue, written once for orders and rollups, which provide the rows."""

from dataclasses import dataclass
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from orderpull.answers.conversion import Conversion, LocalDays, sum_money
from orderpull.answers.filter import Filter


@dataclass(frozen=True, kw_only=True)
class RevenueQueries:
    """Queries over totals of orders. Amounts of several currencies are never summed.

    Each query returns rows for each currency; NULL is a currency of its own. The docstring of each
    begins with its columns.

    :param conversion: convert amounts; None: leave each in its own currency.
    """

    conversion: Conversion | None = None

    def counted_orders(self, where: Filter, days: LocalDays | None = None) -> sa.Subquery:
        """(source, country, channel, currency, orders, priced, amount) of counted orders.

        ``priced`` is the number of orders with a total, ``amount`` their sum.

        :param days: add the column ``day``, by these days.
        """
        raise NotImplementedError

    def revenue(self, where: Filter) -> sa.Select[Any]:
        """(currency, amount, orders, average_order_value): of counted orders that have a total."""
        return self._revenue(where)

    def revenue_by_country(self, where: Filter) -> sa.Select[Any]:
        """(country, currency, amount, orders, average_order_value)."""
        return self._revenue(where, "country")

    def revenue_by_source(self, where: Filter) -> sa.Select[Any]:
        """(source, currency, amount, orders, average_order_value)."""
        return self._revenue(where, "source")

    def revenue_by_channel(self, where: Filter) -> sa.Select[Any]:
        """(channel, currency, amount, orders, average_order_value)."""
        return self._revenue(where, "channel")

    def revenue_by_day(
        self, where: Filter, zone: ZoneInfo, first: date, last: date, /
    ) -> sa.Select[Any]:
        """(day, currency, amount, orders, average_order_value): as :meth:`sales_by_day`."""
        return self._revenue(where, "day", days=LocalDays(zone, first, last))

    def foreign_orders(self, where: Filter, currency: str, days: LocalDays) -> sa.Select[Any]:
        """(day, currency, orders): counted orders in other currencies than *currency*."""
        rows = self.counted_orders(where, days)
        keys = (rows.c.day, rows.c.currency)
        orders = sa.cast(sa.func.sum(rows.c.orders), sa.BigInteger)
        query = sa.select(*keys, orders.label("orders")).where(rows.c.currency != currency)
        return query.group_by(*keys).having(orders != 0)

    def _revenue(self, where: Filter, *by: str, days: LocalDays | None = None) -> sa.Select[Any]:
        rows = self.counted_orders(where, days or self._conversion_days())
        sums = sum_money(rows, by, ("priced",), self.conversion)
        average = sa.cast(sums.c.amount, sa.Double) / sums.c.priced
        return sa.select(
            *(sums.c[name] for name in (*by, "currency", "amount")),
            sums.c.priced.label("orders"),
            average.label("average_order_value"),
        ).where(sums.c.priced != 0)

    def _conversion_days(self) -> LocalDays | None:
        return self.conversion.days if self.conversion else None
