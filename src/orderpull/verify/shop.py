"""Compare the shop with the tables: orders that one of them lacks, or has in another version.

Few calls are the aim. An API that counts is asked for the counts of a few parts of the time. What
differs is halved, until the ids and modification times of what is left fit on a page. Where the
whole time takes no more calls so, or the API does not count, all ids are listed.
"""

import logging
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from math import ceil, log2

from orderpull import clock
from orderpull.errors import OrderpullError, SourceError, SourceUnexpected
from orderpull.pipeline import Pipeline
from orderpull.sources.counting import bounded
from orderpull.sources.paging.flows import Pager
from orderpull.sources.paging.incremental import MAX_CLOCK_SKEW
from orderpull.sources.reconcile import fetching
from orderpull.sources.spec.api import Api
from orderpull.sources.spec.blocks import CursorSpec
from orderpull.sources.spec.order import is_plain
from orderpull.sources.spec.times import earlier, parse_time
from orderpull.verify.asking import CallsSpent, Shop
from orderpull.verify.result import Difference, Where
from orderpull.verify.scope import Comparison, Scope
from orderpull.verify.stored import StoredOrders
from orderpull.verify.suspects import Period, Suspects
from orderpull.verify.timeline import QUIET, Timeline

log = logging.getLogger("orderpull.verify")

PARTS = 20
"""Parts of the time whose counts are compared."""

LIST_UP_TO = 24
"""Calls up to which ids are listed rather than counted, because lists show more."""

LISTED_AT_ONCE = 5_000
"""Orders that are listed and compared at once, which bounds the memory."""

_GOLDEN = 0.618
"""Share of a part by which the cuts move each day, so that they never fall on the same places."""


class ShopAndTables(Comparison):
    """The orders at the shop, beside those in the tables."""

    where: Where = "shop-tables"
    asks = True

    def compare(self, scope: Scope) -> Iterator[Difference]:
        """Yield each difference in the time of *scope*; see the module for how it is found."""
        source, notes = scope.source, scope.result.notes
        if source.api.consume_once:
            return
        if reason := _incomparable(source.api):
            notes.append(f"The shop was not asked: {reason}.")
            return
        source.reach()
        problem: OrderpullError | None = None
        with scope.landing.pulling():
            source.authenticator.use_store(scope.landing)
            comparing = _Comparing(scope)
            try:
                comparing.run()
            except SourceError as error:
                problem = source.with_source(error)
            except OrderpullError as error:
                problem = error
            finally:
                comparing.suspects.close()
                scope.result.calls += comparing.shop.calls
                source.client.close()
        yield from comparing.suspects.differences
        if problem:
            raise problem

    def repair(self, scope: Scope, differences: Sequence[Difference]) -> None:
        """Fetch missing and older orders anew; list all orders if the shop has deleted some.

        :raises OrderpullError: the orders cannot be fetched, or are too many to be marked.
        """
        extra = any(each.kind == "extra" for each in differences if each.where == self.where)
        orders, api = scope.result.to_fetch, scope.source.api
        listing = extra and api.reconcile is not None
        if not (orders or listing):
            return
        if orders and fetching(api, Pager(api.paging), orders) is None:
            raise SourceUnexpected(
                f"Source {scope.name!r} has no request for single orders or for a time.",
                "Set full_reread_days = 1 for one run, which then reads all orders again.",
            )
        pipeline = Pipeline(scope.settings, [scope.name], stop=scope.stop)
        result = pipeline.timed(lambda: pipeline.fetch_again(scope.name, orders, listing=listing))
        if error := result.error or result.sources[scope.name].error:
            raise error
        scope.result.to_fetch = {}


