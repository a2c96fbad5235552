"""Parse and format the times of APIs. Inside the package all times are UTC without zone.

When daylight saving time ends, local clocks show one hour twice. An ambiguous local time is read as
the start of the first of the two hours. Versions of an order in this hour get equal times, so the
version that arrives later wins. Bounds in this hour are widened to include both hours.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_MICROSECONDS = {"s": 1_000_000, "ms": 1000, "us": 1}
_TIMESPEC = {"s": "seconds", "ms": "milliseconds", "us": "microseconds"}
_LARGEST_SHIFT = timedelta(hours=3)
"""Upper limit of a clock change; real ones shift a clock by an hour at most."""


def _iso(value: str) -> datetime:
    """The time of ISO 8601 that *value* is; ``2026-05-01 10:00:00 UTC`` is one too."""
    text = value.strip()
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        if text[-3:].upper() not in {"UTC", "GMT"}:
            raise
        return datetime.fromisoformat(text[:-3].rstrip() + "Z")


_PARSERS: dict[str, Callable[[Any], datetime]] = {
    "iso": _iso,
    # The time format of mail: Wed, 05 Dec 2018 20:16:55 +0000 (RFC 2822, section 3.3).
    "rfc2822": parsedate_to_datetime,
    "unix": lambda value: datetime.fromtimestamp(float(value), UTC),
    "unix_ms": lambda value: datetime.fromtimestamp(float(value) / 1000, UTC),
}

_NOT_A_TIME = (ValueError, TypeError, AttributeError, IndexError, OverflowError, OSError)


def parse_time(value: object, format: str = "iso", timezone: str = "UTC") -> datetime | None:  # noqa: A002
    """Parse *value* to UTC without zone; None if *value* is not a time in *format*.

    :param timezone: time zone of a *value* that names no zone.
    """
    try:
        time = _PARSERS[format if format in _PARSERS else "iso"](value)
        if time.tzinfo is None:
            return time if timezone == "UTC" else _local(time, ZoneInfo(timezone))
        return time.astimezone(UTC).replace(tzinfo=None)
    except _NOT_A_TIME:
        return None


def parse_times(
    values: list[Any],
    format: str = "iso",  # noqa: A002
    timezone: str = "UTC",
) -> list[datetime | None]:
    """:func:`parse_time` of each of *values*; of texts in UTC without a call for each."""
    if format == "iso":
        with suppress(TypeError, ValueError):
            times = list(map(datetime.fromisoformat, values))
            if all(time.tzinfo is UTC for time in times):
                return [time.replace(tzinfo=None) for time in times]
    return [parse_time(value, format, timezone) for value in values]


def _local(time: datetime, zone: ZoneInfo) -> datetime:
    """The local *time* of *zone* in UTC; an ambiguous time is the start of its first hour."""
    first, second = (time.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first < second:  # the time is ambiguous
        hour = time.replace(minute=0, second=0, microsecond=0, tzinfo=zone, fold=0)
        return hour.astimezone(UTC).replace(tzinfo=None)
    return first.replace(tzinfo=None)


def format_bound(
    time: datetime,
    precision: str,
    format: str = "iso",  # noqa: A002
    zone: str = "UTC",
    *,
    upper: bool = False,
) -> str:
    """Format *time* as a bound of a request.

    A lower bound excludes no order modified after *time*; an upper bound, none modified before.

    :param zone: time zone of the API, for formats without a zone.
    """
    time = rounded(time, precision)
    if format in {"unix", "unix_ms"}:
        return str(int(time.replace(tzinfo=UTC).timestamp() * (1000 if format == "unix_ms" else 1)))
    if format == "rfc2822":
        return format_datetime(time.replace(tzinfo=UTC))
    if format == "iso":
        return time.isoformat(timespec=_TIMESPEC[precision]) + "Z"
    local = _to_local(time, ZoneInfo(zone), upper=upper).isoformat(timespec=_TIMESPEC[precision])
    return local.replace("T", " ") if format == "sql" else local


def _to_local(time: datetime, zone: ZoneInfo, *, upper: bool) -> datetime:
    """The local time of *zone* at *time*, widened if the clock changes within three hours."""
    instant = time.replace(tzinfo=UTC)
    nearby = instant - _LARGEST_SHIFT if upper else instant + _LARGEST_SHIFT
    offsets = [each.astimezone(zone).utcoffset() or timedelta() for each in (instant, nearby)]
    return time + (max(offsets) if upper else min(offsets))


def rounded(time: datetime, precision: str) -> datetime:
    """*time* rounded down to *precision* (``s``, ``ms`` or ``us``)."""
    return time.replace(microsecond=time.microsecond - time.microsecond % _MICROSECONDS[precision])


def step(precision: str) -> timedelta:
    """The smallest difference between two times of *precision*."""
    return timedelta(microseconds=_MICROSECONDS[precision])


def zone_of(name: str) -> ZoneInfo:
    """The time zone *name*. :raises ValueError: *name* is not an IANA time zone."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{name!r} is not an IANA time zone") from None


def earlier(time: datetime, by: timedelta) -> datetime:
    """*time* minus *by*, or the earliest representable time."""
    try:
        return time - by
    except OverflowError:
        return time.min
