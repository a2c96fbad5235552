"""Due time of the next run, robust against set clocks, sleeping machines and long runs.

Two clocks are read. Cron's times refer to the wall clock, which may be set. The other clock counts
elapsed seconds, including those while the machine sleeps.
"""

import random
from datetime import datetime, timedelta
from typing import Literal

from orderpull import clock
from orderpull.schedule.trigger import Cron, Every, Trigger

Missed = Literal["once", "skip"]
"""Policy for missed times: one run for all of them, or skip them."""

GRACE = timedelta(seconds=60)
"""A run that begins within this time after its due time is not missed."""

SET_BACK = timedelta(seconds=0.5)
"""A wall clock that moves back further than this was set."""

JITTER_SHARE = 0.05
"""Highest jitter as a share of the interval between two runs."""


class Clocks:
    """Clocks of this machine; tests replace both."""

    def wall(self) -> datetime:
        """Return the wall clock in UTC, without zone."""
        return clock.now()

    def elapsed(self) -> float:
        """Return a monotonic count of seconds that includes sleep of the machine."""
        return clock.elapsed()


class EveryPlan:
    """Plan of an interval between run starts, measured in elapsed time."""

    def __init__(self, every: Every, missed: Missed, jitter: float, clocks: Clocks) -> None:
        self._length = every.length.total_seconds()
        self._missed = missed
        self._jitter = jitter
        self._clocks = clocks
        self._due = self._began = clocks.elapsed()

    def left(self) -> float:
        """Return the seconds until the next run; zero or less if the run is due."""
        return self._due - self._clocks.elapsed()

    def begin(self) -> None:
        """Record that a run begins."""
        self._began = self._clocks.elapsed()

    def end(self) -> None:
        """Choose the next due time; after a long run that is now, or the next one ahead."""
        self._due = self._began + self._length
        late = self._clocks.elapsed() - self._due
        if self._missed == "skip" and late > GRACE.total_seconds():
            self._due += (late // self._length + 1) * self._length
        self._due += random_jitter(self._length, self._jitter)


class CronPlan:
    """Plan of cron's times on the wall clock.

    If the clock is set forward, one run stands for all times in between. If the clock is set back,
    a time is repeated only after half of the interval has really elapsed since the last run. So
    frequent runs continue, and a nightly run does not come twice.

    :param last: start of the last run, if known.
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
        self._done_elapsed = 0.0
        catch_up = missed == "once" and last is not None and cron.after(last) <= now
        self._due = now if catch_up else cron.after(now)
        self._delay = timedelta() if catch_up else self._random_delay()

    def left(self) -> float:
        """Return the seconds until the next run; zero or less if the run is due."""
        now = self._clocks.wall()
        if now < self._seen - SET_BACK:
            self._set_due(self._next_not_done(now))
        elif self._missed == "skip" and now > self._due + self._delay + GRACE:
            self._set_due(self._cron.after(now))
        self._seen = now
        return (self._due + self._delay - now).total_seconds()

    def begin(self) -> None:
        """Record that a run begins, which stands for all times until now."""
        self._done = max(self._due, self._clocks.wall())
        self._done_elapsed = self._clocks.elapsed()

    def end(self) -> None:
        """Choose the next due time; times that passed during the run are one run, or skipped."""
        self._set_due(self._cron.after(self._done or self._due))

    def _set_due(self, due: datetime) -> None:
        self._due = due
        self._delay = self._random_delay()

    def _random_delay(self) -> timedelta:
        return timedelta(seconds=random_jitter(self._interval(self._due), self._jitter))

    def _interval(self, due: datetime) -> float:
        """Return the seconds between *due* and the time after it."""
        return (self._cron.after(due) - due).total_seconds()

    def _next_not_done(self, now: datetime) -> datetime:
        """Return the first time after *now* that has not run yet, after the clock was set back."""
        due = self._cron.after(now)
        while self._done is not None and due <= self._done:
            passed = self._clocks.elapsed() - self._done_elapsed + (due - now).total_seconds()
            if passed >= self._interval(due) / 2:
                break
            due = self._cron.after(due)
        return due


Plan = EveryPlan | CronPlan


def random_jitter(interval: float, most: float) -> float:
    """Return a random delay in seconds, so that many machines do not call an API at one instant.

    :param interval: seconds between two runs.
    :param most: highest delay in seconds.
    """
    return random.uniform(0, min(interval * JITTER_SHARE, most))  # noqa: S311 - no secret


def plan_of(
    trigger: Trigger,
    missed: Missed = "once",
    jitter: float = 30.0,
    clocks: Clocks | None = None,
    last: datetime | None = None,
) -> Plan:
    """Return the plan of a *trigger*.

    :param jitter: highest random delay of a run in seconds.
    :param last: start of the last run, if known.
    """
    clocks = clocks or Clocks()
    if isinstance(trigger, Every):
        return EveryPlan(trigger, missed, jitter, clocks)
    return CronPlan(trigger, missed, jitter, clocks, last)
