"""Times as the platforms write and read them."""

from datetime import UTC, datetime, tzinfo
from email.utils import format_datetime, parsedate_to_datetime
from typing import Literal
from zoneinfo import ZoneInfo

Form = Literal["iso", "iso-naive", "iso-offset", "sql", "rfc2822", "unix"]
TIMESPECS = {"s": "seconds", "ms": "milliseconds", "us": "microseconds"}


def zone(name: str) -> tzinfo:
    """Return a time zone by its IANA name."""
    return UTC if name == "UTC" else ZoneInfo(name)


def written(moment: datetime, form: Form, precision: str, where: tzinfo = UTC) -> str | int | float:
    """Return `moment` in this form; forms without an offset tell the local time of `where`.

    `unix` is a number: whole for seconds and, as some do, whole for milliseconds too.
    """
    local = moment.astimezone(where)
    timespec = TIMESPECS[precision]
    if form == "iso":
        return iso(moment, precision)
    if form == "iso-naive":
        return local.replace(tzinfo=None).isoformat(timespec=timespec)
    if form == "iso-offset":
        return local.isoformat(timespec=timespec)
    if form == "sql":
        return local.replace(tzinfo=None).isoformat(" ", timespec=timespec)
    if form == "rfc2822":
        return format_datetime(local)
    return _unix(moment, precision)


def _unix(moment: datetime, precision: str) -> int | float:
    if precision == "us":
        return moment.timestamp()
    return (
        int(moment.timestamp()) * 1000 + moment.microsecond // 1000
        if precision == "ms"
        else (int(moment.timestamp()))
    )


def iso(moment: datetime, precision: str) -> str:
    """Return `moment` in UTC with a Z at the end."""
    text = moment.astimezone(UTC).isoformat(timespec=TIMESPECS[precision])
    return text.replace("+00:00", "Z")


def read(text: str, form: Form = "iso", precision: str = "s", where: tzinfo = UTC) -> datetime:
    """Return the time that a parameter names; without an offset it is the local time of `where`.

    A local time that occurs twice is the first of the two. ValueError for what is no time.
    """
    if form == "unix":
        return datetime.fromtimestamp(float(text) / (1000 if precision == "ms" else 1), UTC)
    parsed = parsedate_to_datetime(text) if form == "rfc2822" else datetime.fromisoformat(text)
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=where)).astimezone(UTC)
