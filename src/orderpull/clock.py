"""The time of day, in one place: UTC, without zone, in microseconds."""

from datetime import UTC, datetime


def now() -> datetime:
    """This instant in UTC, naive, as the tables hold it."""
    return datetime.now(UTC).replace(tzinfo=None)


def iso(instant: datetime) -> str:
    """*instant* (UTC) as ``2026-11-22T14:07:48.123456Z``."""
    return instant.isoformat(timespec="microseconds") + "Z"
