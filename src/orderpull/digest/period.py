"""Period of a digest: a whole day, or a whole week from Monday to Sunday."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from orderpull.days import midnight

Kind = Literal["day", "week"]
_LENGTHS = {"day": timedelta(days=1), "week": timedelta(days=7)}


@dataclass(frozen=True, slots=True)
class Period:
    """A day or a week, in days of a time zone. :param first: its first day."""

    kind: Kind
    first: date

    @property
    def last(self) -> date:
        """Its last day."""
        return self.first + _LENGTHS[self.kind] - timedelta(days=1)

    @property
    def before(self) -> "Period":
        """The period before, which is as long."""
        return Period(self.kind, self.first - _LENGTHS[self.kind])

    @property
    def key(self) -> str:
        """Its name in the state: ``week 2026-11-23``."""
        return f"{self.kind} {self.first}"

    def times(self, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """Return its beginning and its end (UTC)."""
        return midnight(self.first, zone), midnight(self.last + timedelta(days=1), zone)

    def __str__(self) -> str:
        if self.kind == "day":
            return f"{self.first:%a} {day_text(self.first, year=True)}"
        return f"{day_text(self.first)} to {day_text(self.last, year=True)}"


def last_finished(kind: Kind, now: datetime, zone: ZoneInfo) -> Period:
    """Return the last period that has ended at *now* (UTC) in *zone*."""
    today = now.replace(tzinfo=UTC).astimezone(zone).date()
    begun = today if kind == "day" else today - timedelta(days=today.weekday())
    return Period(kind, begun).before


def day_text(day: date, *, year: bool = False) -> str:
    """*day* as ``3 Nov``, or as ``3 Nov 2026``."""
    return f"{day.day} {day:%b %Y}" if year else f"{day.day} {day:%b}"
