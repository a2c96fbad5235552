"""How often to run: a length of time between runs, or times of day as cron writes them."""

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
"""Of a cron expression: minute, hour, day of the month, month, day of the week."""


@dataclass(frozen=True)
class Every:
    """Runs begin *length* apart, the first one at once."""

    length: timedelta

    def __str__(self) -> str:
        return f"every {clock.brief(self.length)}"


@dataclass(frozen=True)
class Cron:
    """Runs begin at the times of a cron *expression* in *zone*.

    When clocks change, it is as with Debian's cron (man 8 cron): times at fixed minutes and hours
    that do not exist are run when the gap is over, and those that exist twice are run once; where
    minute or hour begins with ``*``, runs just go on.

    :raises UsageError: the expression is wrong, or names no day that exists.
    """

    expression: str
    zone: ZoneInfo

    def __post_init__(self) -> None:
        from cronsim import CronSimError

        told = f"{self.expression!r} is no cron expression"
        hint = 'Five fields, for example "*/5 6-22 * * *": minute, hour, day, month, weekday.'
        if len(self.expression.split()) != FIELDS:
            raise UsageError(f"{told}: it has not five fields.", hint)
        try:
            self.after(clock.now())
        except CronSimError as error:
            raise UsageError(f"{told}: {str(error).lower()}.", hint) from None
        except StopIteration:
            raise UsageError(f"{told}: it names no day that exists.", hint) from None

    def __str__(self) -> str:
        return f'cron "{self.expression}" ({self.zone.key})'

    def after(self, instant: datetime) -> datetime:
        """The first of its times after *instant*; both UTC, without zone."""
        times = self.times(instant)
        while True:
            found = next(times).astimezone(UTC).replace(tzinfo=None)
            # In the hour that exists twice, cronsim begins again with the first.
            if found > instant:
                return found

    def times(self, instant: datetime) -> "CronSim":
        """Its times after *instant*, in its zone, as cronsim finds them."""
        from cronsim import CronSim

        return CronSim(self.expression, instant.replace(tzinfo=UTC).astimezone(self.zone))


Rhythm = Every | Cron


def chosen(settings: Settings, every: str | None = None, cron: str | None = None) -> Rhythm:
    """The rhythm that is asked for, or else that of ``[schedule]``.

    :raises UsageError: there is none, there are two, or it is wrong.
    """
    if not every and not cron:
        every, cron = settings.schedule.every, settings.schedule.cron
    if every and cron:
        raise UsageError("A schedule has a length or cron's times, not both.", "Leave one out.")
    if every:
        return Every(clock.duration(every))
    if cron:
        zone = settings.schedule.timezone or settings.report.timezone
        return Cron(cron, ZoneInfo(zone))
    raise UsageError(
        "Nothing says how often to run.",
        "For example: orderpull schedule --every 5m; or set every or cron in [schedule].",
    )
