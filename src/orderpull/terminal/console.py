"""What a person sees of runs, status, rejects and settings: tables and progress, with rich."""

import json
import sys
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from itertools import islice
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from orderpull import clock
from orderpull.destinations.protocol import QueryResult
from orderpull.model import COUNTS, LEDGER_REJECT
from orderpull.operate.compare import Comparison, TableCompared
from orderpull.operate.export import Written
from orderpull.operate.query import text_of, visible
from orderpull.operate.rejects import name_of
from orderpull.operate.replay import Rebuilt
from orderpull.operate.status import Status
from orderpull.pipeline import Listener, RunResult, SourceResult
from orderpull.schedule.state import Note, Standing
from orderpull.settings import without_password
from orderpull.sources.pull import Pulled
from orderpull.terminal.report import told

CHECKSUM_SHOWN = 12
"""Digits."""

SHOWN = 8
"""Sources that have a line each while a run goes on."""

NAMED = 3
"""Sources that are named once no more are left."""

NUMBERS = int | float | Decimal
SIGNALLED = 128
"""Exit codes above are 128 + the signal that asked for the end."""

WIDEST = 10_000
"""Columns of a screen that has room for everything."""


def stdout() -> Console:
    """The console for answers."""
    return Console(highlight=False, soft_wrap=not sys.stdout.isatty())


def stderr() -> Console:
    """The console for everything beside answers."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


class ProgressListener(Listener):
    """A line for each source while a run goes on; of many, for some that are under way."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.tasks: dict[str, TaskID] = {}
        self.number = 0
        self.left: dict[str, None] = {}
        self.read = self.failed = 0
        self.count: TaskID | None = None
        self._lock = threading.Lock()

    def begins(self, sources: Collection[str]) -> None:
        """Count the sources, where they are too many for a line each."""
        self.number, self.left = len(sources), dict.fromkeys(sources)
        if self.number > SHOWN and self.count is None:
            self.count = self.progress.add_task(self._counted())

    def pulled(self, source: str, pulled: Pulled) -> None:
        """Show what was landed, and what is left to do."""
        orders, pages = f"{pulled.orders:,}", f"{len(pulled.pages):,}"
        left = f"; {pulled.left}" if pulled.left else ""
        self._show(source, f"pulled {orders} orders in {pages} pages{left}")

    def ended(self, source: str, pulled: Pulled) -> None:
        """Make room for another source, where there are many."""
        with self._lock:
            self.read += pulled.error is None
            self.failed += pulled.error is not None
            self.left.pop(source, None)
            if self.count is not None:
                if source in self.tasks:
                    self.progress.remove_task(self.tasks.pop(source))
                self.progress.update(self.count, description=self._counted())

    def loaded(self, source: str, result: SourceResult) -> None:
        """Show what was loaded."""
        text = f"loaded {result.counts.fetched:,} orders, {result.waiting} pages wait"
        if self.count is None:
            self._show(source, text)
        else:
            self.progress.update(self.count, description=f"{self._counted()}; {source}: {text}")

    def _counted(self) -> str:
        failed = f", {self.failed} not" if self.failed else ""
        text = f"{self.read} of {self.number} sources are read to their end{failed}"
        few = 0 < len(self.left) <= NAMED
        return escape(f"{text}; under way: {', '.join(self.left)}" if few else text)

    def _show(self, source: str, text: str) -> None:
        with self._lock:
            if source not in self.tasks:
                if self.count is not None and len(self.tasks) >= SHOWN:
                    return
                self.tasks[source] = self.progress.add_task("", total=None)
            self.progress.update(self.tasks[source], description=escape(f"{source}: {text}"))


@contextmanager
def watching() -> Iterator[Listener]:
    """A listener that shows progress on stderr, if that is a terminal."""
    if not sys.stderr.isatty():
        yield Listener()
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=stderr(), transient=True) as progress:
        yield ProgressListener(progress)


def show_result(result: RunResult, console: Console) -> None:
    """Print what a run did."""
    if any(source.pages or source.counts.fetched for source in result.sources.values()):
        console.print(_counts(result))
    elif result.error is None and not any(s.error for s in result.sources.values()):
        console.print("Nothing new.")
    for name, source in result.sources.items():
        if source.waiting:
            console.print(f"{escape(name)}: {source.waiting} landed pages wait to be loaded.")
        rejected = source.counts.rejected
        if rejected:
            what = "1 order was" if rejected == 1 else f"{rejected} orders were"
            console.print(f"{escape(name)}: {what} rejected; `orderpull rejects list` says why.")


