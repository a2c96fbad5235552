"""The result of a verification, for a person: what is wrong, and what to do next."""

from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape
from rich.text import Text

from orderpull import clock
from orderpull.operate.query import visible
from orderpull.terminal.console import new_table, print_indented
from orderpull.verify.result import Difference, SourceVerified, Verified

SHOWN = 20
"""Orders that are shown of each source; ``--json`` has all."""

WHERE = {
    "shop-tables": "shop",
    "landing-tables": "landing",
    "tables": "tables",
    "rollups": "rollups",
}
"""Names of the comparisons for a person."""


def show_verified(verified: Verified, console: Console) -> None:
    """Print *verified*."""
    for name, source in verified.sources.items():
        console.print(f"[bold]{escape(name)}[/]  {_headline(source, verified)}")
        if source.differences:
            _show_differences(source.differences, console)
        for line in [*source.notes, *_next_steps(source)]:
            print_indented(console, line)


def _headline(source: SourceVerified, verified: Verified) -> str:
    since = f"since {clock.minute(verified.since)}" if verified.since else "of all time"
    calls = f", {source.calls:,} requests" if source.calls else ""
    parts = [f"{source.checked:,} orders compared {since}{calls}"]
    if source.repaired:
        parts.append(f"[green]{_counted(source.repaired)} put right[/]")
    if source.differences:
        left = " left" if source.repaired is not None else ""
        parts.append(f"[red]{_counted(len(source.differences))}{left}[/]")
    else:
        parts.append("not to the end" if source.error else "[green]nothing differs[/]")
    return f"{': '.join([parts[0], ', '.join(parts[1:])])}."


def _counted(count: int) -> str:
    return "1 difference" if count == 1 else f"{count:,} differences"


def _show_differences(differences: list[Difference], console: Console) -> None:
    """Print one row for each order, with its first difference."""
    by_order: dict[str, list[Difference]] = {}
    for each in differences:
        by_order.setdefault(each.order, []).append(each)
    table = new_table("order", "is", "seen in", "what")
    for order, named in list(by_order.items())[:SHOWN]:
        where = ", ".join(dict.fromkeys(WHERE[each.where] for each in named))
        table.add_row(Text(visible(order)), named[0].kind, where, Text(named[0].detail))
    console.print(table)
    if len(by_order) > SHOWN:
        console.print(f"  … and {len(by_order) - SHOWN:,} more: `orderpull verify --json`.\n")


def _next_steps(source: SourceVerified) -> Iterator[str]:
    """Yield what a person can do about the differences."""
    differences = source.differences
    if differences and source.repaired is None:
        yield (
            "→ `orderpull verify --repair` puts right what shop and landing know, and builds the "
            "rollups anew."
        )
        return
    if any(each.kind == "extra" and each.where == "landing-tables" for each in differences):
        yield (
            "→ No landed page holds the extra rows; somebody put them there. "
            "`orderpull verify --repair --delete-extra` deletes them."
        )
    if any(
        each.where == "landing-tables" and each.order.startswith("page ") for each in differences
    ):
        yield "→ Restore the pages from a backup of the landing; what came with them stays."
    if differences:
        yield "→ docs/verify.md says what each kind means."
