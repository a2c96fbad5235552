"""The results of runs and replays, and the status, as tables and sentences."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from orderpull import clock
from orderpull.model import COUNTS, LEDGER_REJECT
from orderpull.operate.compare import Comparison, TableComparison
from orderpull.operate.query import visible
from orderpull.operate.replay import Rebuilt
from orderpull.operate.status import SourceStatus, Status
from orderpull.pipeline import RunResult
from orderpull.schedule.state import ScheduleState, ScheduleStatus
from orderpull.settings import without_password
from orderpull.terminal.console import new_table, print_indented, with_age

CHECKSUM_DIGITS = 12
"""Digits of a checksum that are shown."""

FULL_WIDTH = 110
"""Columns of a screen that shows each count of a run in a column of its own."""

MIN_SIGNAL_CODE = 128
"""Exit codes above this are 128 + the number of a signal."""


def show_result(result: RunResult, console: Console) -> None:
    """Print the counts of a run, and what still waits or was rejected."""
    if any(source.pages or source.counts.fetched for source in result.sources.values()):
        console.print(_counts(result))
    elif result.error is None and not any(s.error for s in result.sources.values()):
        console.print("Nothing new.")
    for name, source in result.sources.items():
        if source.waiting:
            one = source.waiting == 1
            pages = "1 landed page is" if one else f"{source.waiting} landed pages are"
            console.print(f"{escape(name)}: {pages} not loaded yet.")
        rejected = source.counts.rejected
        if rejected:
            what = "1 order was" if rejected == 1 else f"{rejected} orders were"
            console.print(f"{escape(name)}: {what} rejected; `orderpull rejects list` shows why.")
        for note in source.notes:
            console.print(f"{escape(name)}: {escape(note)}")


def _counts(result: RunResult) -> Table:
    numbers = ("pages", *COUNTS)
    table = new_table("source", *numbers, right=numbers, no_wrap=True)
    for name, source in result.sources.items():
        counts = {"pages": source.pages, **asdict(source.counts)}
        table.add_row(escape(name), *_cells(counts, numbers))
    return table


def show_rebuilt(rebuilt: Rebuilt, url: str, console: Console) -> None:
    """Print the result of a replay into another warehouse, and the comparison of the two.

    :param url: URL of the other warehouse, as typed.
    """
    if rebuilt.errors or any(source.pages for source in rebuilt.result.sources.values()):
        show_result(rebuilt.result, console)
    else:
        console.print(Text(f"{rebuilt.target} had loaded every landed page already."))
    if rebuilt.lossy:
        one = rebuilt.lossy == 1
        responses = "1 response was" if one else f"{rebuilt.lossy} responses were"
        console.print(f"{responses} incomplete when pulled: orders may be lost.")
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
    for missing in compared.missing:
        for pages, side in ((missing.origin, "This warehouse"), (missing.target, target)):
            if pages:
                text = f"{side} has not loaded these pages of {missing.source}: {pages}."
                console.print(Text(text, style="red"))
    if compared.missing:
        console.print(
            "Nothing was compared. Load the waiting pages with `orderpull load`; then run the same "
            "command again."
        )
        return
    console.print(_compared(compared))
    for each in compared.tables:
        if not each.equal:
            console.print(Text(_difference(each), style="red"))
    if compared.equal:
        console.print(Text("Both warehouses hold the same rows.", style="bold"))
        return
    for unfilled, where in zip(compared.unfilled, ("this warehouse", target), strict=True):
        for one in unfilled:
            text = (
                f"Orders of pages {one.first:,} to {one.last:,} of {one.source} still lack the "
                f"columns of the last update in {where}."
            )
            console.print(Text(text))
    console.print(
        "The two differ. If the API file, the settings or the tables have changed since, run "
        "`orderpull replay` first, then the same command again."
    )


def _difference(table: TableComparison) -> str:
    rows = "1 row differs" if table.differing == 1 else f"{table.differing:,} rows differ"
    kind = "order" if table.table != LEDGER_REJECT.name else "reject"
    named = ", ".join(visible(name) for name in table.named)
    more = ", …" if table.more else ""
    return f"{table.table} of {table.source}: {rows} ({kind} {named}{more})."


def _compared(compared: Comparison) -> Table:
    table = new_table("source", "table", "rows", "checksum", right=("rows",), no_wrap=True)
    for each in compared.tables:
        sides = (each.origin, each.target)
        rows = dict.fromkeys(f"{side.rows:,}" for side in sides)
        checksums = dict.fromkeys(side.sha256[:CHECKSUM_DIGITS] for side in sides)
        cells = (escape(each.source), each.table, " ≠ ".join(rows), " ≠ ".join(checksums))
        table.add_row(*cells, style="" if each.equal else "red")
    return table


def show_status(status: Status, console: Console, timezone: str) -> None:
    """Print *status*."""
    for name, source in status.sources.items():
        _show_source(name, source, console)
    for reason in status.refused.values():
        console.print(Text(reason, style="red"))
    if status.lake:
        console.print(f"[bold]lake[/]  {escape(status.lake.sentence)}")
    if status.schedule:
        console.print(Text(_schedule(status.schedule, timezone)))
    if not status.runs:
        console.print("No run has been recorded yet.")
        return
    show_runs(status.runs, console, timezone, title="\nLast runs")


def _show_source(name: str, source: SourceStatus, console: Console) -> None:
    console.print(f"[bold]{escape(name)}[/]  next run: {escape(source.next)}.")
    if source.rejects:
        open_now = "1 reject is" if source.rejects == 1 else f"{source.rejects:,} rejects are"
        print_indented(console, f"{open_now} open: `orderpull rejects list`.")
    if source.verified:
        style = "" if source.verified.clean else "red"
        sentence = source.verified.sentence
        print_indented(console, f"{sentence[:1].upper()}{sentence[1:]}", style)
        if source.verified.count:
            text = "`orderpull verify` names what differs; `--repair` puts it right."
            print_indented(console, text)
    for sentence in _landed(source):
        print_indented(console, sentence)
    if source.refill:
        first, last = source.refill["from"], source.refill["to"]
        print_indented(
            console,
            f"Orders of pages {first:,} to {last:,} still lack the columns of the last update: "
            "each run fills some, `orderpull replay` all.",
        )
    for doubt in source.in_doubt:
        print_indented(console, f"In doubt are {doubt}: passes over them did not agree.")


def _landed(source: SourceStatus) -> Iterator[str]:
    """Sentences about the landed pages of *source*."""
    if source.deleted:
        yield (
            f"{source.deleted['pages']:,} landed pages received before "
            f"{source.deleted['before']} are deleted (landing.keep_days)."
        )
    if done := source.compacted:
        files = "1 file" if done.containers == 1 else f"{done.containers:,} files"
        last = clock.ago(done.at, clock.now())
        yield f"{done.pages:,} landed pages are compacted into {files}, the last {last}."


def show_runs(
    runs: Sequence[dict[str, Any]], console: Console, timezone: str, title: str = "Runs"
) -> None:
    """Print rows of ``orderpull_run`` as a table, then the errors in full.

    A screen of less than :data:`FULL_WIDTH` columns shows the counts of a run as a sentence.

    :param title: of the table, in rich's markup.
    """
    is_narrow = console.width < FULL_WIDTH
    counts = ("orders",) if is_narrow else COUNTS
    table = new_table(
        "run", "source", "started", "took", *counts, "result",
        title=f"{title}, newest first; times are {timezone}",
        right=("run", "took", *COUNTS),
    )  # fmt: skip
    zone = ZoneInfo(timezone)
    for run in runs:
        started = run["started_at"].replace(tzinfo=UTC).astimezone(zone)
        table.add_row(
            str(run["run"]), escape(run["source"]),
            f"{started:%m-%d %H:%M}" if is_narrow else f"{started:%Y-%m-%d %H:%M}",
            _took(run), *([counts_in_words(run)] if is_narrow else _cells(run, COUNTS)),
            _result_text(run),
        )  # fmt: skip
    console.print(table)
    for run in runs:
        if run["error"]:
            console.print(f"Run {run['run']}: [red]{escape(run['error'])}[/]")


def _took(run: dict[str, Any]) -> str:
    """Format the duration of *run* as ``4.2 s``, ``7:05`` or ``1:07:05``."""
    if run["finished_at"] is None:
        return "—"
    seconds = (run["finished_at"] - run["started_at"]).total_seconds()
    if seconds < 60:  # noqa: PLR2004
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def counts_in_words(run: Mapping[str, Any]) -> str:
    """Format the counts that are not zero, the sum of them first."""
    parts = [f"{run[count]:,} {count}" for count in COUNTS[1:] if run[count]]
    return f"{run['fetched']:,}: {', '.join(parts)}" if parts else "[dim]none[/]"


def _cells(counts: Mapping[str, int], names: Iterable[str]) -> list[str]:
    """Format *counts*; zeros are dimmed."""
    return [f"{counts[name]:,}" if counts[name] else "[dim]0[/]" for name in names]


def _schedule(status: ScheduleStatus, timezone: str) -> str:
    """Describe the schedule in one to three sentences."""
    state = status.state
    age = partial(with_age, timezone=timezone)
    if status.is_stalled(clock.now()):
        parts = [
            f"pid {state.pid} has sent no heartbeat since {age(state.heartbeat)}: it may be stuck"
        ]
    elif status.running:
        parts = [f"running (pid {state.pid}, since {age(state.since)})"]
    else:
        parts = [f"not running; last active {age(state.heartbeat)}"]
    if status.running and state.verifying:
        parts.append(f"A verification has been active since {age(state.verifying)}")
    if status.running and state.next is None and state.began:
        parts.append(f"A run has been active since {age(state.began)}")
    elif state.began:
        parts.append(f"Last run {age(state.began)}, {_ended(state)}")
    if status.running and state.next:
        parts.append(f"Next run {age(state.next)}")
    return f"Schedule, {state.trigger}: {'. '.join(parts)}."


def _ended(state: ScheduleState) -> str:
    if state.exit_code is None or state.ended is None:
        return "not finished"
    if state.exit_code > MIN_SIGNAL_CODE:
        return "stopped by a signal"
    return "ok" if state.exit_code == 0 else f"exit {state.exit_code}"


def _result_text(run: dict[str, Any]) -> str:
    if run["error"] or run["possible_loss"]:
        return "[red]possible loss[/]" if run["possible_loss"] else "[red]failed[/]"
    if run["finished_at"] is None:
        return "[yellow]not finished[/]"
    return f"ok ({run['command']})" + (", rejects accepted" if run["accepted_rejects"] else "")
