"""The choice between the rollup tables and the orders."""

from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING, Any, Protocol
from zoneinfo import ZoneInfo

from orderpull.answers import from_rollups
from orderpull.answers.filter import Filter
from orderpull.answers.from_orders import OrderQueries
from orderpull.answers.from_rollups import RollupQueries
from orderpull.countries import nearest_country

if TYPE_CHECKING:
    import sqlalchemy as sa


class Reader(Protocol):
    """The part of a warehouse's reader that the answers use."""

    def rows(self, query: "sa.Select[Any]") -> list[dict[str, Any]]:
        """Run *query* and return its rows, each as column name to value."""
        ...


def load_rollups(reader: Reader, zone: ZoneInfo) -> RollupQueries | None:
    """Queries over the rollup tables of the warehouse.

    None if the warehouse has no rollups, or rollups by the days of another time zone.

    :param zone: the setting ``report.timezone``.
    """
    for row in reader.rows(from_rollups.rollup_state()):
        if row["timezone"] == zone.key:
            last_day: date = row["last_day"] or date.min
            return RollupQueries(zone, last_day)
    return None


def stored_countries(reader: Reader, rollups: RollupQueries | None) -> set[str]:
    """The countries that counted orders have."""
    everything = Filter()
    rows = reader.rows(choose_queries(rollups, everything).sales_by_country(everything))
    return {row["country"] for row in rows if row["country"] is not None}


def countries_without_orders(
    reader: Reader, rollups: RollupQueries | None, chosen: Iterable[str | None]
) -> list[dict[str, str | None]]:
    """(country, nearest): the *chosen* countries that no order has, and the nearest that has."""
    countries = [country for country in chosen if country is not None]
    if not countries:
        return []
    stored = stored_countries(reader, rollups)
    return [
        {"country": country, "nearest": nearest_country(country, stored)}
        for country in countries
        if country not in stored
    ]


def stored_channels(reader: Reader, rollups: RollupQueries | None) -> set[str]:
    """The channels that counted orders have."""
    everything = Filter()
    rows = reader.rows(choose_queries(rollups, everything).sales_by_channel(everything))
    return {row["channel"] for row in rows if row["channel"] is not None}


def channels_without_orders(
    reader: Reader, rollups: RollupQueries | None, chosen: Iterable[str | None]
) -> list[str]:
    """The *chosen* channels that no order has."""
    channels = [channel for channel in chosen if channel is not None]
    stored = stored_channels(reader, rollups) if channels else ()
    return [channel for channel in channels if channel not in stored]


def choose_queries(rollups: RollupQueries | None, where: Filter) -> OrderQueries:
    """Choose *rollups* if they can answer *where*, else the slower queries over the orders."""
    return rollups if rollups is not None and rollups.covers(where) else OrderQueries()