class _Comparing:
    """One comparison of a source."""

    def __init__(self, scope: Scope) -> None:
        self.scope, self.api = scope, scope.source.api
        self.stored = StoredOrders(scope)
        self.shop = Shop(scope, self.api.cursor)
        self.suspects = Suspects(scope, self.stored, self.shop)
        self.timeline = Timeline([])

    def run(self) -> None:
        """Compare, and name what differs in ``suspects.differences``."""
        cursor = self.api.cursor
        try:
            if cursor is None:
                self._compare_all()
            elif period := self._period(cursor):
                self._compare(cursor, period)
        except CallsSpent as error:
            left = self.suspects.left
            if left:
                error.hint = f"{left:,} orders may differ and were not looked up. {error.hint}"
            raise

    def _period(self, cursor: CursorSpec) -> Period | None:
        """The time to compare: what the last complete reading has surely read.

        Orders that were changed later, or less than the overlap before, come with the next run.
        """
        source, read_to = self.scope.source, parse_time(self.stored.cursor)
        overlap = source.settings.overlap
        seconds = cursor.overlap if overlap is None else overlap
        since = max(filter(None, (self.scope.since, source.start)), default=None)
        if since is not None and since.microsecond:  # a bound of some APIs has no fractions
            since = since.replace(microsecond=0) + timedelta(seconds=1)
        if cursor.horizon is not None:
            kept = timedelta(days=cursor.horizon) - MAX_CLOCK_SKEW
            since = max(since or datetime.min, earlier(clock.now(), kept))  # noqa: DTZ901
        if (
            read_to is None
            or since is None
            or since >= (until := earlier(read_to, timedelta(seconds=seconds)))
        ):
            self.scope.result.notes.append("The shop was not asked: nothing of this time was read.")
            return None
        return Period(since, until)

    def _compare(self, cursor: CursorSpec, period: Period) -> None:
        """Compare the orders changed in *period*."""
        margin = timedelta(microseconds=QUIET)
        if self.api.reconcile and self.api.reconcile.partial:
            self.suspects.look_for_oldest()
        since_visible = self.suspects.visible_from
        times = Timeline(self.stored.times(period.since, period.until + margin, since_visible))
        until = times.quiet_before(period.since, period.until) or period.until
        period = Period(period.since, until)
        orders = times.count(period.since, period.until)
        # Without an upper bound, each part would be read to the newest order.
        is_bounded = bounded(cursor, self.api.count).bounded
        lists = max(ceil(orders / LISTED_AT_ONCE), 1) if is_bounded else 1
        days = (period.until - period.since) / timedelta(days=1)
        listing = lists * self.shop.pages(ceil(orders / lists), days / lists)
        by_count = self._worth_counting(listing)
        recent = orders * (clock.now() - period.until) / (period.until - period.since)
        calls = (PARTS if by_count else listing) + self._calls_beside(int(recent))
        self._foretell(orders, calls, by_count=by_count)
        less, more = self.suspects.begin(cursor, period)
        self.timeline = times.changed(less=less, more=more)
        if by_count:
            for part in self._parts(period, PARTS - 1, _shift_of_today()):
                self._count(part)
        else:
            for part in self._parts(period, lists, 0.5):
                self.suspects.list_orders(part)
        self.suspects.settle()
        self.scope.result.compared(orders)
        self._note(period, by_count=by_count)

    def _parts(self, period: Period, number: int, shift: float) -> list[Period]:
        cuts = self.timeline.parts(period.since, period.until, number, shift)
        return [Period(since, until) for since, until in cuts]

    def _worth_counting(self, listing: int) -> bool:
        """True if counts take fewer calls than *listing* all ids, and say enough."""
        kept_first = self.scope.source.settings.on_change == "ignore"
        counts = self.shop.counts and not self.scope.deep and not kept_first
        return counts and listing > LIST_UP_TO

    def _calls_beside(self, recent: int) -> int:
        """Calls for the *recent* changes, which the next run reads, and for the oldest order."""
        further = len(self.api.cursor.also) if self.api.cursor else 0
        partial = self.api.reconcile is not None and self.api.reconcile.partial
        return self.shop.pages(recent) + further + partial

    def _foretell(self, orders: int, calls: int, *, by_count: bool) -> None:
        """Log the number of *calls* before they begin."""
        seconds = self.shop.seconds(calls)
        how = "by counts" if by_count else "by ids"
        least = f", {ceil(seconds / 60)} minutes or more" if seconds > 60 else ""  # noqa: PLR2004
        log.info("source=%s compares %s orders with the shop %s: about %d requests%s",
                 self.scope.name, f"{orders:,}", how, calls, least)  # fmt: skip

    def _count(self, part: Period) -> None:
        """Compare the count of *part*, and find what differs."""
        count = self.shop.count(part.since, part.until)
        if count != self._expected(part):
            self._narrow(part, count)

    def _expected(self, part: Period) -> int:
        return self.timeline.count(part.since, part.until)

    def _narrow(self, part: Period, count: int | None) -> None:
        """Halve *part*, whose count differs, as long as that saves calls; then list its ids."""
        expected = self._expected(part)
        pages = self.shop.pages(max(expected, count or 0))
        differing = abs((count or 0) - expected) if count is not None else 1
        middle = self.timeline.middle(part.since, part.until)
        saves = pages > (1 + ceil(log2(pages))) * differing
        if middle is None or not saves or not self.shop.counts:
            self.suspects.list_orders(part)
            return
        newer, older = Period(middle, part.until), Period(part.since, middle)
        of_newer = self.shop.count(newer.since, newer.until)
        if count is not None and of_newer is not None:
            of_older: int | None = count - of_newer
        else:
            of_older = self.shop.count(older.since, older.until)
        differ = [
            (half, number)
            for half, number in ((newer, of_newer), (older, of_older))
            if number != self._expected(half)
        ]
        for half, number in differ:
            self._narrow(half, number)
        if not differ:
            self.suspects.list_orders(part)

    def _compare_all(self) -> None:
        """Compare all ids, for an API that cannot be asked for a time."""
        self.suspects.list_all()
        self.suspects.settle()

    def _note(self, period: Period, *, by_count: bool) -> None:
        """Tell how far the comparison reaches."""
        span = f"{clock.minute(period.since)} to {clock.minute(period.until)}"
        how = "by ids and times of change"
        if by_count:
            how = f"by counts of {PARTS} parts (--deep compares each id)"
        notes = self.scope.result.notes
        notes.append(f"Shop and tables: orders changed from {span}, {how}.")
        if self.api.cursor and self.api.cursor.silent:
            notes.append(f"Changes that do not move {self.api.cursor.path} do not show.")


def _incomparable(api: Api) -> str | None:
    """The reason why orders of *api* cannot be compared with the tables, if there is one."""
    if not (api.cursor or api.reconcile):
        return "each run reads all of its orders"
    if api.cursor and api.order.modified_at != api.cursor.path:
        return "modified_at in [order] of its API file is another time than that of [cursor]"
    if not is_plain(api.order.id or api.order.number):
        return "the id in [order] of its API file is not a plain path"
    return None


def _shift_of_today() -> float:
    """The place of the cuts, which is another one each day."""
    return clock.now().toordinal() * _GOLDEN % 1
