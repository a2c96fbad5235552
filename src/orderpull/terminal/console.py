"""The consoles for stdout and stderr, and the style of tables and times shared by all output."""

import sys
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from rich import box
from rich.console import Console
from rich.table import Table

_UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"))


def stdout() -> Console:
    """Return the console for answers."""
    return Console(highlight=False, soft_wrap=not sys.stdout.isatty())


def stderr() -> Console:
    """Return the console for progress and messages."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def new_table(title: str = "") -> Table:
    """Return an empty table in the style of all tables. :param title: in rich's markup."""
    return Table(
        title=title or None,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )


def with_age(instant: datetime | None, timezone: str) -> str:
    """Return *instant* (naive, UTC) in *timezone*, followed by its age."""
    if instant is None:
        return "never to its end"
    moment = instant.replace(tzinfo=UTC)
    seconds = (datetime.now(UTC) - moment).total_seconds()
    return f"{moment.astimezone(ZoneInfo(timezone)):%Y-%m-%d %H:%M %Z} ({_age(seconds)})"


def _age(seconds: float) -> str:
    for length, unit in _UNITS:
        if seconds >= length:
            count = int(seconds // length)
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"
