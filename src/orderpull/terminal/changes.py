"""The changes that a replay would make, as sentences and a table."""

from rich.console import Console
from rich.markup import escape
from rich.text import Text

from orderpull.operate.changes import Change, ColumnChange, SourceChanges
from orderpull.operate.query import visible
from orderpull.operate.replay import Foretold
from orderpull.terminal.console import new_table


def show_foretold(foretold: Foretold, console: Console, *, names: bool) -> None:
    """Print what a replay would change. :param names: with personal values."""
    for source, changes in foretold.changes.items():
        pages = foretold.replayed.pages.get(source, 0)
        console.print(f"[bold]{escape(source)}[/]: {pages:,} landed pages read.")
        for note in foretold.replayed.result.sources[source].notes:
            console.print(f"  {escape(note)}")
        console.print(f"  orders: {_counts(changes.orders)}")
        console.print(f"  items:  {_counts(changes.items)}")
        console.print(f"  rejects: {_rejects(changes)}")
        if changes.columns:
            table = new_table("column", "rows", "the first, by order number", right=("rows",),
                              overflow="fold")  # fmt: skip
            for column in changes.columns:
                shown = column if names else column.masked()
                name = f"{column.table}.{column.column}"
                table.add_row(name, f"{column.differing:,}", Text(_examples(shown)))
            console.print(table)
    if foretold.changes:
        some = any(changes.differs for changes in foretold.changes.values())
        then = (
            "`orderpull replay` makes these changes." if some else "A replay would change nothing."
        )
        console.print(f"Nothing was written. {then}", style="dim")


def _counts(change: Change) -> str:
    return (
        f"{change.inserted:,} inserted, {change.changed:,} changed, {change.removed:,} removed, "
        f"{change.unchanged:,} unchanged"
    )


def _rejects(changes: SourceChanges) -> str:
    first = f" ({', '.join(map(visible, changes.first_rejected))})" * bool(changes.first_rejected)
    return (
        f"{changes.rejected:,} new{escape(first)}, {changes.cleared:,} gone, "
        f"{changes.open_rejects:,} open"
    )


def _examples(column: ColumnChange) -> str:
    return "\n".join(
        f"{visible(str(each['order']))}: {_value(each['before'])} → {_value(each['after'])}"
        for each in column.first
    )


def _value(value: str | None) -> str:
    return "NULL" if value is None else visible(value) or "''"
