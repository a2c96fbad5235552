"""Times of a shop: its clock, and times as the platforms write and read them."""

from datetime import UTC, datetime, timedelta, tzinfo
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
