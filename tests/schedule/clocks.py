"""Clocks that tests set, let go on and put to sleep."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from orderpull.schedule import plan
from orderpull.schedule.plan import Missed, Plan, plan_of
from orderpull.schedule.trigger import Cron, Trigger


def utc(text: str, zone: str = "UTC") -> datetime:
    """``2026-03-28 02:30`` in *zone*, as UTC without zone."""
    local = datetime.fromisoformat(text)
    return local.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC).replace(tzinfo=None)


def cron(expression: str, zone: str = "UTC") -> Cron:
    return Cron(expression, ZoneInfo(zone))


class Clocks(plan.Clocks):
    """The wall clock, and the one that only counts. :param at: what the first shows."""

    def __init__(self, at: str = "2026-06-01 00:00:30") -> None:
        self._wall = utc(at)
        self._elapsed = 1000.0

    def wall(self) -> datetime:
        return self._wall

    def elapsed(self) -> float:
        return self._elapsed

    def go_on(self, seconds: float) -> None:
        """Time passes; while the machine is awake or asleep."""
        self._elapsed += seconds
        self._wall += timedelta(seconds=seconds)

    def set_by(self, seconds: float) -> None:
        """Somebody sets the wall clock."""
        self._wall += timedelta(seconds=seconds)


class Run:
    """A schedule with such clocks.

    :param takes: seconds that a run takes. :ivar begun: when runs began, by the wall clock.
    """

    def __init__(
        self,
        trigger: Trigger,
        clocks: Clocks | None = None,
        *,
        missed: Missed = "once",
        jitter: float = 0.0,
        takes: float = 1.0,
        last: datetime | None = None,
    ) -> None:
        self.clocks = clocks or Clocks()
        self.plan: Plan = plan_of(trigger, missed, jitter, self.clocks, last)
        self.takes = takes
        self.begun: list[datetime] = []
        self.elapsed: list[float] = []

    def go_on(self, seconds: float, *, slices: float = 30.0) -> None:
        """What the loop does meanwhile: it looks at least every *slices* seconds."""
        until = self.clocks.elapsed() + seconds
        while self.clocks.elapsed() < until:
            left = self.plan.left()
            if left > 0:
                self.clocks.go_on(min(left, slices, until - self.clocks.elapsed()))
                continue
            self.begun.append(self.clocks.wall())
            self.elapsed.append(self.clocks.elapsed())
            self.plan.begin()
            self.clocks.go_on(self.takes)
            self.plan.end()

    @property
    def times(self) -> list[str]:
        """When runs began, as ``hh:mm``."""
        return [f"{each:%H:%M}" for each in self.begun]
