"""The result of a source's last pull, as a note beside its pages.

The note informs a load when the source was last read completely, even if another process or
machine pulled. No decision depends on the note.
"""

from datetime import datetime

import msgspec
from msgspec import Struct

from orderpull import clock
from orderpull.landing.protocol import SourceLanding

NAME = "read.json"


class LastPull(Struct, frozen=True, omit_defaults=True):
    """The result of a pull. Times are UTC, without zone.

    :param read_at: time at which the source was last read completely; None: never.
    :param since: time of the first pull, if the source was never read completely.
    :param failed: the error of the last pull, as a sentence; None: no error.
    """

    read_at: datetime | None = None
    since: datetime | None = None
    failed: str | None = None


def last_pull(landing: SourceLanding) -> LastPull | None:
    """The note beside the pages of *landing*; None if it is missing or invalid.

    :raises LandingError: the note cannot be read.
    """
    return landing.note_as(NAME, LastPull)


def keep_last_pull(
    landing: SourceLanding, read_at: datetime | None, failed: str | None = None
) -> LastPull:
    """Write the result of a pull, and return it.

    :param read_at: time at which the pull had read the source completely. None: it had not, and
        the time in the note stays.
    :raises LandingError: the note cannot be written.
    """
    if read_at is not None:
        new = LastPull(read_at)
    else:
        before = last_pull(landing)
        new = msgspec.structs.replace(before or LastPull(since=clock.now()), failed=failed)
        if new == before:
            return new
    landing.keep_note(NAME, msgspec.json.encode(new))
    return new
