"""Periods of time as a person chooses them, in the days of ``report.timezone``."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from orderpull.days import EARLIEST

Step = Literal["day", "week", "month", "year"]
STEPS: tuple[Step, ...] = ("day", "week", "month", "year")

PERIODS = {
    "today": "Today",
    "7d": "7 days",
    "30d": "30 days",
    "month": "This month",
    "last-month": "Last month",
    "year": "This year",
    "all": "All",
}
"""The periods that can be chosen by name."""

BARS_AT_MOST = 400


@dataclass(frozen=True, slots=True)
class Days:
    """Days from *first* to *last*, both among them; None: without end."""

    first: date | None = None
    last: date | None = None

    @property
    def count(self) -> int:
        """How many days; 0 if it has no end."""
        if self.first is None or self.last is None:
            return 0
        return (self.last - self.first).days + 1


def named(period: str, today: date) -> Days:
    """The days that *period*, one of :data:`PERIODS`, means today."""
    month = today.replace(day=1)
    ends = {
        "today": Days(today, today),
        "7d": Days(today - timedelta(days=6), today),
        "30d": Days(today - timedelta(days=29), today),
        "month": Days(month, today),
        "last-month": Days(_month_before(month), month - timedelta(days=1)),
        "year": Days(today.replace(month=1, day=1), today),
    }
    return ends.get(period, Days())


def before(period: str, days: Days) -> Days | None:
    """What *days* are compared with; None if they have no beginning or no end.

    A month or a year up to today is compared with the one before, up to the same day; last month
    with the whole month before; all else with as many days just before.
    """
    if days.first is None or days.last is None or days.first <= EARLIEST:
        return None
    if period == "month":
        return Days(_month_before(days.first), _same_day(_month_before(days.first), days.last))
    if period == "last-month":
        return Days(_month_before(days.first), days.first - timedelta(days=1))
    if period == "year":
        first = days.first.replace(year=days.first.year - 1)
        return Days(first, _same_day(days.last.replace(year=first.year, day=1), days.last))
    return Days(days.first - timedelta(days=days.count), days.first - timedelta(days=1))


def _month_before(month: date) -> date:
    return (month - timedelta(days=1)).replace(day=1)


def _same_day(month: date, day: date) -> date:
    """The day of *month* with the number of *day*, or its last."""
    last = next_step(month, "month") - timedelta(days=1)
    return min(month + timedelta(days=day.day - 1), last)


def today(zone: ZoneInfo) -> date:
    """The day that it is in *zone*."""
    return datetime.now(zone).date()


def fitting(days: Days, asked: Step | None) -> Step:
    """The step in which *days* are drawn: as asked, or else one that reads well.

    Where that would be more than :data:`BARS_AT_MOST` bars it is the next longer one.
    """
    automatic: Step = "day" if days.count <= 92 else "week" if days.count <= 731 else "month"  # noqa: PLR2004
    lengths = {"day": 1, "week": 7, "month": 28, "year": 365}
    first = STEPS.index(asked or automatic)
    fits = (step for step in STEPS[first:] if days.count / lengths[step] <= BARS_AT_MOST)
    return next(fits, "year")


def begin(day: date, step: Step) -> date:
    """The first day of the week (from Monday), month or year that *day* is in."""
    if step == "week":
        return day - timedelta(days=day.weekday())
    if step == "month":
        return day.replace(day=1)
    return day.replace(month=1, day=1) if step == "year" else day


def next_step(first: date, step: Step) -> date:
    """The first day of the step after the one that begins on *first*."""
    if step == "day":
        return first + timedelta(days=1)
    if step == "week":
        return first + timedelta(days=7)
    if step == "year":
        return first.replace(year=first.year + 1)
    return (first + timedelta(days=31)).replace(day=1)


def steps(days: Days, step: Step) -> Iterator[Days]:
    """*days* cut into steps; the first and the last may be shorter than a step."""
    first, last = days.first, days.last
    while first is not None and last is not None and first <= last:
        after = next_step(begin(first, step), step)
        yield Days(first, min(after - timedelta(days=1), last))
        first = after


def summed(
    rows: Sequence[tuple[date, int, int]], days: Days, step: Step
) -> list[tuple[Days, int, int]]:
    """(step, orders, items) of rows by day, with zeros where there are none."""
    sums: dict[date, list[int]] = {}
    for day, orders, pieces in rows:
        total = sums.setdefault(begin(day, step), [0, 0])
        total[0] += orders
        total[1] += pieces
    found = []
    for part in steps(days, step):
        orders, pieces = sums.get(begin(part.first or EARLIEST, step), (0, 0))
        found.append((part, orders, pieces))
    return found
