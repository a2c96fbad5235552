"""How long a function may pull and load, so that it ends by itself before it is killed."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from orderpull.errors import SettingsError
from orderpull.settings import SourceSettings
from orderpull.sources.http.limits import Stop

LOAD_SHARE, LOAD_SECONDS = 0.4, 180.0
"""What is kept for the batch in hand and its commit: a share of the time, and at most so long."""

END_SECONDS = 5.0
"""What is kept at the end for lease, notes, messages and metrics."""


class Context(Protocol):
    """What Lambda hands to a handler, as far as it is asked here."""

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until Lambda kills the function."""
        ...


@dataclass(frozen=True, slots=True)
class Remaining:
    """The seconds that a function has left."""

    seconds: float

    @classmethod
    def of(cls, context: Context) -> "Remaining":
        """What Lambda says."""
        return cls(context.get_remaining_time_in_millis() / 1000)

    @property
    def to_load(self) -> float:
        """Seconds after which no further batch is begun."""
        return self.seconds - min(LOAD_SECONDS, LOAD_SHARE * self.seconds)

    def to_run(self, sources: Iterable[SourceSettings]) -> float:
        """Seconds after which a function that also loads sends no further request.

        :raises SettingsError: there is no time for a request that takes as long as it may.
        """
        return self._less_a_request(self.to_load, sources)

    def to_pull(self, sources: Iterable[SourceSettings]) -> float:
        """The same for a function that only pulls."""
        return self._less_a_request(self.seconds - END_SECONDS, sources)

    def _less_a_request(self, seconds: float, sources: Iterable[SourceSettings]) -> float:
        request = max(source.timeout for source in sources)
        if seconds <= request:
            raise SettingsError(
                f"The function has {self.seconds:.0f} s. That is too short for a request of "
                f"{request:g} s and what comes after it, so nothing was asked.",
                "Raise the function's time-out, or lower sources.NAME.timeout.",
            )
        return seconds - request


@contextmanager
def stopping_after(seconds: float) -> Iterator[Stop]:
    """A stop that is asked for once *seconds* are over."""
    stop = Stop()
    timer = threading.Timer(max(0.0, seconds), stop.ask, [0])
    timer.daemon = True
    timer.start()
    try:
        yield stop
    finally:
        timer.cancel()
