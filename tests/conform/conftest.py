"""Runs that the cases kill start warm."""

from pathlib import Path

import pytest

from orderpull.conform import trial
from tests.processes import start


def _exit_code(*arguments: str) -> int:
    process = start(*arguments, cwd=Path.cwd())
    process.communicate(timeout=60)
    return process.returncode or 0


@pytest.fixture(autouse=True)
def _killed_runs_start_warm(monkeypatch: pytest.MonkeyPatch) -> None:
    """A start takes milliseconds instead of half a second."""
    monkeypatch.setattr(trial, "exit_code", _exit_code)
