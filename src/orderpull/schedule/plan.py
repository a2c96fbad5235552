"""When the next run is due: though clocks are set, machines sleep, and runs take long.

Two clocks are read. One is the wall clock, which cron's times are about and which somebody may set.
The other only counts the seconds that pass, also while the machine sleeps.
"""

import random
from datetime import datetime, timedelta
from typing import Literal, Protocol

from orderpull import clock
from orderpull.schedule.trigger import Cron, Every, Rhythm

Missed = Literal["once", "skip"]
"""What becomes of times that passed while nothing could run: one run for all, or none."""

GRACE = timedelta(seconds=60)
"""A run that begins no later than this was not missed."""

SET_BACK = timedelta(seconds=0.5)
SHARE = 0.05
"""Of the distance between two runs: what they may be spread by."""


class Clocks(Protocol):
    """The two clocks; tests have others."""

    def wall(self) -> datetime:
        """The time of day in UTC, without zone."""
        ...

    def elapsed(self) -> float:
        """Seconds since some instant; they are never set, and go on while the machine sleeps."""
        ...


class RealClocks:
    """This machine's clocks."""

    wall = staticmethod(clock.now)
    elapsed = staticmethod(clock.elapsed)


class Plan(Protocol):
    """When the next run is due."""

    def left(self) -> float:
        """Seconds until then; zero or less: now."""
        ...

    def begin(self) -> None:
        """A run begins."""
        ...

    def end(self) -> None:
        """It has ended: look for the next time."""
        ...


class EveryPlan:
    """Runs that begin a length of time apart; the wall clock has no say in it."""

    def __init__(self, every: Every, missed: Missed, jitter: float, clocks: Clocks) -> None:
        self._length = every.length.total_seconds()
        self._missed = missed
        self._jitter = jitter
        self._clocks = clocks
        self._due = self._began = clocks.elapsed()

    def left(self) -> float:
        """Seconds until the next run is due."""
        return self._due - self._clocks.elapsed()

    def begin(self) -> None:
        """A run begins."""
        self._began = self._clocks.elapsed()

    def end(self) -> None:
        """It has ended; if that took too long, the next one is due at once, or skipped."""
        self._due = self._began + self._length
        late = self._clocks.elapsed() - self._due
        if self._missed == "skip" and late > GRACE.total_seconds():
            self._due += (late // self._length + 1) * self._length
        self._due += spread(self._length, self._jitter)


class CronPlan:
    """Runs at cron's times by the wall clock.

    A clock that is set forward brings one run for all times in between. One that is set back
    repeats a time only if, since the last run, half of the distance between two runs has really
    passed: so frequent runs just go on, and the one of tonight does not come twice.

    :param last: when the last run began, as far as that is known.
    """

    def __init__(
        self, cron: Cron, missed: Missed, jitter: float, clocks: Clocks, last: datetime | None
    ) -> None:
        self._cron = cron
        self._missed = missed
        self._jitter = jitter
        self._clocks = clocks
        self._seen = now = clocks.wall()
        self._done: datetime | None = None
        self._done_at = 0.0
        missing = missed == "once" and last is not None and cron.after(last) <= now
        self._due = now if missing else cron.after(now)
        self._spread = timedelta(seconds=0 if missing else self._drawn())

    def left(self) -> float:
        """Seconds until the next run is due."""
        now = self._clocks.wall()
        if now < self._seen - SET_BACK:
            self._plan(self._not_done(now))
        elif self._missed == "skip" and now > self._due + self._spread + GRACE:
            self._plan(self._cron.after(now))
        self._seen = now
        return (self._due + self._spread - now).total_seconds()

    def begin(self) -> None:
        """A run begins; it is the run of all times until now."""
        self._done = max(self._due, self._clocks.wall())
        self._done_at = self._clocks.elapsed()

    def end(self) -> None:
        """It has ended; times that passed meanwhile are one run at once, or skipped."""
        self._plan(self._cron.after(self._done or self._due))

    def _plan(self, due: datetime) -> None:
        self._due = due
        self._spread = timedelta(seconds=self._drawn())

    def _drawn(self) -> float:
        return spread(self._distance(self._due), self._jitter)

    def _distance(self, due: datetime) -> float:
        """Seconds between *due* and the time after it."""
        return (self._cron.after(due) - due).total_seconds()

    def _not_done(self, now: datetime) -> datetime:
        """The next time after *now*, which was set back, that is not the run that was."""
        due = self._cron.after(now)
        while self._done is not None and due <= self._done:
            passed = self._clocks.elapsed() - self._done_at + (due - now).total_seconds()
            if passed >= self._distance(due) / 2:
                break
            due = self._cron.after(due)
        return due


def spread(distance: float, most: float) -> float:
    """Seconds by which a run is put off, so that many machines do not ask an API at once for ever.

    :param distance: seconds between two runs. :param most: seconds at most.
    """
    return random.uniform(0, min(distance * SHARE, most))  # noqa: S311 - jitter is no secret


def plan_of(
    rhythm: Rhythm,
    missed: Missed = "once",
    jitter: float = 30.0,
    clocks: Clocks | None = None,
    last: datetime | None = None,
) -> Plan:
    """The plan of a *rhythm*. :param jitter: seconds by which runs are put off at most."""
    real = clocks or RealClocks()
    if isinstance(rhythm, Every):
        return EveryPlan(rhythm, missed, jitter, real)
    return CronPlan(rhythm, missed, jitter, real, last)
