"""What a person sees of runs, status, rejects and settings: tables and progress, with rich."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from orderpull.model import COUNTS
from orderpull.operate.rejects import name_of
from orderpull.operate.status import Status
from orderpull.pipeline import Listener, RunResult, SourceResult
from orderpull.reports.terminal import told
from orderpull.sources.pull import Pulled


def stdout() -> Console:
    """The console for answers."""
    return Console(highlight=False, soft_wrap=not sys.stdout.isatty())


def stderr() -> Console:
    """The console for everything beside answers."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


class ProgressListener(Listener):
    """A line for each source, while a run goes on."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.tasks: dict[str, TaskID] = {}

    def pulled(self, source: str, pulled: Pulled) -> None:
        """Show what was landed."""
        pages = len(pulled.pages)
        self._show(source, f"pulled {pulled.orders:,} orders in {pages:,} pages")

    def loaded(self, source: str, result: SourceResult) -> None:
        """Show what was loaded."""
        self._show(source, f"loaded {result.counts.fetched:,} orders, {result.waiting} pages wait")

    def _show(self, source: str, text: str) -> None:
        if source not in self.tasks:
            self.tasks[source] = self.progress.add_task("", total=None)
        self.progress.update(self.tasks[source], description=f"{source}: {text}")


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


def show_status(status: Status, console: Console, timezone: str) -> None:
    """Print *status*."""
    for name, source in status.sources.items():
        console.print(f"[bold]{escape(name)}[/]  next run: {escape(source.next)}.")
        if source.rejects:
            console.print(f"  {source.rejects} rejects are open: `orderpull rejects list`.")
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
            f"{escape(row['message'])} [dim]({escape(row['path'])})[/]",
        )
    console.print(table)
    console.print(
        "`orderpull rejects show REJECT` prints one whole; `retry` shapes them again.", style="dim"
    )


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
