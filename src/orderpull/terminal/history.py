"""The landed versions of an order, one block of lines each."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.text import Text

from orderpull.operate.history import OrderHistory, Version, was_deleted
from orderpull.operate.query import visible

OUTCOMES = {
    "inserted": "loaded as a new order",
    "updated": "loaded, newer than before",
    "unchanged": "unchanged",
    "stale": "stale: older than what was loaded",
    "rejected": "rejected",
    "excluded": "left out: no order by the API file's where",
    "waits": "waits: its page is not loaded yet",
}


def show_history(result: OrderHistory, console: Console, timezone: str, *, names: bool) -> None:
    """Print the versions of *result*. :param names: with personal values."""
    zone = ZoneInfo(timezone)

    def at(instant: datetime | None) -> str:
        if instant is None:
            return "a time not given"
        return f"{instant.replace(tzinfo=UTC).astimezone(zone):%Y-%m-%d %H:%M:%S %Z}"

    for version, earlier, changed in result.with_changes():
        received = datetime.fromisoformat(version.meta.received_at).replace(tzinfo=None)
        head = Text(version.name, style="bold")
        head.append(f"  received {at(received)}", style="not bold")
        modified = version.fields.get("modified_at")
        head.append(f", changed {at(modified)}" if modified else "", style="not bold")
        console.print(head)
        console.print(Text(f"  {_outcome(version, names=names)}"))
        for name in changed:
            after = _value(version.shown(name, names=names))
            before = f"{_value(earlier.shown(name, names=names))} → " if earlier else ""
            console.print(Text(f"    {visible(name)}: {before}{after}"))
    for row in result.stored:
        gone = "; the shop no longer lists it" if was_deleted(row) else ""
        console.print(
            Text(
                f"In the tables of {row['source']}: {visible(row['ordernumber'])}, from page "
                f"{row['page']}, loaded {at(row['loaded_at'])}{gone}."
            )
        )
    if not result.stored:
        console.print(Text(result.unread or "The tables do not hold it."))
    searched = result.searched
    if searched.deleted:
        console.print(f"{searched.deleted:,} older pages are deleted (landing.keep_days).")
    console.print(
        f"Searched {searched.pages:,} pages, {searched.body_bytes / 1e6:,.1f} MB, in "
        f"{result.seconds:.1f} s; shaped by today's API file.",
        style="dim",
    )


def _outcome(version: Version, *, names: bool) -> str:
    text = OUTCOMES[version.outcome]
    if version.reason:
        text += f" as {version.reason}"
        text += f": {visible(version.message)}" if names and version.message else ""
    return f"{text}; the tables hold this version" if version.held else text


def _value(value: Any) -> str:  # noqa: ANN401 - a value of a table
    if value is None:
        return "—"
    return visible(f"{value:%Y-%m-%d %H:%M:%S} UTC" if isinstance(value, datetime) else str(value))
