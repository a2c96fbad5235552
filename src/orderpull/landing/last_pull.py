"""What a source's last pull came to: a note beside its pages, for whoever loads them.

From it a loader learns when the source was last read to its end, although another process pulled,
perhaps on another machine. The note decides nothing.
"""

from datetime import datetime

import msgspec
from msgspec import Struct

from orderpull import clock
from orderpull.landing.protocol import SourceLanding

NAME = "read.json"


class LastPull(Struct, frozen=True, omit_defaults=True):
    """What it came to. Times are UTC, without zone.

    :param read_at: when the source was last read to its end; None: it never was.
    :param since: where it never was: when that was first tried.
    :param failed: what was wrong with the last pull, as a sentence; None: nothing.
    """

    read_at: datetime | None = None
    since: datetime | None = None
    failed: str | None = None


def last_pull(part: SourceLanding) -> LastPull | None:
    """What is noted beside the pages of *part*; None if nothing is that can be understood.

    :raises LandingError: it cannot be read.
    """
    data = part.note(NAME)
    if data is None:
        return None
    try:
        return msgspec.json.decode(data, type=LastPull)
    except msgspec.DecodeError:
        return None


def keep_last_pull(
    part: SourceLanding, read_at: datetime | None, failed: str | None = None
) -> LastPull:
    """Note what a pull came to, and return it.

    :param read_at: when it had read the source to its end; None: it had not, and then the time
        when one before it had is kept.
    :raises LandingError: it cannot be noted.
    """
    if read_at is not None:
        kept = LastPull(read_at)
    else:
        before = last_pull(part)
        kept = msgspec.structs.replace(before or LastPull(since=clock.now()), failed=failed)
        if kept == before:
            return kept
    part.keep_note(NAME, msgspec.json.encode(kept))
    return kept
