"""Lines of a schedule: each run of each source, and the start of the next run."""

from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.markup import escape

from orderpull import clock
from orderpull.results import RunResult, SourceResult
from orderpull.schedule.loop import ScheduleListener
from orderpull.terminal.runs import counts_in_words


class ScheduleLines(ScheduleListener):
    """Prints what a schedule does. :param timezone: of the times."""

    def __init__(self, console: Console, timezone: str) -> None:
        self._console = console
        self._zone = ZoneInfo(timezone)

    def on_next(self, instant: datetime) -> None:
        """Print the start of the next run."""
        length = clock.until(instant, clock.now())
        self._print(f"[dim]next run {self._shown(instant)}, {length}[/]")

    def on_run(self, result: RunResult) -> None:
        """Print a line for each source, after the time at which the run ended."""
        time = self._shown(clock.now())
        for name, source in result.sources.items():
            self._print(f"{time}  [bold]{escape(name)}[/]  {_outcome(source)}")
        if result.error is not None:
            self._print(f"{time}  [red]failed[/]")

    def _shown(self, instant: datetime) -> str:
        return f"{instant.replace(tzinfo=UTC).astimezone(self._zone):%m-%d %H:%M:%S}"

    def _print(self, line: str) -> None:
        with suppress(OSError):  # The terminal may be gone, and the runs go on.
            self._console.print(line)


def _outcome(source: SourceResult) -> str:
    """The result of a run of one source, without zeros."""
    counts = asdict(source.counts)
    parts = ["[red]failed[/]"] if source.error else []
    if any(counts.values()):
        number, _, details = counts_in_words(counts).partition(": ")
        parts.append(f"{number} {'order' if number == '1' else 'orders'}: {details}")
    if source.waiting:
        parts.append(f"{source.waiting:,} {'page waits' if source.waiting == 1 else 'pages wait'}")
    return ", ".join(parts or ["nothing new"])
