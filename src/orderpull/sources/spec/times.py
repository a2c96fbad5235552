"""Times as APIs give and take them. Inside, all times are UTC without zone.

A clock that is put back shows an hour twice. Both readings of such a time count as the earlier
hour's beginning, so that of two versions of an order the one that came later wins; and bounds are
widened so that no order of either hour is missed.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from zoneinfo import ZoneInfo

_MICROSECONDS = {"s": 1_000_000, "ms": 1000, "us": 1}
_TIMESPEC = {"s": "seconds", "ms": "milliseconds", "us": "microseconds"}
_NEAR = timedelta(hours=3)
"""More than any clock is put back by; in practice it is an hour."""


def parse_time(value: object, format: str = "iso", timezone: str = "UTC") -> datetime | None:  # noqa: A002
    """*value* as UTC without zone; None if it is no time in *format*.

    :param timezone: the zone of a time that names none.
    """
    time = _FORMATS[format](value) if format in _FORMATS else _iso(value)
    if time is None:
        return None
    try:
        if time.tzinfo is None and timezone != "UTC":
            return _local(time, ZoneInfo(timezone))
        return time.astimezone(UTC).replace(tzinfo=None) if time.tzinfo else time
    except (ValueError, OverflowError):
        return None


def _iso(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        return datetime.fromisoformat(value.strip())
    except ValueError:
        return None


def _rfc2822(value: object) -> datetime | None:
    """As mail has it: ``Wed, 05 Dec 2018 20:16:55 +0000`` (RFC 2822, section 3.3)."""
    try:
        return parsedate_to_datetime(value) if isinstance(value, str) else None
    except (ValueError, TypeError, IndexError):
        return None


def _unix(value: object, per_second: int = 1) -> datetime | None:
    try:
        seconds = float(value) if isinstance(value, str | int | float) else None
        return None if seconds is None else datetime.fromtimestamp(seconds / per_second, UTC)
    except (ValueError, OverflowError, OSError):
        return None


_FORMATS: dict[str, Callable[[object], datetime | None]] = {
    "rfc2822": _rfc2822,
    "unix": _unix,
    "unix_ms": lambda value: _unix(value, 1000),
}


def _local(time: datetime, zone: ZoneInfo) -> datetime:
    """A time of a clock in *zone*, as UTC; one that came twice as the first one's beginning."""
    first, second = (time.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first < second:  # it came twice
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
    """*time* as a bound of a request: no later order is before a lower, no earlier after an upper.

    :param zone: the zone of the API's clock, where *format* has none.
    """
    time = rounded(time, precision)
    if format in {"unix", "unix_ms"}:
        return str(int(time.replace(tzinfo=UTC).timestamp() * (1000 if format == "unix_ms" else 1)))
    if format == "rfc2822":
        return format_datetime(time.replace(tzinfo=UTC))
    if format == "iso":
        return time.isoformat(timespec=_TIMESPEC[precision]) + "Z"
    shown = _shown(time, ZoneInfo(zone), upper=upper).isoformat(timespec=_TIMESPEC[precision])
    return shown.replace("T", " ") if format == "sql" else shown


def _shown(time: datetime, zone: ZoneInfo, *, upper: bool) -> datetime:
    """What a clock in *zone* shows at *time*, or further out where it is put back nearby."""
    here = time.replace(tzinfo=UTC)
    near = here - _NEAR if upper else here + _NEAR
    offsets = [each.astimezone(zone).utcoffset() or timedelta() for each in (here, near)]
    return time + (max(offsets) if upper else min(offsets))


def rounded(time: datetime, precision: str) -> datetime:
    """*time*, rounded down to *precision* (``s``, ``ms`` or ``us``)."""
    return time.replace(microsecond=time.microsecond - time.microsecond % _MICROSECONDS[precision])


def step(precision: str) -> timedelta:
    """What lies between two times of *precision*."""
    return timedelta(microseconds=_MICROSECONDS[precision])


def earlier(time: datetime, by: timedelta) -> datetime:
    """*time* less *by*, but never before all time."""
    try:
        return time - by
    except OverflowError:
        return time.min
