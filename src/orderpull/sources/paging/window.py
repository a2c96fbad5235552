"""A period of modification times to read, and its bounds as request fields."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from orderpull.sources.paging.doubts import Doubt, Doubts
from orderpull.sources.paging.flows import Pager, Params
from orderpull.sources.spec.blocks import CursorSpec
from orderpull.sources.spec.times import earlier, format_bound, rounded, step


@dataclass(frozen=True, slots=True)
class Window:
    """A period of modification times to read.

    :param since: lower bound: the cursor, or the source's ``start``.
    :param until: upper bound: the start of the run, or of the next slice.
    :param doubts: receives periods of which orders may be missing.
    :param reached: modification time up to which all orders have been read before.
    :param again: an earlier run has read this period; its end is the end of the reading.
    """

    pager: Pager
    cursor: CursorSpec
    since: datetime
    until: datetime
    doubts: Doubts
    reached: datetime | None = None
    again: bool = False

    def params(self, lower: datetime) -> Params:
        """Request fields of the bounds, for orders modified from *lower* on."""
        cursor = self.cursor
        first = format_cursor(cursor, self.sent_lower(lower))
        last = format_cursor(cursor, self.until, upper=True)
        params: Params = {cursor.lower: first} if cursor.lower else {}
        if cursor.upper:
            params[cursor.upper] = last
        if cursor.filter and cursor.filter_text:
            text = cursor.filter_text.replace("{lower}", first).replace("{upper}", last)
            params[cursor.filter] = text
        return params

    def sent_lower(self, lower: datetime) -> datetime:
        """The bound to send so that the response includes orders modified exactly at *lower*."""
        bound = rounded(lower, self.cursor.precision)
        return bound if self.cursor.inclusive else earlier(bound, step(self.cursor.precision))

    def after(self, instant: datetime) -> datetime:
        """The first lower bound whose response excludes orders modified at *instant*.

        An exclusive bound is sent one step lower, so excluding *instant* takes two steps.
        """
        one = step(self.cursor.precision)
        return rounded(instant, self.cursor.precision) + (one if self.cursor.inclusive else 2 * one)

    def slices(self) -> Iterator["Window"]:
        """Consecutive parts of the window, each at most as long as the API allows."""
        since, days = self.since, self.cursor.window
        while days and self.until - since > timedelta(days=days):
            until = since + timedelta(days=days)
            yield replace(self, since=since, until=until)
            since = until
        yield replace(self, since=since)

    def period_of(self, doubt: Doubt) -> "Window | None":
        """The period of *doubt*; None if this window includes it, or the API no longer lists it."""
        if doubt.since is None or doubt.until is None or doubt.since >= self.since:
            return None
        since, days = doubt.since, self.cursor.horizon
        if days is not None:
            since = max(since, earlier(self.until, timedelta(days=days)))
        if since > doubt.until:
            return None
        return replace(self, since=since, until=doubt.until, again=True)


def format_cursor(cursor: CursorSpec, time: datetime, *, upper: bool = False) -> str:
    """Format *time* as a bound in the API's notation."""
    return format_bound(time, cursor.precision, cursor.format, cursor.timezone, upper=upper)
