"""What came of trying all cases: one object for machines, one table for people."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from orderpull.conform.cases import CASES, Case
from orderpull.conform.outcome import Outcome
from orderpull.conform.target import MirrorTarget, Target

STYLES = {"passed": "green", "failed": "bold red", "not tried": "dim"}


@dataclass(frozen=True, slots=True)
class Report:
    """What became of each case. :param title: the API's name for people."""

    title: str
    outcomes: tuple[Outcome, ...]

    @property
    def ok(self) -> bool:
        """Whether no case failed, and not all were left out."""
        states = {outcome.state for outcome in self.outcomes}
        return "failed" not in states and "passed" in states

    def as_json(self) -> dict[str, Any]:
        """As ``conform --json`` shows it."""
        return {
            "ok": self.ok,
            "api": self.title,
            "cases": [
                {
                    "case": each.case,
                    "state": each.state,
                    "words": each.detail or None,
                    "calls": each.calls,
                    "least": each.least,
                }
                for each in self.outcomes
            ],
        }


def conform(name: str, folder: Path, told: Callable[[Case], None] = lambda _: None) -> Report:
    """Try all cases on the mirror of an API's file.

    :param name: of a built-in API, or the path (from *folder*) of a ``.toml``.
    :param told: is called before each case.
    :raises ApiFileError: there is no such file, or it is wrong.
    """
    return conform_on(MirrorTarget.of(name, folder), told)


def conform_on(target: Target, told: Callable[[Case], None] = lambda _: None) -> Report:
    """Try all cases on *stage*."""
    found = []
    with _quiet():
        for case in CASES:
            told(case)
            found.append(case.on(target))
    return Report(target.api.title, tuple(found))


@contextmanager
def _quiet() -> Iterator[None]:
    """Log nothing: that calls fail and are tried again is what is being tried."""
    log = logging.getLogger("orderpull")
    before = log.level
    log.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        log.setLevel(before)


def show(report: Report, console: Console) -> None:
    """Print *report* as a table."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("case", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("calls", justify="right", no_wrap=True)
    table.add_column("seen")
    for each in report.outcomes:
        calls = "" if each.calls is None else str(each.calls)
        if each.least is not None:
            calls += f" of at least {each.least}"
        state = f"[{STYLES[each.state]}]{each.state}[/]"
        table.add_row(each.case, state, calls, escape(each.detail))
    console.print(table)
    failed = sum(each.state == "failed" for each in report.outcomes)
    passed = sum(each.state == "passed" for each in report.outcomes)
    rest = len(report.outcomes) - failed - passed
    console.print(f"{escape(report.title)}: {passed} passed, {failed} failed, {rest} not tried.")
