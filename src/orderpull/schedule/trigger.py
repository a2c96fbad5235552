"""Triggers of runs: an interval between runs, or times of day as a cron expression."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from orderpull import clock
from orderpull.errors import UsageError
from orderpull.settings import Settings

if TYPE_CHECKING:
    from cronsim import CronSim

FIELDS = 5
"""Fields of a cron expression: minute, hour, day of the month, month, day of the week."""


@dataclass(frozen=True)
class Every:
    """Start a run every *length*, the first one at once."""

    length: timedelta

    def __str__(self) -> str:
        return f"every {clock.brief(self.length)}"


@dataclass(frozen=True)
class Cron:
    """Start a run at each time of a cron *expression* in *zone*.

    Daylight saving time works as in Debian's cron (man 8 cron). A fixed time that does not exist
    runs after the gap; a fixed time that exists twice runs once. If minute or hour begins with
    ``*``, runs continue through the change.

    :raises UsageError: the expression is wrong, or names no day that exists.
    """

    expression: str
    zone: ZoneInfo

    def __post_init__(self) -> None:
        from cronsim import CronSimError

        message = f"{self.expression!r} is no cron expression"
        hint = 'Five fields, for example "*/5 6-22 * * *": minute, hour, day, month, weekday.'
        if len(self.expression.split()) != FIELDS:
            raise UsageError(f"{message}: it has not five fields.", hint)
        try:
            self.after(clock.now())
        except CronSimError as error:
            raise UsageError(f"{message}: {str(error).lower()}.", hint) from None
        except StopIteration:
            raise UsageError(f"{message}: it names no day that exists.", hint) from None

    def __str__(self) -> str:
        return f'cron "{self.expression}" ({self.zone.key})'

    def after(self, instant: datetime) -> datetime:
        """Return the first time after *instant*; both are UTC, without zone."""
        times = self.times(instant)
        while True:
            time = next(times).astimezone(UTC).replace(tzinfo=None)
            # In the hour that exists twice, cronsim starts again with the first one.
            if time > instant:
                return time

    def times(self, instant: datetime) -> "CronSim":
        """Return an iterator over the times after *instant*, in the expression's zone."""
        from cronsim import CronSim

        return CronSim(self.expression, instant.replace(tzinfo=UTC).astimezone(self.zone))


Trigger = Every | Cron


def verify_trigger(settings: Settings) -> Cron | None:
    """Return the times of ``verify.cron``; None without.

    :raises UsageError: the expression is wrong.
    """
    return _cron(settings, settings.verify.cron)


def digest_trigger(settings: Settings) -> Cron | None:
    """Return the times of ``digest.cron``; None without.

    :raises UsageError: the expression is wrong.
    """
    return _cron(settings, settings.digest.cron)


def compact_trigger(settings: Settings) -> Cron | None:
    """Return the times of ``landing.compact_cron``; None without.

    :raises UsageError: the expression is wrong.
    """
    return _cron(settings, settings.landing.compact_cron)


def _cron(settings: Settings, expression: str | None) -> Cron | None:
    return None if expression is None else Cron(expression, _zone(settings))


def _zone(settings: Settings) -> ZoneInfo:
    return ZoneInfo(settings.schedule.timezone or settings.report.timezone)


def trigger_of(settings: Settings, every: str | None = None, cron: str | None = None) -> Trigger:
    """Return the trigger of the command line, or else of ``[schedule]``.

    :raises UsageError: no trigger is set, both are, or the one set is wrong.
    """
    if not every and not cron:
        every, cron = settings.schedule.every, settings.schedule.cron
    if every and cron:
        raise UsageError("A schedule has a length or cron's times, not both.", "Leave one out.")
    if every:
        return Every(clock.duration(every))
    if cron:
        return Cron(cron, _zone(settings))
    raise UsageError(
        "Nothing says how often to run.",
        "For example: orderpull schedule --every 5m; or set every or cron in [schedule].",
    )
