"""Trials begin with all tables made, and the runs that the cases kill start warm."""

import shutil
from pathlib import Path

import pytest

from orderpull.conform import trial
from tests.processes import start
from tests.warehouses import prepared_file


def _exit_code(*arguments: str) -> int:
    process = start(*arguments, cwd=Path.cwd())
    process.communicate(timeout=60)
    return process.returncode or 0


class ReadyTrial(trial.Trial):
    """A trial that need not create the tables."""

    def settings(self, **more: object) -> Path:
        """Write the settings; put the file of the warehouse beside them, if there is none."""
        file = self.folder / "orders.duckdb"
        if not file.exists():
            shutil.copyfile(prepared_file(), file)
        return super().settings(**more)


@pytest.fixture(autouse=True)
def _trials_are_cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """A start takes milliseconds instead of half a second, a first run half of its time."""
    monkeypatch.setattr(trial, "exit_code", _exit_code)
    monkeypatch.setattr(trial, "Trial", ReadyTrial)
