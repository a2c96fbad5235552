"""Times as APIs give and take them. Inside, all times are UTC without zone."""

from datetime import UTC, datetime, timedelta

_MICROSECONDS = {"s": 1_000_000, "ms": 1000, "us": 1}
_TIMESPEC = {"s": "seconds", "ms": "milliseconds", "us": "microseconds"}


def parse_time(value: object) -> datetime | None:
    """ISO 8601 text as UTC without zone; a time without zone is taken as UTC."""
    if not isinstance(value, str):
        return None
    try:
        time = datetime.fromisoformat(value.strip())
        return time.astimezone(UTC).replace(tzinfo=None) if time.tzinfo else time
    except (ValueError, OverflowError):
        return None


def format_time(time: datetime, precision: str) -> str:
    """*time* as an API with that precision takes it, rounded down."""
    return rounded(time, precision).isoformat(timespec=_TIMESPEC[precision]) + "Z"


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
