"""Where an answer is read from: the summaries if they have it, else the orders."""

from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Protocol
from zoneinfo import ZoneInfo

from orderpull.answers import from_orders, from_rollups
from orderpull.answers.from_orders import Filter
from orderpull.answers.from_rollups import Summaries

if TYPE_CHECKING:
    import sqlalchemy as sa


class Reader(Protocol):
    """A reader of a warehouse, as far as the answers need one."""

    def rows(self, query: "sa.Select[Any]") -> list[dict[str, Any]]:
        """Run *query* and return its rows, each as column name to value."""
        ...


class Answers(Protocol):
    """The questions that both answer. What they give is written in ``answers/from_orders.py``."""

    def orders_counted(self, chosen: Filter) -> "sa.Select[Any, Any, Any, Any]":
        """How many orders, to how many countries, from when till when."""
        ...

    def average_items_per_order(self, chosen: Filter) -> "sa.Select[Any, Any, Any]":
        """Average, pieces and orders with items."""
        ...

    def sales_by_country(self, chosen: Filter) -> "sa.Select[Any]":
        """Orders and items of each country."""
        ...

    def sales_by_source(self, chosen: Filter) -> "sa.Select[Any]":
        """Orders and items of each source."""
        ...

    def sales_by_day(
        self, chosen: Filter, zone: ZoneInfo, first: datetime, last: datetime
    ) -> "sa.Select[Any]":
        """Orders and items of each day."""
        ...

    def undated(self, chosen: Filter) -> "sa.Select[Any]":
        """How many orders have no date."""
        ...

    def popular_sku(self, chosen: Filter, top: int | None = None) -> "sa.Select[Any]":
        """The best-selling SKUs."""
        ...

    def popular_sku_by_country(self, chosen: Filter, top: int | None = None) -> "sa.Select[Any]":
        """The best-selling SKUs of each country."""
        ...

    def popular_sku_found(
        self, chosen: Filter, text: str = "", limit: int | None = None, offset: int = 0
    ) -> "sa.Select[Any]":
        """The best-selling SKUs that hold a text."""
        ...

    def popular_sku_found_by_country(self, chosen: Filter, text: str, top: int) -> "sa.Select[Any]":
        """The best-selling SKUs of each country that hold a text."""
        ...

    def skus_counted(self, chosen: Filter, text: str = "") -> "sa.Select[Any]":
        """How many SKUs."""
        ...

    def sku_counted(self, chosen: Filter, sku: str) -> "sa.Select[Any, Any]":
        """Orders and pieces of one SKU."""
        ...


def kept(reader: Reader, zone: ZoneInfo) -> Summaries | None:
    """The summaries of the warehouse; None if there are none, or with another zone's days.

    :param zone: of ``report.timezone``.
    """
    for row in reader.rows(from_rollups.state()):
        if row["timezone"] == zone.key:
            last_day: date = row["last_day"] or date.min
            return Summaries(zone, last_day)
    return None


def answers(found: Summaries | None, chosen: Filter) -> Answers:
    """Who answers questions about the *chosen* orders: the summaries *found*, or else the views.

    The summaries cannot where what is chosen does not begin and end with days.
    """
    return found if found is not None and found.covers(chosen) else from_orders
