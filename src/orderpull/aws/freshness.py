"""When each source was last read to its end: a note beside its pages.

The ledger says it of whole runs alone. A worker that only pulls leaves the note, and whoever loads
tells the age.
"""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from orderpull import clock
from orderpull.landing import open_landing
from orderpull.landing.protocol import SourceLanding
from orderpull.settings import Settings

NOTE = "read.json"


class _Read(msgspec.Struct):
    """What the note holds. :param at: when it was read to its end, or first tried (UTC)."""

    at: datetime


def note_read(part: SourceLanding, at: datetime | None) -> None:
    """Note that a source was read to its end *at* that time; None: that it was not, yet."""
    if at is not None or part.note(NOTE) is None:
        part.keep_note(NOTE, msgspec.json.encode(_Read(at or clock.now())))


def stale_seconds(settings: Settings, names: Iterable[str]) -> float:
    """Seconds since every one of *names* had been read to its end.

    A source that never was counts from when that was first tried; one never tried, not at all.
    """
    landing = open_landing(settings.landing, settings.folder)
    noted = [landing.source(name).note(NOTE) for name in names]
    times = [msgspec.json.decode(note, type=_Read).at for note in noted if note is not None]
    now = clock.now()
    return max(((now - at).total_seconds() for at in times), default=0.0)
