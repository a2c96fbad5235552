"""Expired pages: landed pages that were loaded, and deleted after ``keep_days``.

A note beside the pages names them, so that they are not taken for lost. It is written before a page
is deleted: after a kill some of its pages may still be there, and the next run deletes them.
"""

from bisect import bisect_left
from collections.abc import Iterable
from datetime import datetime
from operator import itemgetter

import msgspec
from msgspec import Struct, field

from orderpull.failpoints import failpoint
from orderpull.landing.protocol import SourceLanding

NOTE = "expired.json"


class Expired(Struct):
    """The deleted pages of one source.

    :param before: pages that were received before this day (ISO date, UTC) are deleted, unless
        something needs them; '' if none was ever deleted.
    :param ranges: first and last number of each run of deleted pages, ascending.
    :param finished: all of them are deleted.
    """

    before: str = ""
    ranges: list[tuple[int, int]] = field(default_factory=list)
    finished: bool = True

    def __contains__(self, page: int) -> bool:
        at = bisect_left(self.ranges, page, key=itemgetter(1))
        return at < len(self.ranges) and self.ranges[at][0] <= page

    @property
    def pages(self) -> int:
        """Number of deleted pages."""
        return sum(last - first + 1 for first, last in self.ranges)

    @property
    def through(self) -> int:
        """The highest number of a deleted page; 0 without one."""
        return self.ranges[-1][1] if self.ranges else 0

    @property
    def leading(self) -> int:
        """The highest page up to which each one is deleted; 0: the first one is not."""
        return self.ranges[0][1] if self.ranges and self.ranges[0][0] == 1 else 0

    def __str__(self) -> str:
        """The deleted pages, for messages."""
        number = "1 page" if self.pages == 1 else f"{self.pages:,} pages"
        return f"{number} received before {self.before}"

    def add(self, numbers: Iterable[int]) -> None:
        """Add pages."""
        runs = [*self.ranges, *((number, number) for number in numbers)]
        self.ranges = []
        for first, last in sorted(runs):
            if self.ranges and first <= self.ranges[-1][1] + 1:
                begun, until = self.ranges[-1]
                self.ranges[-1] = (begun, max(until, last))
            else:
                self.ranges.append((first, last))


def expired_pages(landing: SourceLanding) -> Expired:
    """The deleted pages of *landing*. :raises LandingError: the note cannot be read."""
    return landing.needed_note(NOTE, Expired) or Expired()


def delete_expired(
    landing: SourceLanding, expired: Expired, before: datetime, numbers: Iterable[int]
) -> int:
    """Delete the pages *numbers*, and return how many were deleted.

    :param before: the day before which they were received.
    :raises LandingBusy: another process rewrites pages.
    :raises LandingError: one cannot be deleted; the next run goes on.
    """
    gone = sorted(numbers)
    expired.add(gone)
    expired.before, expired.finished = f"{before:%Y-%m-%d}", not gone
    landing.keep_note(NOTE, msgspec.json.encode(expired))
    if gone:
        failpoint("expiry-noted")
        with landing.rewriting():
            landing.delete_pages(gone)
        expired.finished = True
        landing.keep_note(NOTE, msgspec.json.encode(expired))
    return len(gone)
