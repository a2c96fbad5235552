"""Deadlines of a function, so that it ends by itself before Lambda kills it."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from orderpull.errors import SettingsError
from orderpull.settings import SourceSettings
from orderpull.sources.http.limits import Stop

LOAD_SHARE, LOAD_SECONDS = 0.4, 180.0
"""Reserve for the current batch and its commit: a share of the time, and its upper limit."""

END_SECONDS = 5.0
"""Reserve at the end for lease, notes, messages and metrics."""


@dataclass(frozen=True, slots=True)
class Remaining:
    """Remaining time of a function, in seconds."""

    seconds: float

    @property
    def to_load(self) -> float:
        """Seconds in which a new batch may begin."""
        return self.seconds - min(LOAD_SECONDS, LOAD_SHARE * self.seconds)

    def to_run(self, sources: Iterable[SourceSettings]) -> float:
        """Return the seconds in which a function that also loads may send a request.

        :raises SettingsError: the time is too short for the longest request.
        """
        return self._less_a_request(self.to_load, sources)

    def to_pull(self, sources: Iterable[SourceSettings]) -> float:
        """Return the seconds in which a function that only pulls may send a request.

        :raises SettingsError: the time is too short for the longest request.
        """
        return self._less_a_request(self.seconds - END_SECONDS, sources)

    def _less_a_request(self, seconds: float, sources: Iterable[SourceSettings]) -> float:
        request = max(source.timeout for source in sources)
        if seconds <= request:
            raise SettingsError(
                f"The function has {self.seconds:.0f} s. That is too short for a request of "
                f"{request:g} s and its load, so no request was sent.",
                "Raise the function's time-out, or lower sources.NAME.timeout.",
            )
        return seconds - request


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
