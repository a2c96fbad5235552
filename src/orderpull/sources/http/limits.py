"""Politeness: how fast to ask, and how long to wait when an API says so."""

import hashlib
import random
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from orderpull.sources.spec.blocks import LimitsSpec

BACKOFF_FIRST = 0.5
BACKOFF_MOST = 30.0

Wait = Callable[[float], bool]
"""Wait so many seconds; true if a stop was asked for meanwhile."""


class Stop:
    """A stop that somebody may ask for while a pull goes on.

    :param seats: what a pull holds while it does something; it is given up while the pull waits.
    :ivar signal: the signal that asked; 0 while none did.
    """

    def __init__(self, slots: threading.Semaphore | None = None) -> None:
        self.slots = slots
        self._asked = threading.Event()
        self._children: list[Stop] = []
        self.signal = 0

    def ask(self, signal: int) -> None:
        """Ask the pull to stop after the page in hand."""
        self.signal = signal
        self._asked.set()
        for child in self._children:
            child.ask(signal)

    def child(self, slots: threading.Semaphore | None = None) -> "Stop":
        """A stop that is asked for along with this one, or alone."""
        child = Stop(slots)
        self._children.append(child)
        if self.asked:
            child.ask(self.signal)
        return child

    @property
    def asked(self) -> bool:
        """Whether somebody asked."""
        return self._asked.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait *seconds*, or until a stop is asked for; whether it was."""
        if self.slots is None:
            return self._asked.wait(max(0.0, seconds))
        self.slots.release()
        try:
            return self._asked.wait(max(0.0, seconds))
        finally:
            self.slots.acquire()


class RateLimit:
    """Lets requests start at most *rate* times in a second, evenly; None: as they come.

    Sources that share a credential share it, from several threads.

    :param burst: how many may start at once after a rest.
    :ivar shared: whether several sources do.
    """

    def __init__(self, rate: float | None, burst: int = 1) -> None:
        self._interval = 1 / rate if rate else 0.0
        self._ahead = self._interval * (burst - 1)
        self._next = 0.0
        self._lock = threading.Lock()
        self.shared = False

    def wait(self, wait: Wait) -> None:
        """Wait until the next request may start."""
        with self._lock:
            now = time.monotonic()
            start = max(self._next, now - self._ahead)
            self._next = start + self._interval
        if start > now:
            wait(start - now)

    @property
    def interval(self) -> float:
        """Seconds between two requests, at least."""
        return self._interval

    def slow_down(self, rate: float | None) -> None:
        """Hold to *rate*, too, if that is slower."""
        with self._lock:
            self._interval = max(self._interval, 1 / rate if rate else 0.0)

    def pause_for(self, seconds: float) -> None:
        """Let no request start for so long."""
        with self._lock:
            self._next = max(self._next, time.monotonic() + seconds)


class SharedLimits:
    """The limits of a run: one for each credential at each host."""

    def __init__(self) -> None:
        self._limits: dict[str, RateLimit] = {}
        self._lock = threading.Lock()

    def of(self, host: str, credential: str, rate: float | None, burst: int) -> RateLimit:
        """The limit of *credential* at *host*; the slowest rate that was named holds."""
        if not credential:
            return RateLimit(rate, burst)
        key = hashlib.sha256(f"{host}\n{credential}".encode()).hexdigest()
        with self._lock:
            known = self._limits.get(key)
            if known is None:
                known = self._limits[key] = RateLimit(rate, burst)
            else:
                known.shared = True
                known.slow_down(rate)
            return known


def retry_after(
    headers: dict[str, str], limits: LimitsSpec, cost: tuple[float, float, float] | None = None
) -> float | None:
    """Seconds that an answer asks to wait; None if it does not say, or says nonsense.

    :param cost: points asked for, left, and restored in a second, where the answer tells them.
    """
    if cost is not None:
        return cost_wait(cost)
    text = headers.get(limits.wait_header.lower(), "").strip()
    try:
        number = float(text)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            return None
    else:
        seconds = _seconds(number, limits.wait_unit)
    return max(0.0, seconds) if seconds < float("inf") else None


def _seconds(number: float, unit: str) -> float:
    if unit == "rate":
        return 1 / number if number > 0 else float("inf")
    return number / 1000 if unit == "ms" else number


def cost_wait(cost: tuple[float, float, float]) -> float:
    """Seconds until as many points are there again as were asked for."""
    asked, left, restored = cost
    return max(0.0, (asked - left) / restored) if restored > 0 else 0.0


def backoff(tries: int) -> float:
    """Seconds to wait after *tries* failures: doubling, with full jitter, bounded."""
    most = min(BACKOFF_MOST, BACKOFF_FIRST * 2 ** (tries - 1))
    return random.uniform(most / 2, most)  # noqa: S311 - jitter is no secret
