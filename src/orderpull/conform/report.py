"""The report of all cases: an object for machines, a table for people."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from orderpull.conform.cases import CASES, Case, PulledTrials
from orderpull.conform.outcome import Outcome
from orderpull.conform.target import Target

STYLES = {"passed": "green", "failed": "bold red", "not tried": "dim"}


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of each case. :param title: the API's name for people."""

    title: str
    outcomes: tuple[Outcome, ...]

    @property
    def ok(self) -> bool:
        """True if some case passed and no case failed."""
        states = {outcome.state for outcome in self.outcomes}
        return "failed" not in states and "passed" in states

    def as_json(self) -> dict[str, Any]:
        """Return the object that ``conform --json`` prints."""
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


def conform(target: Target, on_case: Callable[[Case], None] = lambda _: None) -> Report:
    """Try all cases on *target*. :param on_case: is called before each case."""
    outcomes = []
    with _quiet(), PulledTrials() as pulled:
        for case in CASES:
            on_case(case)
            outcomes.append(case.on(target, pulled))
    return Report(target.api.title, tuple(outcomes))


@contextmanager
def _quiet() -> Iterator[None]:
    """Log nothing: failing calls and retries are part of the cases."""
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
