"""Days of a time zone, and the instants (UTC, without zone) at which they begin.

A day begins at its local midnight. A day with a clock change has 23 or 25 hours.
"""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

EARLIEST, LATEST = date(1970, 1, 1), date(2199, 12, 31)
"""Range of days that a query may name; time zones are evaluated within it."""


def midnight(day: date, zone: ZoneInfo, fold: int = 0) -> datetime:
    """The instant (UTC, without zone) at which *day* begins.

    :param fold: 1: the second reading of a midnight that a clock change repeats or skips.
    """
    local = datetime.combine(day, time(fold=fold), zone)
    return local.astimezone(UTC).replace(tzinfo=None)


def day_starting_at(instant: datetime, zone: ZoneInfo) -> date | None:
    """The day that begins at *instant*; None within a day, or if that midnight occurs twice."""
    day = instant.replace(tzinfo=UTC).astimezone(zone).date()
    if not EARLIEST < day <= LATEST:
        return None
    return day if midnight(day, zone) == instant == midnight(day, zone, fold=1) else None


def offsets(first: datetime, last: datetime, zone: ZoneInfo) -> list[tuple[datetime, int]]:
    """The offsets of *zone* from *first* to *last*: (since when, UTC; seconds east of UTC).

    Each day is checked for a change of offset, and its second found by bisection. The first offset
    also counts for older times.
    """
    start = max(first, datetime.combine(EARLIEST, time()))
    end = min(last, datetime.combine(LATEST, time()))
    changes = [(start, _east(start, zone))]
    day = timedelta(days=1)
    while start < end:
        if _east(start + day, zone) != changes[-1][1]:
            changes.append(_change(start, start + day, zone))
        start += day
    return changes


def _change(low: datetime, high: datetime, zone: ZoneInfo) -> tuple[datetime, int]:
    """The first second after *low* with the offset of *high*."""
    low, high = (instant.replace(microsecond=0) for instant in (low, high))
    east = _east(high, zone)
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low).total_seconds() // 2)
        low, high = (low, middle) if _east(middle, zone) == east else (middle, high)
    return high, east


def _east(instant: datetime, zone: ZoneInfo) -> int:
    offset = instant.replace(tzinfo=UTC).astimezone(zone).utcoffset() or timedelta()
    return round(offset.total_seconds())
