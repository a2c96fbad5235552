"""The progress bar of a run."""

import sys
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from orderpull.landing.compaction import Compaction
from orderpull.pipeline import Listener, SourceResult
from orderpull.sources.pull import PullResult
from orderpull.terminal import console

MAX_LINES = 8
"""Sources with a line of their own while a run goes on."""

MAX_NAMES = 3
"""Unfinished sources that are named at the end of a run."""


class ProgressListener(Listener):
    """Shows a line for each source during a run; with many sources, for some active ones."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.tasks: dict[str, TaskID] = {}
        self.number = 0
        self.left: dict[str, None] = {}
        self.read = self.failed = 0
        self.count: TaskID | None = None
        self._lock = threading.Lock()

    def on_start(self, sources: Collection[str]) -> None:
        """Add a line that counts the sources, if there are too many for a line each."""
        self.number, self.left = len(sources), dict.fromkeys(sources)
        if self.number > MAX_LINES and self.count is None:
            self.count = self.progress.add_task(self._counted())

    def on_page(self, source: str, pulled: PullResult) -> None:
        """Show the landed pages, and an estimate of the rest."""
        orders, pages = f"{pulled.orders:,}", f"{len(pulled.pages):,}"
        left = f"; {pulled.left}" if pulled.left else ""
        self._show(source, f"pulled {orders} orders in {pages} pages{left}")

    def on_source_done(self, source: str, pulled: PullResult) -> None:
        """Count the source, and free its line if there are many sources."""
        with self._lock:
            self.read += pulled.error is None
            self.failed += pulled.error is not None
            self.left.pop(source, None)
            if self.count is not None:
                if source in self.tasks:
                    self.progress.remove_task(self.tasks.pop(source))
                self.progress.update(self.count, description=self._counted())

    def on_batch_loaded(self, source: str, result: SourceResult) -> None:
        """Show the loaded orders."""
        text = f"loaded {result.counts.fetched:,} orders, {result.waiting} pages wait"
        if self.count is None:
            self._show(source, text)
        else:
            self.progress.update(self.count, description=f"{self._counted()}; {source}: {text}")

    def on_container(self, source: str, result: Compaction) -> None:
        """Show the compacted pages."""
        self._show(source, f"{result.pages:,} pages compacted, large files: {result.containers:,}")

    def _counted(self) -> str:
        failed = f", {self.failed} failed" if self.failed else ""
        text = f"{self.read} of {self.number} sources are finished{failed}"
        few = 0 < len(self.left) <= MAX_NAMES
        return escape(f"{text}; still reading: {', '.join(self.left)}" if few else text)

    def _show(self, source: str, text: str) -> None:
        with self._lock:
            if source not in self.tasks:
                if self.count is not None and len(self.tasks) >= MAX_LINES:
                    return
                self.tasks[source] = self.progress.add_task("", total=None)
            self.progress.update(self.tasks[source], description=escape(f"{source}: {text}"))


@contextmanager
def show_progress() -> Iterator[Listener]:
    """Yield a listener that shows progress on stderr, if stderr is a terminal."""
    if not sys.stderr.isatty():
        yield Listener()
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console.stderr(), transient=True) as progress:
        yield ProgressListener(progress)
