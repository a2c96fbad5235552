"""``scripts/check-commits`` finds subjects that do not say what a commit changes."""

import importlib.util
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "check-commits"


def check_commits() -> ModuleType:
    """Import the script as a module."""
    loader = SourceFileLoader("check_commits", str(SCRIPT))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "subject",
    ["Rename Kept to SingleFlightCache", "Bring the snapshot up to date", "Process pages in order"],
)
def test_an_imperative_subject_passes(subject: str) -> None:
    assert list(check_commits().faults(subject)) == []


@pytest.mark.parametrize(
    ("subject", "fault"),
    [
        ("Nothing to skip", "is not imperative: 'Nothing'"),
        ("What is told of passes and lists", "is not imperative: 'What'"),
        ("Renamed the cache", "is not imperative: 'Renamed'"),
        ("Renames the cache", "is not imperative: 'Renames'"),
        ("rename the cache", "begins with no capital letter"),
        ("Rename the cache.", "ends with a full stop"),
        ("Rename " + "x" * 70, "77 characters"),
    ],
)
def test_another_subject_is_found(subject: str, fault: str) -> None:
    assert list(check_commits().faults(subject)) == [fault]
