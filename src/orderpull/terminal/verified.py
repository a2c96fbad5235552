"""The result of a verification, for a person: what is wrong, and what to do next."""

from rich.console import Console
from rich.markup import escape
from rich.text import Text

from orderpull import clock
from orderpull.operate.query import visible
from orderpull.terminal.console import new_table
from orderpull.verify.result import Difference, SourceVerified, Verified

SHOWN = 20
"""Differences that are shown of each source; ``--json`` has all."""

WHERE = {
    "shop-tables": "shop and tables",
    "landing-tables": "landing and tables",
    "tables": "tables themselves",
    "rollups": "rollups and a recount",
}
"""What was compared, in words."""


def show_verified(verified: Verified, console: Console) -> None:
    """Print *verified*."""
    for name, source in verified.sources.items():
        _show_source(name, source, verified, console)
    if any(source.differences for source in verified.sources.values()):
        console.print("docs/verify.md says how each kind comes about.")


def _show_source(name: str, source: SourceVerified, verified: Verified, console: Console) -> None:
    calls = f", {source.calls:,} requests" if source.calls else ""
    since = f"since {clock.minute(verified.since)}" if verified.since else "of all time"
    head = f"[bold]{escape(name)}[/]  {source.checked:,} orders compared {since}{calls}"
    if not source.differences:
        state = "not verified to its end" if source.error else "[green]nothing differs[/]"
        console.print(f"{head}: {state}.")
    else:
        count = len(source.differences)
        differ = "1 difference" if count == 1 else f"{count:,} differences"
        console.print(f"{head}: [red]{differ}[/].")
        _show_differences(source.differences, console)
    for note in source.notes:
        console.print(Text(f"  {note}"))


def _show_differences(differences: list[Difference], console: Console) -> None:
    table = new_table("order", "is", "between", "what")
    for each in differences[:SHOWN]:
        where = WHERE[each.where]
        table.add_row(Text(visible(each.order)), each.kind, where, Text(each.detail))
    console.print(table)
    if len(differences) > SHOWN:
        console.print(f"  … and {len(differences) - SHOWN:,} more: --json lists all.")
