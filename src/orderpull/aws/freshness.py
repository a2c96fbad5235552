"""How long ago the sources were read to their end, as the notes beside their pages say."""

from collections.abc import Iterable

from orderpull import clock
from orderpull.landing.last_pull import LastPull


def stale_seconds(pulls: Iterable[LastPull | None]) -> float:
    """Seconds since every source had been read to its end.

    :param pulls: the last pull of each. One that was never read to its end counts from when that
        was first tried; one never tried, not at all.
    """
    times = [pull.read_at or pull.since for pull in pulls if pull is not None]
    now = clock.now()
    return max(((now - at).total_seconds() for at in times if at is not None), default=0.0)
