"""The result of a source's last verification, as a note beside its pages.

Every machine with the same landing reads it: for `orderpull status`, the pages, and `doctor`.
"""

from datetime import datetime

import msgspec
from msgspec import Struct

from orderpull import clock
from orderpull.landing.protocol import SourceLanding
from orderpull.verify.result import Difference, Verified

NAME = "verified.json"

MAX_KEPT = 100
"""Differences that the note holds."""


class LastVerified(Struct, frozen=True):
    """The result of a verification. Times are UTC, without zone.

    :param at: when it began: orders that came or changed later were not compared.
    :param since: orders from before were not compared; None: all were.
    :param shop: the shop itself was asked.
    :param checked: orders compared.
    :param count: differences found.
    :param first: the first of them.
    :param clean_at: when a verification last found nothing; None: never.
    :param error: what kept it from its end, as a sentence.
    """

    at: datetime
    since: datetime | None
    shop: bool
    checked: int
    count: int
    first: list[Difference]
    clean_at: datetime | None = None
    error: str | None = None

    @property
    def clean(self) -> bool:
        """True if it came to its end and found nothing."""
        return not self.count and self.error is None

    @property
    def sentence(self) -> str:
        """A sentence about it; times are UTC."""
        against = "against the shop " if self.shop else ""
        if self.error is not None:
            what = f"not verified {against}to its end: {self.error.rstrip('.')}"
        else:
            differences = "1 difference" if self.count == 1 else f"{self.count:,} differences"
            differences = differences if self.count else "nothing differs"
            what = f"verified {against}up to {clock.minute(self.at)}: {differences}"
        if self.clean:
            return f"{what}."
        before = f" Nothing differed at {clock.minute(self.clean_at)}." if self.clean_at else ""
        return f"{what}.{before}"


def last_verified(landing: SourceLanding) -> LastVerified | None:
    """The note beside the pages of *landing*; None if it is missing or invalid.

    :raises LandingError: the note cannot be read.
    """
    return landing.note_as(NAME, LastVerified)


def keep_verified(landing: SourceLanding, verified: Verified, source: str) -> None:
    """Write the result for *source*. :raises LandingError: it cannot be written."""
    result = verified.sources[source]
    before = last_verified(landing)
    note = LastVerified(
        at=verified.at,
        since=verified.since,
        shop=result.calls > 0,
        checked=result.checked,
        count=len(result.differences),
        first=result.differences[:MAX_KEPT],
        clean_at=before.clean_at if before else None,
        error=result.error.message if result.error else None,
    )
    if note.clean:
        note = msgspec.structs.replace(note, clean_at=verified.at)
    landing.keep_note(NAME, msgspec.json.encode(note))
