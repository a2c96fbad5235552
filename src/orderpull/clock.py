"""The time of day, in one place: UTC, without zone, in microseconds; and lengths of time."""

import re
import time
from datetime import UTC, datetime, timedelta

from orderpull.errors import UsageError

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
LONGEST = timedelta(days=366)


def now() -> datetime:
    """This instant in UTC, naive, as the tables hold it."""
    return datetime.now(UTC).replace(tzinfo=None)


def elapsed() -> float:
    """Seconds since some instant: never set, and going on while the machine sleeps.

    Linux: CLOCK_BOOTTIME (man 2 clock_gettime). macOS: CLOCK_MONOTONIC, which counts sleep there.
    """
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def iso(instant: datetime) -> str:
    """*instant* (UTC) as ``2026-11-22T14:07:48.123456Z``."""
    return instant.isoformat(timespec="microseconds") + "Z"


def minute(instant: datetime) -> str:
    """*instant* (UTC) as ``2026-11-22 14:07 UTC``."""
    return f"{instant:%Y-%m-%d %H:%M} UTC"


def duration(text: str) -> timedelta:
    """A length of time, written like ``30s``, ``5m``, ``2h`` or ``1d``.

    :raises UsageError: it is written otherwise, is zero, or is longer than a year.
    """
    found = re.fullmatch(r"([0-9]{1,8})([smhd])", text.strip())
    length = timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else timedelta()
    if not timedelta() < length <= LONGEST:
        raise UsageError(
            f"{text!r} is no length of time, or longer than a year.",
            "Write it like 30s, 5m, 2h or 1d.",
        )
    return length


def brief(length: timedelta) -> str:
    """*length* as :func:`duration` reads it, in the largest unit that fits."""
    for unit, name in reversed(_UNITS.items()):
        if not length % timedelta(**{name: 1}):
            return f"{length // timedelta(**{name: 1})}{unit}"
    return f"{length.total_seconds()}s"
