"""Deadlines of a function, so that it ends by itself before Lambda kills it."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from orderpull.errors import SettingsError
from orderpull.settings import SourceSettings
from orderpull.sources.http.limits import Stop

LOAD_SHARE, LOAD_SECONDS = 0.4, 180.0
"""Reserve for the current batch and its commit: a share of the time, and its upper limit."""

END_SECONDS = 5.0
"""Reserve at the end for lease, notes, messages and metrics."""


def load_seconds(seconds: float) -> float:
    """Return the seconds in which a new batch may begin, of the remaining *seconds*."""
    return seconds - min(LOAD_SECONDS, LOAD_SHARE * seconds)


def request_seconds(seconds: float, until: float, sources: Iterable[SourceSettings]) -> float:
    """Return the seconds in which a function may send a request.

    :param seconds: remaining time of the function.
    :param until: seconds until the last request must have ended.
    :raises SettingsError: the time is too short for the longest request.
    """
    request = max(source.timeout for source in sources)
    if until <= request:
        raise SettingsError(
            f"The function has {seconds:.0f} s. That is too short for a request of "
            f"{request:g} s and its load, so no request was sent.",
            "Raise the function's time-out, or lower sources.NAME.timeout.",
        )
    return until - request


@contextmanager
def stop_after(seconds: float) -> Iterator[Stop]:
    """Yield a stop that is requested after *seconds*."""
    stop = Stop()
    timer = threading.Timer(max(0.0, seconds), stop.set, [0])
    timer.daemon = True
    timer.start()
    try:
        yield stop
    finally:
        timer.cancel()
