"""Rate limits (throttling), back-off before retries, and waits that an API requests."""

import hashlib
import random
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from orderpull.sources.spec.blocks import LimitsSpec

BACKOFF_FIRST = 0.5
"""Longest back-off before the first retry, in seconds; it doubles with each retry."""

BACKOFF_MOST = 30.0
"""Longest back-off before any retry, in seconds."""

Wait = Callable[[float], object]
"""Waits the given number of seconds."""


class Stop:
    """Cancellation token of a pull, checked between requests.

    :param slots: semaphore that limits active pulls; a pull releases its slot while it waits.
    :ivar signal: the signal that requested the stop; 0 before a stop.
    """

    def __init__(self, slots: threading.Semaphore | None = None) -> None:
        self.slots = slots
        self._requested = threading.Event()
        self._children: list[Stop] = []
        self.signal = 0

    def set(self, signal: int) -> None:
        """Request that the pull stops after the current page."""
        self.signal = signal
        self._requested.set()
        for child in self._children:
            child.set(signal)

    def child(self, slots: threading.Semaphore | None = None) -> "Stop":
        """A token that is set together with this one, or alone."""
        child = Stop(slots)
        self._children.append(child)
        if self.requested:
            child.set(self.signal)
        return child

    @property
    def requested(self) -> bool:
        """True after :meth:`set`."""
        return self._requested.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait *seconds* without a slot, or until a stop is requested; true if one was."""
        if self.slots is None:
            return self._requested.wait(max(0.0, seconds))
        self.slots.release()
        try:
            return self._requested.wait(max(0.0, seconds))
        finally:
            self.slots.acquire()


class RateLimit:
    """Rate limit: throttles requests to evenly spaced starts; thread-safe.

    Sources with the same credential share one rate limit.

    :param rate: most requests per second; None: unlimited.
    :param burst: requests that may start at once after an idle time.
    :ivar interval: shortest time between the starts of two requests, in seconds.
    :ivar shared: several sources use this rate limit.
    """

    def __init__(self, rate: float | None, burst: int = 1) -> None:
        self.interval = 1 / rate if rate else 0.0
        self._ahead = self.interval * (burst - 1)
        self._next = 0.0
        self._lock = threading.Lock()
        self.shared = False

    def wait(self, wait: Wait) -> None:
        """Wait until the next request may start."""
        with self._lock:
            now = time.monotonic()
            start = max(self._next, now - self._ahead)
            self._next = start + self.interval
        if start > now:
            wait(start - now)

    def slow_down(self, rate: float | None) -> None:
        """Lower the rate limit to *rate*, if *rate* is lower."""
        with self._lock:
            self.interval = max(self.interval, 1 / rate if rate else 0.0)

    def pause_for(self, seconds: float) -> None:
        """Start no request for *seconds*."""
        with self._lock:
            self._next = max(self._next, time.monotonic() + seconds)


class SharedLimits:
    """The rate limits of a run, one for each credential at each host."""

    def __init__(self) -> None:
        self._limits: dict[str, RateLimit] = {}
        self._lock = threading.Lock()

    def of(self, host: str, credential: str, rate: float | None, burst: int) -> RateLimit:
        """The rate limit of *credential* at *host*; the lowest requested rate applies."""
        if not credential:
            return RateLimit(rate, burst)
        key = hashlib.sha256(f"{host}\n{credential}".encode()).hexdigest()
        with self._lock:
            limit = self._limits.get(key)
            if limit is None:
                limit = self._limits[key] = RateLimit(rate, burst)
            else:
                limit.shared = True
                limit.slow_down(rate)
            return limit


def retry_after(
    headers: dict[str, str], limits: LimitsSpec, cost: tuple[float, float, float] | None = None
) -> float | None:
    """Seconds to wait before a retry, as the response requests; None without a valid request.

    :param cost: requested, available and restored points, if the response contains them.
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
    """Seconds until the budget covers the same request again.

    :param cost: points requested, points available, and points restored per second.
    """
    requested, available, restored = cost
    return max(0.0, (requested - available) / restored) if restored > 0 else 0.0


def backoff(failures: int) -> float:
    """Seconds to back off after *failures*: exponential with jitter, at most 30 s."""
    most = min(BACKOFF_MOST, BACKOFF_FIRST * 2 ** (failures - 1))
    return random.uniform(most / 2, most)  # noqa: S311 - jitter is no secret
