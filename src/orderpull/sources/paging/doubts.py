"""Doubts: periods of which orders may be missing, kept in the landing until they are read again."""

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec

from orderpull import clock
from orderpull.landing.protocol import SourceLanding
from orderpull.sources.paging.passes import Passes

log = logging.getLogger("orderpull.pull")

NOTE = "in-doubt.json"
"""Name of the note that holds the doubts."""


class Doubt(msgspec.Struct, frozen=True):
    """A period whose passes did not agree.

    :param since: beginning of the period; None: the list of all orders.
    :param until: end of the period.
    :param orders: number of order versions read.
    :param cursor: path of the cursor by which it was read.
    :param moving: orders still changed in the last pass.
    """

    since: datetime | None
    until: datetime | None
    orders: int
    cursor: str = ""
    moving: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return the object that ``status --json`` prints."""
        since, until = (time and clock.iso(time) for time in (self.since, self.until))
        return {"since": since, "until": until, "orders": self.orders}

    def __str__(self) -> str:
        span = "all orders"
        if self.since and self.until:
            span = f"orders changed from {clock.iso(self.since)} to {clock.iso(self.until)}"
        return f"{span} ({self.orders:,} read)"


class Doubts:
    """The doubts about the orders of one cursor.

    :param landing: keeps them; None: nothing does.
    :param cursor: path of the cursor.
    :param land_pages: lands the pages so far; called before a doubt is kept or removed.
    :ivar open: doubts of earlier runs and of this one.
    :ivar moving: this run met orders that changed in every pass.
    """

    def __init__(
        self,
        landing: SourceLanding | None = None,
        cursor: str = "",
        land_pages: Callable[[], None] = lambda: None,
    ) -> None:
        self._landing, self._cursor, self._land_pages = landing, cursor, land_pages
        every = doubts_of(landing) if landing else []
        self.open = [doubt for doubt in every if doubt.cursor == cursor]
        self.moving = False

    def add(self, since: datetime | None, until: datetime | None, passes: Passes) -> None:
        """Tell and keep the doubt about a period, before the cursor moves past it."""
        doubt = Doubt(since, until, passes.versions, self._cursor, passes.moving)
        self.open.append(doubt)
        self.moving = self.moving or doubt.moving
        self._keep()
        log.warning("source=%s passes over %s did not agree: some may be missing; "
                    "the next run reads them again",
                    self._landing.name if self._landing else "", doubt)  # fmt: skip

    def close(self, earlier: Doubt) -> None:
        """Remove *earlier*, read again; and the doubt of that reading, if it found no more."""
        self.open = [
            doubt
            for doubt in self.open
            if doubt is not earlier
            and (
                doubt.moving
                or doubt.orders > earlier.orders
                or (doubt.since, doubt.until) != (earlier.since, earlier.until)
            )
        ]
        self._keep()

    def _keep(self) -> None:
        if self._landing:
            self._land_pages()
            others = [doubt for doubt in doubts_of(self._landing) if doubt.cursor != self._cursor]
            self._landing.keep_note(NOTE, msgspec.json.encode([*others, *self.open]))


def doubts_of(landing: SourceLanding) -> list[Doubt]:
    """The doubts kept in *landing*.

    :raises LandingError: the note cannot be read.
    """
    return landing.needed_note(NOTE, list[Doubt]) or []
