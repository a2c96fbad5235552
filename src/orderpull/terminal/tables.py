"""Tables of query results, rejects, settings and written files."""

from collections.abc import Sequence
from decimal import Decimal
from itertools import islice
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from orderpull.destinations.protocol import QueryResult
from orderpull.operate.export import WrittenFile
from orderpull.operate.query import as_text, visible
from orderpull.operate.rejects import name_of
from orderpull.terminal.console import UNLIMITED_WIDTH, new_table

NUMBERS = int | float | Decimal


def show_files(files: Sequence[WrittenFile], console: Console) -> None:
    """Print the names and sizes of *files*."""
    table = new_table("file", "rows", "bytes", right=("rows", "bytes"), overflow="fold")
    for file in files:
        table.add_row(Text(str(file.file)), f"{file.rows:,}", f"{file.size:,}")
    console.print(table)


def show_answer(answer: QueryResult, console: Console, limit: int) -> None:
    """Print the first *limit* rows of *answer* as a table, or as records if that is too wide."""
    rows = list(islice(answer.rows, limit))
    if not rows:
        console.print(Text(f"No rows. Columns: {', '.join(map(visible, answer.columns))}."))
        return
    table = _table_of(answer.columns, rows)
    options = console.options.update(max_width=UNLIMITED_WIDTH)
    fits = console.measure(table, options=options).maximum <= console.width
    console.print(table if fits else _records(answer.columns, rows))
    if next(answer.rows, None) is not None:
        console.print(f"These are the first {limit:,} rows; --limit shows more.", style="dim")
    else:
        console.print("1 row" if len(rows) == 1 else f"{len(rows):,} rows", style="dim")


def _table_of(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    table = new_table()
    for index, column in enumerate(columns):
        numbers = all(isinstance(row[index], NUMBERS | None) for row in rows)
        table.add_column(Text(visible(column)), justify="right" if numbers else "left")
    for row in rows:
        table.add_row(*map(_cell, row))
    return table


def _records(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    """Lay out each row as a block with one line for each column."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for number, row in enumerate(rows, start=1):
        table.add_row(Text(f"row {number:,}", style="bold"), "")
        for column, value in zip(columns, row, strict=True):
            table.add_row(Text(visible(column)), _cell(value))
        table.add_row("", "")
    return table


def _cell(value: object) -> Text:
    """Format *value*: NULL is dimmed, and control characters are escaped."""
    if value is None:
        return Text("NULL", style="dim")
    text = visible(as_text(value))
    return Text(text) if text else Text("''", style="dim")


def show_rejects(rows: list[dict[str, Any]], console: Console) -> None:
    """Print the open rejects, without the orders' text."""
    if not rows:
        console.print("No rejects are open.")
        return
    table = new_table("reject", "order", "reason", "what is wrong", overflow="fold")
    for row in rows:
        table.add_row(
            name_of(row),
            escape(row["ordernumber"] or "—"),
            row["reason"],
            f"{escape(row['message'])} [dim]({escape(row['path'])})[/]"
            if row["message"]
            else f"at {escape(row['path'])}",
        )
    console.print(table)
    hint = "`orderpull rejects show REJECT` shows one in full; `rejects retry` loads them again."
    if any(row["raw"] is None for row in rows):
        hint = "What was received may not be seen by this user of the warehouse."
    console.print(hint, style="dim")


def show_config(rows: list[tuple[str, object, str]], console: Console) -> None:
    """Print every setting with its value and origin."""
    table = new_table("setting", "value", "from", overflow="fold")
    for key, value, origin in rows:
        table.add_row(
            escape(key),
            "[dim]—[/]" if value is None else escape(str(value)),
            f"[dim]{escape(origin)}[/]",
        )
    console.print(table)
