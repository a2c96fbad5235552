"""Politeness: how fast to ask, and how long to wait when an API says so."""

import random
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from orderpull.sources.spec import LimitsSpec

BACKOFF_FIRST = 0.5
BACKOFF_MOST = 30.0

Wait = Callable[[float], bool]
"""Wait so many seconds; true if a stop was asked for meanwhile."""


class Stop:
    """A stop that somebody may ask for while a pull goes on.

    :ivar signal: the signal that asked; 0 while none did.
    """

    def __init__(self) -> None:
        self._asked = threading.Event()
        self.signal = 0

    def ask(self, signal: int) -> None:
        """Ask the pull to stop after the page in hand."""
        self.signal = signal
        self._asked.set()

    @property
    def asked(self) -> bool:
        """Whether somebody asked."""
        return self._asked.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait *seconds*, or until a stop is asked for; whether it was."""
        return self._asked.wait(max(0.0, seconds))


class RateLimit:
    """Lets requests start at most *rate* times in a second, evenly; None: as they come."""

    def __init__(self, rate: float | None) -> None:
        self._interval = 1 / rate if rate else 0.0
        self._next = 0.0

    def wait(self, wait: Wait) -> None:
        """Wait until the next request may start."""
        now = time.monotonic()
        if self._next > now:
            wait(self._next - now)
        self._next = max(self._next, now) + self._interval


def asked_wait(headers: dict[str, str], limits: LimitsSpec) -> float | None:
    """Seconds that an answer asks to wait; None if it does not say, or says nonsense."""
    text = headers.get(limits.wait_header.lower(), "").strip()
    try:
        seconds = float(text) / (1000 if limits.wait_unit == "ms" else 1)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            return None
    return max(0.0, seconds) if seconds < float("inf") else None


def backoff(tries: int) -> float:
    """Seconds to wait after *tries* failures: doubling, with full jitter, bounded."""
    most = min(BACKOFF_MOST, BACKOFF_FIRST * 2 ** (tries - 1))
    return random.uniform(most / 2, most)  # noqa: S311 - jitter is no secret