def _counts(result: RunResult) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("source", no_wrap=True)
    for name in ("pages", *COUNTS):
        table.add_column(name, justify="right")
    for name, source in result.sources.items():
        counts = [getattr(source.counts, count) for count in COUNTS]
        cells = [f"{number:,}" if number else "[dim]0[/]" for number in (source.pages, *counts)]
        table.add_row(escape(name), *cells)
    return table


def show_rebuilt(rebuilt: Rebuilt, url: str, console: Console) -> None:
    """Print what was loaded into another warehouse, and how the two compare.

    :param url: of the other warehouse, as a person gave it.
    """
    if rebuilt.errors or any(source.pages for source in rebuilt.result.sources.values()):
        show_result(rebuilt.result, console)
    else:
        console.print(Text(f"{rebuilt.target} had loaded every landed page already."))
    if rebuilt.lossy:
        answers = "1 answer" if rebuilt.lossy == 1 else f"{rebuilt.lossy} answers"
        console.print(f"{answers} came incomplete when pulled: orders may be lost with that.")
    compared = rebuilt.compared
    if compared is None:
        console.print(Text(rebuilt.uncompared or "Nothing was compared."))
    else:
        _show_comparison(compared, rebuilt.target, console)
    if rebuilt.exit_code == 0:
        console.print(
            Text("To use the new one, change one line of orderpull.toml, in [destination]:")
        )
        console.print(Text(f"  url = {json.dumps(without_password(url), ensure_ascii=False)}"))


def _show_comparison(compared: Comparison, target: str, console: Console) -> None:
    for lacking in compared.lacking:
        for pages, side in ((lacking.origin, "This warehouse"), (lacking.target, target)):
            if pages:
                text = f"{side} has not loaded these pages of {lacking.source}: {pages}."
                console.print(Text(text, style="red"))
    if compared.lacking:
        console.print(
            "So nothing was compared. What waits in the landing, `orderpull load` brings in; then "
            "run the same again."
        )
        return
    console.print(_compared(compared))
    for each in compared.tables:
        if not each.equal:
            console.print(Text(_difference(each), style="red"))
    console.print(
        Text("Both warehouses hold the same.", style="bold")
        if compared.equal
        else "The two differ. If the api file or the settings have changed since they were loaded, "
        "run `orderpull replay` first, then the same again."
    )


def _difference(table: TableCompared) -> str:
    rows = "1 row differs" if table.differing == 1 else f"{table.differing:,} rows differ"
    called = "order" if table.table != LEDGER_REJECT.name else "reject"
    named = ", ".join(visible(name) for name in table.named)
    more = ", …" if table.more else ""
    return f"{table.table} of {table.source}: {rows} ({called} {named}{more})."


def _compared(compared: Comparison) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("source", "table", "rows", "checksum"):
        table.add_column(column, justify="right" if column == "rows" else "left", no_wrap=True)
    for each in compared.tables:
        sides = (each.origin, each.target)
        rows = dict.fromkeys(f"{side.rows:,}" for side in sides)
        checksums = dict.fromkeys(side.sha256[:CHECKSUM_SHOWN] for side in sides)
        told = (escape(each.source), each.table, " ≠ ".join(rows), " ≠ ".join(checksums))
        table.add_row(*told, style="" if each.equal else "red")
    return table


