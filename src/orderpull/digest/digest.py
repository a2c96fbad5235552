"""The numbers of a digest, read from the warehouse and from the notes beside the pages.

Nothing in a digest names a customer: it has sums, SKUs and the names of sources.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from orderpull import clock
from orderpull.answers import ledger
from orderpull.answers.choose import Reader, choose_queries, load_rollups
from orderpull.answers.filter import Filter
from orderpull.answers.from_orders import OrderQueries
from orderpull.answers.money import plain, revenue_of, with_revenue
from orderpull.answers.movers import movers
from orderpull.answers.tables import SKU
from orderpull.days import midnight
from orderpull.destinations import open_destination
from orderpull.digest.period import Period, day_text, last_finished
from orderpull.errors import OrderpullError
from orderpull.landing import open_landing
from orderpull.settings import Settings
from orderpull.verify.record import LastVerified, last_verified

Row = dict[str, Any]

CHART_DAYS = 14
TOP_SKUS, TOP_MOVERS = 10, 3


@dataclass(frozen=True, slots=True)
class Digest:
    """The numbers of a period.

    :param totals: orders, orders_with_items, items, average_items_per_order, countries, revenue (a
        list with a row for each currency), returned, returnable.
    :param before: the totals of the period before; None: they cannot be compared.
    :param not_compared: sentence that says why; None if they are compared.
    :param days: (day, orders, items) of the days up to the last of the period.
    :param top: (sku, title, quantity, orders, rank, returned, revenue, before) of the best-sellers.
    :param rises, falls: (sku, title, now, before) of the SKUs with the largest changes.
    :param rejects: (source, reason, rejects, newest) of the rejected orders.
    :param pulled: for each source the time it was last read to its end (UTC); None: never.
    :param verified: for each source its last verification; None: never.
    :param undated: orders without a date, which are in no period.
    """

    name: str
    period: Period
    timezone: str
    totals: Row
    before: Row | None
    not_compared: str | None
    days: list[tuple[date, int, int]]
    top: list[Row]
    rises: list[Row]
    falls: list[Row]
    rejects: list[Row]
    pulled: dict[str, datetime | None]
    verified: dict[str, LastVerified | None]
    undated: int

    @property
    def title(self) -> str:
        """The subject of the message."""
        return f"{self.name}: {self.period}"

    @property
    def rejected(self) -> int:
        """Number of rejected orders."""
        return sum(row["rejects"] for row in self.rejects)

    @property
    def unfinished(self) -> list[str]:
        """The sources that have not been read to the end of the period."""
        return _unfinished(self.pulled, self.period.times(ZoneInfo(self.timezone))[1])

    def as_json(self) -> Row:
        """Return the object that ``digest --json`` prints."""
        periods = {"period": self.period, "before": self.period.before if self.before else None}
        answer = {
            name: each and {"kind": each.kind, "first": each.first, "last": each.last}
            for name, each in periods.items()
        } | {
            "timezone": self.timezone,
            "totals": self.totals,
            "totals_before": self.before,
            "not_compared": self.not_compared,
            "days": [
                {"day": day, "orders": orders, "items": items} for day, orders, items in self.days
            ],
            "popular_sku": self.top,
            "rises": self.rises,
            "falls": self.falls,
            "rejects": self.rejects,
            "last_pulled": self.pulled,
            "unfinished": self.unfinished,
            "verified": {
                name: note and {"at": note.at, "differences": note.count, "error": note.error}
                for name, note in self.verified.items()
            },
            "undated": self.undated,
        }
        result: Row = plain(answer)
        return result


def read_digest(settings: Settings, now: datetime | None = None) -> Digest:
    """Read the digest of the last finished period.

    :param now: the current time (UTC).
    :raises DestinationError: the warehouse cannot be read, or nothing has been loaded yet.
    """
    zone = ZoneInfo(settings.report.timezone)
    period = last_finished(settings.digest.period, now or clock.now(), zone)
    destination = open_destination(settings.destination, settings.folder, settings.report.timezone)
    with destination.reader() as reader:
        return _Reading(settings, reader, zone, period).digest()


class _Reading:
    """The reading of a digest, from one snapshot of the warehouse."""

    def __init__(self, settings: Settings, reader: Reader, zone: ZoneInfo, period: Period) -> None:
        self._settings, self._reader, self._zone, self._period = settings, reader, zone, period
        self._rollups = load_rollups(reader, zone)

    def digest(self) -> Digest:
        """Read all numbers."""
        period = self._period
        pulled: dict[str, datetime | None] = dict.fromkeys(self._settings.sources)
        pulled |= {row["source"]: row["pulled_at"] for row in self._rows(ledger.last_pulled())}
        not_compared = self._not_compared(pulled)
        comparable = not_compared is None
        moved = self._moved() if comparable else []
        return Digest(
            name=self._settings.notify.name,
            period=period,
            timezone=self._zone.key,
            totals=self._totals(period),
            before=self._totals(period.before) if comparable else None,
            not_compared=not_compared,
            days=self._days(),
            top=self._top(comparable=comparable),
            rises=[row for row in moved if row["change"] > 0],
            falls=[row for row in moved if row["change"] < 0],
            rejects=self._rows(ledger.rejects_by_reason()),
            pulled=dict(sorted(pulled.items())),
            verified=self._verified(),
            undated=self._undated(),
        )

    def _not_compared(self, pulled: Mapping[str, datetime | None]) -> str | None:
        """Sentence that says why the period cannot be compared; None if it can be."""
        if names := _unfinished(pulled, self._period.times(self._zone)[1]):
            named, kind = ", ".join(names), self._period.kind
            have = "has" if len(names) == 1 else "have"
            return f"Not compared: {named} {have} not been read to the end of this {kind}."
        begins = self._first_day()
        if begins is None:
            return "Not compared: no order has a date."
        if begins > self._period.before.first:
            return f"Not compared: the first order is of {day_text(begins, year=True)}."
        return None

    def _first_day(self) -> date | None:
        """Day of the first order of all."""
        first = self._rows(self._queries(Filter()).order_totals(Filter()))[0]["first"]
        if isinstance(first, datetime):
            return first.replace(tzinfo=UTC).astimezone(self._zone).date()
        return first if isinstance(first, date) else None

    def _totals(self, period: Period) -> Row:
        where = self._where(period)
        queries = self._queries(where)
        counted = self._rows(queries.order_totals(where))[0]
        average = self._rows(queries.average_items_per_order(where))[0]
        return {
            "orders": counted["orders"],
            "orders_with_items": average["orders"],
            "items": average["quantity"],
            "average_items_per_order": average["average"],
            "countries": counted["countries"],
            "revenue": revenue_of(self._rows(queries.revenue(where))),
            **self._rows(queries.returned(where))[0],
        }

    def _days(self) -> list[tuple[date, int, int]]:
        """The days of the chart, those without orders too."""
        last = self._period.last
        days = [last - timedelta(days=ago) for ago in reversed(range(CHART_DAYS))]
        since, until = midnight(days[0], self._zone), self._period.times(self._zone)[1]
        where = Filter(since=since, until=until)
        query = self._queries(where).sales_by_day(where, self._zone, since, until)
        sold = {row["day"]: (row["orders"], row["items"]) for row in self._rows(query)}
        return [(day, *sold.get(day, (0, 0))) for day in days]

    def _top(self, *, comparable: bool) -> list[Row]:
        """The best-selling SKUs, each with its pieces in the period before."""
        best = self._rows(self._popular(self._period, TOP_SKUS))
        skus, where = [row["sku"] for row in best], self._where(self._period)
        amounts = self._rows(self._queries(where).sku_revenue(where, skus)) if skus else []
        best = with_revenue(sorted(best, key=lambda row: row["rank"]), amounts, "sku")
        if not comparable:
            return [row | {"before": None} for row in best]
        sold = self._popular(self._period.before).subquery("sold")
        query = sa.select(sold.c.sku, sold.c.quantity).where(sold.c.sku.in_(skus))
        rows = self._rows(query)
        before = {row["sku"]: row["quantity"] for row in rows}
        return [row | {"before": before.get(row["sku"], 0)} for row in best]

    def _moved(self) -> list[Row]:
        """(sku, now, before, change, share, rank, title): rises, then falls."""
        now, before = self._popular(self._period), self._popular(self._period.before)
        moved = self._rows(movers(now, [before], "quantity", top=TOP_MOVERS))
        named = sa.select(SKU.c.sku, SKU.c.title).where(SKU.c.sku.in_([r["sku"] for r in moved]))
        titles = {row["sku"]: row["title"] for row in self._rows(named)}
        return [row | {"title": titles.get(row["sku"])} for row in moved]

    def _popular(self, period: Period, top: int | None = None) -> sa.Select[Any]:
        where = self._where(period)
        return self._queries(where).popular_sku(where, top)

    def _undated(self) -> int:
        undated: int = self._rows(self._queries(Filter()).count_undated(Filter()))[0]["orders"]
        return undated

    def _verified(self) -> dict[str, LastVerified | None]:
        """The last verification of each source; of none if the landing cannot be read."""
        try:
            landing = open_landing(self._settings.landing, self._settings.folder)
            return {name: last_verified(landing.source(name)) for name in self._settings.sources}
        except OrderpullError:
            return {}

    def _where(self, period: Period) -> Filter:
        since, until = period.times(self._zone)
        return Filter(since=since, until=until)

    def _queries(self, where: Filter) -> OrderQueries:
        return choose_queries(self._rollups, where)

    def _rows(self, query: sa.Select[Any]) -> list[Row]:
        return self._reader.rows(query)


def _unfinished(pulled: Mapping[str, datetime | None], end: datetime) -> list[str]:
    """The sources that have not been read to *end*."""
    return [name for name, time in pulled.items() if time is None or time < end]
