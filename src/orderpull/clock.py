"""Times (UTC, without zone, in microseconds) and durations."""

import math
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from orderpull.errors import UsageError

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
LONGEST = timedelta(days=366)


def now() -> datetime:
    """The current time in UTC, naive, as in the tables."""
    return datetime.now(UTC).replace(tzinfo=None)


def elapsed() -> float:
    """Seconds on a clock that nobody can set and that includes the machine's sleep.

    Linux: CLOCK_BOOTTIME (man 2 clock_gettime). macOS: CLOCK_MONOTONIC, which includes sleep.
    """
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def of_http(date: str | None) -> datetime | None:
    """The time (UTC) in the header Date of a response; None without a valid one."""
    try:
        return parsedate_to_datetime(date or "").astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return None


def iso(instant: datetime) -> str:
    """*instant* (UTC) as ``2026-11-22T14:07:48.123456Z``."""
    return instant.isoformat(timespec="microseconds") + "Z"


def minute(instant: datetime) -> str:
    """*instant* (UTC) as ``2026-11-22 14:07 UTC``."""
    return f"{instant:%Y-%m-%d %H:%M} UTC"


def duration(text: str) -> timedelta:
    """Parse a duration like ``30s``, ``5m``, ``2h`` or ``1d``.

    :raises UsageError: *text* has another form, is zero, or is longer than a year.
    """
    match = re.fullmatch(r"([0-9]{1,8})([smhd])", text.strip())
    length = timedelta(**{_UNITS[match[2]]: int(match[1])}) if match else timedelta()
    if not timedelta() < length <= LONGEST:
        raise UsageError(
            f"{text!r} is no length of time, or longer than a year.",
            "Write it like 30s, 5m, 2h or 1d.",
        )
    return length


def brief(length: timedelta) -> str:
    """Format *length* for :func:`duration`, in the largest unit without a remainder."""
    for unit, name in reversed(_UNITS.items()):
        if not length % timedelta(**{name: 1}):
            return f"{length // timedelta(**{name: 1})}{unit}"
    return f"{length.total_seconds()}s"


def ago(instant: datetime, now: datetime) -> str:
    """Time since *instant*, in words."""
    age = _duration((now - instant).total_seconds(), math.floor)
    return f"{age} ago" if age else "just now"


def until(instant: datetime, now: datetime) -> str:
    """Time from *now* until *instant*, in words."""
    rest = _duration((instant - now).total_seconds(), round)
    return f"in {rest}" if rest else "in less than a minute"


def _duration(seconds: float, rounded: Callable[[float], int]) -> str:
    """Days, hours or minutes; '' below a minute."""
    for length, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= length:
            count = rounded(seconds / length)
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return ""