def show_files(files: Sequence[Written], console: Console) -> None:
    """Print which files were written."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("file", overflow="fold")
    table.add_column("rows", justify="right")
    table.add_column("bytes", justify="right")
    for file in files:
        table.add_row(Text(str(file.file)), f"{file.rows:,}", f"{file.size:,}")
    console.print(table)


def show_answer(answer: QueryResult, console: Console, limit: int) -> None:
    """Print the first *limit* rows of *answer*: a table, or row by row if it is too wide."""
    rows = list(islice(answer.rows, limit))
    if not rows:
        console.print(Text(f"No rows. Columns: {', '.join(map(visible, answer.columns))}."))
        return
    table = _table_of(answer.columns, rows)
    room = console.options.update(max_width=WIDEST)
    fits = console.measure(table, options=room).maximum <= console.width
    console.print(table if fits else _records(answer.columns, rows))
    if next(answer.rows, None) is not None:
        console.print(f"These are the first {limit:,} rows; --limit shows more.", style="dim")
    else:
        console.print("1 row" if len(rows) == 1 else f"{len(rows):,} rows", style="dim")


def _table_of(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for place, column in enumerate(columns):
        numbers = all(isinstance(row[place], NUMBERS | None) for row in rows)
        table.add_column(Text(visible(column)), justify="right" if numbers else "left")
    for row in rows:
        table.add_row(*map(_cell, row))
    return table


def _records(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    """Each row as a block of lines, one for each column."""
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
    """*value* as it can be seen: NULL apart from a text, and no text steers the terminal."""
    if value is None:
        return Text("NULL", style="dim")
    text = visible(text_of(value))
    return Text(text) if text else Text("''", style="dim")


def show_status(status: Status, console: Console, timezone: str) -> None:
    """Print *status*."""
    for name, source in status.sources.items():
        console.print(f"[bold]{escape(name)}[/]  next run: {escape(source.next)}.")
        if source.rejects:
            console.print(f"  {source.rejects} rejects are open: `orderpull rejects list`.")
    if status.schedule:
        console.print(Text(_schedule(status.schedule, timezone)))
    if not status.runs:
        console.print("No run has been recorded yet.")
        return
    table = Table(
        title="Last runs",
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    for column in ("run", "source", "began", "fetched", "new", "changed", "rejected", "went"):
        right = column in {"run", "fetched", "new", "changed", "rejected"}
        table.add_column(column, justify="right" if right else "left")
    for run in status.runs:
        table.add_row(
            str(run["run"]), escape(run["source"]), told(run["started_at"], timezone),
            f"{run['fetched']:,}", f"{run['inserted']:,}", f"{run['updated']:,}",
            f"{run['rejected']:,}", _went(run),
        )  # fmt: skip
    console.print(table)
    for run in status.runs:
        if run["error"]:
            console.print(f"Run {run['run']}: [red]{escape(run['error'])}[/]")


def _schedule(standing: Standing, timezone: str) -> str:
    """The schedule in a sentence or three."""
    note = standing.note
    told_at = partial(told, timezone=timezone)
    if standing.silent(clock.now()):
        parts = [f"pid {note.pid} has said nothing since {told_at(note.beat)}: it may hang"]
    elif standing.running:
        parts = [f"running (pid {note.pid}, since {told_at(note.since)})"]
    else:
        parts = [f"not running; last heard of {told_at(note.beat)}"]
    if standing.running and note.next is None and note.began:
        parts.append(f"A run goes on since {told_at(note.began)}")
    elif note.began:
        parts.append(f"Last run {told_at(note.began)}, {_ended(note)}")
    if standing.running and note.next:
        parts.append(f"Next run {told_at(note.next)}")
    return f"Schedule, {note.rhythm}: {'. '.join(parts)}."


def _ended(note: Note) -> str:
    if note.exit_code is None or note.ended is None:
        return "not finished"
    if note.exit_code > SIGNALLED:
        return "stopped as asked"
    return "well" if note.exit_code == 0 else f"exit {note.exit_code}"


def _went(run: dict[str, Any]) -> str:
    if run["error"] or run["possible_loss"]:
        return "[red]possible loss[/]" if run["possible_loss"] else "[red]stopped[/]"
    if run["finished_at"] is None:
        return "[yellow]not finished[/]"
    return f"well ({run['command']})" + (", rejects accepted" if run["accepted_rejects"] else "")


def show_rejects(rows: list[dict[str, Any]], console: Console) -> None:
    """Print the open rejects, without their text."""
    if not rows:
        console.print("No rejects are open.")
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("reject", "order", "reason", "what is wrong"):
        table.add_column(column, overflow="fold")
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
    hint = "`orderpull rejects show REJECT` prints one whole; `retry` shapes them again."
    if any(row["raw"] is None for row in rows):
        hint = "What was received may not be seen by this user of the warehouse."
    console.print(hint, style="dim")


def show_config(rows: list[tuple[str, object, str]], console: Console) -> None:
    """Print every setting in force."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("setting", "value", "from"):
        table.add_column(column, overflow="fold")
    for key, value, origin in rows:
        table.add_row(
            escape(key),
            "[dim]—[/]" if value is None else escape(str(value)),
            f"[dim]{escape(origin)}[/]",
        )
    console.print(table)
