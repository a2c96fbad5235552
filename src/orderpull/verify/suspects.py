"""Orders that shop and tables seem to hold differently, and which of them really differ."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from orderpull import clock
from orderpull.errors import OrderpullError
from orderpull.sources.listing import Listed, OrderReader
from orderpull.sources.paging.incremental import MAX_CLOCK_SKEW
from orderpull.sources.reading import positions_in
from orderpull.sources.reconcile import MissingOrder
from orderpull.sources.spec.blocks import AlsoSpec, CursorSpec
from orderpull.sources.spec.times import earlier, parse_time
from orderpull.verify.asking import Shop
from orderpull.verify.result import Difference, Kind
from orderpull.verify.scope import Scope
from orderpull.verify.stored import NotStored, Stored, StoredOrders

MOST_LOOKED_UP = 1_000
"""Orders that are looked up one by one, of each side; an error says how many are left."""


CLOCKS = timedelta(minutes=2)
"""Difference between the shop's clock and ours that makes no order seem to be missing."""


@dataclass(frozen=True, slots=True)
class Period:
    """A time, from *since* on and before *until*."""

    since: datetime
    until: datetime


class Suspects:
    """Orders of a source that seem to differ, until :meth:`settle` has looked at each.

    :ivar differences: those that really differ.
    :ivar visible_from: orders placed earlier are out of the API's sight; None: all are in sight.
    """

    def __init__(self, scope: Scope, stored: StoredOrders, shop: Shop) -> None:
        self._scope, self._stored, self._shop = scope, stored, shop
        self._not_stored = NotStored(scope, stored, OrderReader(scope.source.api))
        self._listed: dict[str, Listed] = {}
        self._gone: dict[str, Stored] = {}
        self._recent: dict[str, Listed] = {}
        self._placed: dict[str, Listed] = {}
        self._cursor: CursorSpec | None = None
        self._period = Period(datetime.min, datetime.max)  # noqa: DTZ901
        self.differences: list[Difference] = []
        self.visible_from: datetime | None = None

    def look_for_oldest(self) -> None:
        """Find out since when the API shows orders, by the oldest that it lists."""
        rows = self._stored.named(self._shop.lists.oldest()).values()
        self.visible_from = min((row.ordered_at for row in rows if row.ordered_at), default=None)

    def begin(self, cursor: CursorSpec, period: Period) -> tuple[list[datetime], list[datetime]]:
        """List what was changed after *period*, which the next run reads.

        :return: times that the tables have of orders which were changed since, and times of orders
            at the shop that rightly are in no table.
        """
        self._cursor, self._period = cursor, period
        recent = self._recent = self._changed_since(cursor, period)
        uncounted = {*recent, *(self._not_stored.excluded if self._shop.counts_where else ())}
        absent = {key: t for key, t in self._not_stored.orders.items() if key not in uncounted}
        for also in cursor.also:
            self._placed |= self._also_changed(also)
        absent |= {key: order.modified_at for key, order in self._placed.items()
                   if key not in recent}  # fmt: skip
        late = self._stored.changed(period.until, datetime.max)  # noqa: DTZ901
        self._compare({}, [row for row in late if row.order_id not in recent])
        rows = self._stored.named({*recent, *absent})
        less = [rows[key].modified_at for key in recent if key in rows and self._seen(rows[key])]
        more = []
        for key, time in absent.items():
            if (row := rows.get(key)) is None:
                more.append(time)
            elif row.modified_at and time and time > row.modified_at:
                less.append(row.modified_at)
                more.append(time)
        return self._within(less), self._within(more)

    def list_orders(self, period: Period) -> None:
        """Compare ids and times of change of the orders changed in *period*."""
        if self._cursor is None:
            return
        listed = self._shop.lists.changed(self._cursor, period.since, period.until)
        self._compare(listed, self._stored.changed(period.since, period.until))
        self._not_stored.drop_gone(period.since, period.until, listed)

    def list_all(self) -> None:
        """Compare the ids of all orders, and the times that the list shows."""
        read_at = self._stored.read_at()
        if read_at:
            self._period = Period(self._period.since, earlier(read_at, CLOCKS))
        listed = self._shop.lists.every()
        rows = self._stored.every()
        self._scope.result.compared(len(rows))
        self._compare(listed, rows)

    def _compare(self, listed: dict[str, Listed], rows: list[Stored]) -> None:
        held: dict[str, Stored] = {}
        for row in rows:
            if row.order_id in held:
                self._find(row.number, "twice", "another number has its id")
            held[row.order_id] = row
        for key, order in listed.items():
            if key not in held or held[key].modified_at != order.modified_at:
                self._listed[key] = order
        for key, row in held.items():
            if key not in listed and self._seen(row):
                self._gone[key] = row

    def _seen(self, row: Stored) -> bool:
        """True if the API may show this order."""
        earliest, placed = self.visible_from, row.ordered_at
        return not row.deleted and (earliest is None or placed is None or placed >= earliest)

    def settle(self) -> None:
        """Look at each order that seems to differ, and name those that do in :attr:`differences`.

        :raises OrderpullError: there are too many.
        :raises CallsSpent: the limit of calls is reached.
        """
        self._settle_listed()
        self._settle_gone()
        if self.left:
            raise OrderpullError(
                f"Source {self._scope.name!r}: {self.left:,} more orders may differ and were not "
                "looked up.",
                "Put right what was named, then verify again.",
            )

    @property
    def left(self) -> int:
        """Number of the orders that were not looked up."""
        return len(self._listed) + len(self._gone)

    def _settle_listed(self) -> None:
        """Look at the orders that the shop lists, and the tables lack at this time of change."""
        rows, soon = self._stored.named(self._listed), {*self._recent, *self._placed}
        unknown: dict[str, Listed] = {}
        for key, order in list(self._listed.items()):
            row, time = rows.get(key), order.modified_at
            del self._listed[key]
            if row is None and key not in soon and self._is_new(key, time):
                unknown[key] = order
            if row is not None and key not in self._recent:
                self._gone.pop(key, None)
                if self._is_new(key, time):
                    self._judge(row, time)
        included = self._not_stored.sort_out(unknown.values(), whole=False)
        self._listed = {key: unknown[key] for key in included}
        whole = dict(islice(self._listed.items(), MOST_LOOKED_UP))
        looked_up = list(whole)
        if self._shop.lists.by_id:
            whole = self._shop.lists.look_up({key: MissingOrder(key) for key in whole})
        whole = {key: order for key, order in whole.items() if self._is_due(order.modified_at)}
        for key, number in self._not_stored.sort_out(whole.values(), whole=True).items():
            self._find(number, "missing", "the shop has it")
            self._scope.result.to_fetch[key] = MissingOrder(number, whole[key].modified_at)
        for key in looked_up:
            del self._listed[key]

    def _is_new(self, key: str, time: datetime | None) -> bool:
        """False if this version was rejected, waits to be loaded, or is excluded."""
        silent = self._cursor is not None and self._cursor.silent
        if key not in self._not_stored.orders or (silent and key in self._not_stored.excluded):
            return True
        known = self._not_stored.orders[key]
        return known is not None and time is not None and time > known

    def _judge(self, row: Stored, time: datetime | None) -> None:
        """Compare a stored order with its time of change at the shop."""
        if row.deleted:
            self._find(row.number, "different", "marked as deleted, and the shop has it")
            self._scope.result.to_fetch[row.order_id] = MissingOrder(row.number, time)
        elif time is None or time == row.modified_at or not self._is_due(time):
            return
        elif row.modified_at is None or time > row.modified_at:
            if self._scope.source.settings.on_change != "ignore":
                self._find(row.number, "older", "the shop has changed it")
                self._scope.result.to_fetch[row.order_id] = MissingOrder(row.number, time)
        elif self._is_due(row.modified_at):
            self._find(row.number, "different", "the shop has it with an earlier time of change")

    def _settle_gone(self) -> None:
        """Look at the orders in the tables that the shop did not list at their time of change."""
        if self._gone and self._cursor:
            for key in self._changed_since(self._cursor, self._period):
                self._gone.pop(key, None)
        gone = dict(islice(self._gone.items(), MOST_LOOKED_UP))
        wanted = {key: MissingOrder(row.number, row.modified_at) for key, row in gone.items()}
        there = self._shop.lists.look_up(wanted)
        for key, row in gone.items():
            if key in there:
                self._judge(row, there[key].modified_at)
            else:
                self._find(row.number, "extra", "the shop no longer has it")
            del self._gone[key]

    def close(self) -> None:
        """Keep what is known of excluded orders."""
        self._not_stored.close(self._period.since)

    def _find(self, number: str, kind: Kind, detail: str) -> None:
        self.differences.append(Difference(number, kind, "shop-tables", detail))

    def _is_due(self, time: datetime | None) -> bool:
        """True if an order changed at *time* must be in the tables."""
        return time is None or time < self._period.until

    def _changed_since(self, cursor: CursorSpec, period: Period) -> dict[str, Listed]:
        """The orders changed after *period*, which the next run reads."""
        until = max(clock.now(), period.until) + MAX_CLOCK_SKEW
        return self._shop.lists.changed(cursor, period.until, until)

    def _also_changed(self, also: AlsoSpec) -> dict[str, Listed]:
        """The orders that the next run reads by a further cursor."""
        source = self._scope.source
        positions = positions_in(self._scope.landing)
        at = parse_time(positions[also.path].at) if also.path in positions else None
        overlap = source.settings.overlap
        default = self._cursor.overlap if self._cursor else 0.0
        seconds = timedelta(seconds=default if overlap is None else overlap)
        since = earlier(at or source.start or self._period.since, seconds)
        return self._shop.lists.also_changed(also, since, clock.now() + MAX_CLOCK_SKEW)

    def _within(self, times: Iterable[datetime | None]) -> list[datetime]:
        since, until = self._period.since, self._period.until
        return [time for time in times if time and since <= time < until]
