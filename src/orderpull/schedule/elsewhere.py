"""A rhythm in the words of other schedulers: cron's times for systemd, a length for cron."""

from orderpull import clock
from orderpull.errors import UsageError
from orderpull.schedule.trigger import Cron, Every

WEEKDAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")
MINUTES, HOURS, DAYS, MONTHS = range(60), range(24), range(1, 32), range(1, 13)


def calendar(cron: Cron) -> list[str]:
    """Cron's times as systemd's ``OnCalendar`` (man 7 systemd.time); several are alternatives.

    :raises UsageError: they count days from a month's end, which is written otherwise there.
    """
    times = cron.times(clock.now())
    days = {day for day in times.days if day in DAYS}
    weekdays = {day % 7 for day in times.weekdays if isinstance(day, int)}
    if len(days) < len(times.days) or not all(isinstance(day, int) for day in times.weekdays):
        raise UsageError(
            f"The days of {cron.expression!r} are not written for systemd.",
            "Use orderpull schedule itself, or cron.",
        )
    of_day = f"{_among(times.hours, HOURS)}:{_among(times.minutes, MINUTES)}:00"
    months, dates = _among(times.months, MONTHS), _among(days, DAYS)
    names = ",".join(WEEKDAYS[day] for day in sorted(weekdays)) + " "
    if len(weekdays) == len(WEEKDAYS):
        names = ""
    if times.day_and:
        return [f"{names}*-{months}-{dates} {of_day}"]
    # Cron: this day of the month or that day of the week; one line of systemd: both.
    return [f"*-{months}-{dates} {of_day}", f"{names}*-{months}-* {of_day}"]


def as_cron(every: Every) -> str:
    """Cron's times for runs so far apart.

    :raises UsageError: cron cannot have them evenly.
    """
    minutes, seconds = divmod(every.length.total_seconds(), 60)
    hours, beyond = divmod(minutes, 60)
    if not seconds and minutes in {1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30}:
        return f"*/{minutes:g} * * * *"
    if not seconds and not beyond and hours in {1, 2, 3, 4, 6, 8, 12}:
        return f"0 */{hours:g} * * *"
    if every.length.days == 1 and not every.length.seconds:
        return "0 0 * * *"
    raise UsageError(
        f"Cron cannot run anything {every}.",
        "It can where an hour or a day is a multiple of that: 5m, 20m, 1h, 6h, 1d.",
    )


def _among(chosen: set[int], every: range) -> str:
    if chosen == set(every):
        return "*"
    return ",".join(f"{number:02d}" for number in sorted(chosen))
