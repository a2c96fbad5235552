"""Age of the sources' data, from the last pulls in the landing."""

from collections.abc import Iterable

from orderpull import clock
from orderpull.landing.last_pull import LastPull


def stale_seconds(pulls: Iterable[LastPull | None]) -> float:
    """Return the age in seconds of the source that was read to its end the longest time ago.

    :param pulls: last pull of each source. The age of a source that was never read to its end
        starts at its first pull; a source without a pull has no age.
    """
    times = [pull.read_at or pull.since for pull in pulls if pull is not None]
    now = clock.now()
    return max(((now - at).total_seconds() for at in times if at is not None), default=0.0)
