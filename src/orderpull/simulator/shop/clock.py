"""The shop's own clock, which moves with each call."""

from datetime import UTC, datetime, timedelta

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
"""Default time of a shop's clock."""

UNITS = {"s": 1_000_000, "ms": 1_000, "us": 1}
"""Microseconds in a unit of each precision."""


class Clock:
    """A clock in UTC; `step` seconds pass with each call.

    A `live` one begins at this machine's time and goes with it; each call still moves it on.
    """

    def __init__(self, now: datetime = NOON, *, step: float = 1.0, live: bool = False) -> None:
        """Set the clock. ValueError for a time without a zone."""
        if now.tzinfo is None:
            raise ValueError("the clock's time needs a zone, such as datetime(..., tzinfo=UTC)")
        self.step = step
        self._set = now.astimezone(UTC)
        self._live = live

    @property
    def now(self) -> datetime:
        """The time now, in UTC."""
        return max(self._set, datetime.now(UTC)) if self._live else self._set

    def set(self, now: datetime) -> None:
        """Set the clock to an aware time."""
        self._set = now.astimezone(UTC)

    def advance(self, seconds: float) -> None:
        """Move the clock on."""
        self._set = self.now + timedelta(seconds=seconds)

    def tick(self) -> None:
        """Let one call's time pass."""
        if not self._live:
            self.advance(self.step)


def cut(moment: datetime, precision: str) -> datetime:
    """Cut `moment` to a multiple of the unit of `precision`."""
    unit = UNITS[precision]
    return moment.replace(microsecond=moment.microsecond // unit * unit)
