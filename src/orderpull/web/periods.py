"""Periods of the pages, in days of ``report.timezone``."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
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
"""The named periods, with their labels."""

COMPARES = {"before": "Period before", "year": "Same days last year", "none": "Nothing"}
"""The choices of days to compare with, with their labels."""

MAX_BARS = 400
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Days:
    """Days from *first* to *last*, both included; None means unbounded."""

    first: date | None = None
    last: date | None = None

    @property
    def count(self) -> int:
        """Number of days; 0 if unbounded."""
        if self.first is None or self.last is None:
            return 0
        return (self.last - self.first).days + 1


def days_of(period: str, today: date) -> Days:
    """The days of *period*, one of :data:`PERIODS`, seen from *today*."""
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


def days_before(period: str, days: Days, compare: str = "before") -> Days | None:
    """The earlier days to compare *days* with; None if *days* are unbounded.

    This month or year is compared with the one before, up to the same day. Last month is compared
    with the whole month before, other periods with as many days just before.

    :param compare: one of :data:`COMPARES`; ``year``: the same days of the year before.
    """
    if compare == "none" or days.first is None or days.last is None or days.first <= EARLIEST:
        return None
    if compare == "year" or period == "year":
        return Days(_year_before(days.first), _year_before(days.last))
    if period == "month":
        return Days(_month_before(days.first), _same_day(_month_before(days.first), days.last))
    if period == "last-month":
        return Days(_month_before(days.first), days.first - DAY)
    return Days(days.first - timedelta(days=days.count), days.first - DAY)


@dataclass(frozen=True, slots=True)
class Earlier:
    """The period before, as far as it can be compared.

    :param until: time (UTC) on the last day, at which it ends; None: at the end of the last day.
    :param by_date: its days are those of the same dates a year later, so 29 February stands alone.
    """

    first: date
    last: date
    until: datetime | None = None
    by_date: bool = False

    @property
    def days(self) -> Days:
        """Its days."""
        return Days(self.first, self.last)

    def days_for(self, first: date, last: date, start: date) -> tuple[date, date] | None:
        """Its first and last day that are compared with those from *first* to *last*.

        None without such days.

        :param start: first day of the period that this one is compared with.
        """
        last = min(self._day_for(last + DAY, start) - DAY, self.last)
        first = self._day_for(first, start)
        return (first, last) if first <= last else None

    def _day_for(self, day: date, start: date) -> date:
        if not self.by_date:
            return self.first + (day - start)
        exists = day.day == _year_before(day).day
        return _year_before(day) if exists else _year_before(day) + DAY


def earlier_period(
    period: str, days: Days, read_until: datetime, zone: ZoneInfo, compare: str = "before"
) -> Earlier | None:
    """The period to compare *days* with, cut where *days* have not been read yet.

    Today until 9:30 is compared with yesterday until 9:30. None if *days* are unbounded, or if
    none of them has been read.

    :param read_until: time (UTC) to which the shop was read.
    :param compare: as in :func:`days_before`.
    """
    before = days_before(period, days, compare)
    if before is None or before.first is None or before.last is None or days.last is None:
        return None
    by_date = compare == "year" or period == "year"
    read = read_until.replace(tzinfo=UTC).astimezone(zone)
    unread = (days.last - read.date()).days
    if unread < 0:
        return Earlier(before.first, before.last, by_date=by_date)
    last = _year_before(read.date()) if by_date else before.last - timedelta(days=unread)
    if last < before.first:
        return None
    until = datetime.combine(last, read.time(), zone)
    return Earlier(before.first, last, until.astimezone(UTC).replace(tzinfo=None), by_date)


def is_finished(days: Days, step: str, read: date, *, is_open: bool) -> bool:
    """True if *days*, one step of a trend, were read to their end.

    :param read: the day to which the shop was read.
    :param is_open: the trend has no last day, so its last step may grow.
    """
    if days.first is None or days.last is None or days.last >= read:
        return False
    after: Step = next(each for each in STEPS if each == step)
    return not is_open or next_step(start_of(days.first, after), after) <= read


def _month_before(month: date) -> date:
    return (month - timedelta(days=1)).replace(day=1)


def _year_before(day: date) -> date:
    """The same date a year earlier; 28 February for 29 February."""
    return _same_day(day.replace(year=day.year - 1, day=1), day)


def _same_day(month: date, day: date) -> date:
    """The day of *month* with the number of *day*, or its last."""
    last = next_step(month, "month") - timedelta(days=1)
    return min(month + timedelta(days=day.day - 1), last)


def choose_step(days: Days, requested: Step | None) -> Step:
    """Choose the step of a trend over *days*: *requested*, or one that reads well.

    A longer step is chosen if there would be more than :data:`MAX_BARS` bars.
    """
    automatic: Step = "day" if days.count <= 92 else "week" if days.count <= 731 else "month"  # noqa: PLR2004
    lengths = {"day": 1, "week": 7, "month": 28, "year": 365}
    first = STEPS.index(requested or automatic)
    fits = (step for step in STEPS[first:] if days.count / lengths[step] <= MAX_BARS)
    return next(fits, "year")


def start_of(day: date, step: Step) -> date:
    """The first day of the week (from Monday), month or year of *day*."""
    if step == "week":
        return day - timedelta(days=day.weekday())
    if step == "month":
        return day.replace(day=1)
    return day.replace(month=1, day=1) if step == "year" else day


def next_step(first: date, step: Step) -> date:
    """The first day of the step that follows the step from *first*."""
    if step == "day":
        return first + timedelta(days=1)
    if step == "week":
        return first + timedelta(days=7)
    if step == "year":
        return first.replace(year=first.year + 1)
    return (first + timedelta(days=31)).replace(day=1)


def sum_by_step(
    rows: Sequence[tuple[date, int, int, float]], days: Days, step: Step
) -> Iterator[tuple[date, date, int, int, float]]:
    """(first day, last day, orders, items, amount): sum rows by day; steps without rows get zeros.

    The first and the last step may be shorter.
    """
    sums: dict[date, tuple[int, int, float]] = {}
    for day, orders, pieces, amount in rows:
        start = start_of(day, step)
        before = sums.get(start, (0, 0, 0.0))
        sums[start] = before[0] + orders, before[1] + pieces, before[2] + amount
    first, last = days.first, days.last
    while first is not None and last is not None and first <= last:
        start = start_of(first, step)
        after = next_step(start, step)
        yield first, min(after - timedelta(days=1), last), *sums.get(start, (0, 0, 0.0))
        first = after
