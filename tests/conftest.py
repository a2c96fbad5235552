"""What all tests share: a browser, and the tables that some of them print at the end of the run."""

import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.servers import share_boto3_models

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# Nobody's own credentials, but for a real Redshift; here, since servers start before any test.
if "ORDERPULL_LIVE_REDSHIFT" not in os.environ:
    os.environ |= {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION"):
        os.environ.pop(name, None)

TABLES = {
    "faults": ("kind", "api", "consumed", "GETs", "kept", "possible loss", "exit"),
    "kill matrix": ("killed at", "times", "handed out", "in tables", "lost", "allowed", "by"),
}
"""Tables by name: a test adds a row with ``record_property(NAME, {column: value})``."""


SERVERS = {
    *("account", "browser", "bucket", "postgres", "redshift", "s3"),  # fixtures
    *("postgresql",),  # values of parameters, as are "redshift" and "s3"
}
"""Fixtures and values of parameters of tests that start a server, a browser or AWS' doubles."""

SLOW_FOLDERS = {"contract", "durability", "forget", "random"}
"""Folders whose tests run whole pipelines, most of them several times each, or search long."""


def pytest_configure() -> None:
    """Wait for no disk in ``os.fsync``: tests kill processes, and never the machine."""
    pytest.MonkeyPatch().setattr(os, "fsync", _fsync)
    share_boto3_models()


def _fsync(file: int) -> None:
    os.fstat(file)  # fails, as fsync does, where nothing is open


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark as slow what starts a server, and the folders of long tests."""
    callspec = getattr(item, "callspec", None)
    values = map(str, callspec.params.values()) if callspec else ()
    names = {*getattr(item, "fixturenames", ()), *values}
    if _is_in_slow_folder(item.path) or SERVERS & names or item.get_closest_marker("long"):
        item.add_marker(pytest.mark.slow)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave files unread of which ``make check`` runs nothing: each process reads them all."""
    if config.option.markexpr != "not slow" or collection_path.suffix != ".py":
        return None
    text = collection_path.read_text("utf-8")
    whole = any(f"\npytestmark = pytest.mark.{name}\n" in text for name in ("slow", "long"))
    return True if whole or _is_in_slow_folder(collection_path) else None


def _is_in_slow_folder(path: Path) -> bool:
    return bool(SLOW_FOLDERS & set(path.relative_to(Path(__file__).parent).parts))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the long tests, so that no process ends long after the others."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Return more processes than there are cores, because tests wait: two more for slow ones.

    Each further process begins with 4 s of CPU to read all tests.
    """
    quick = config.option.markexpr == "not slow"
    return (os.cpu_count() or 1) + (1 if quick else 2)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the tables' rows, whichever process found them."""
    rows: dict[str, list[dict[str, object]]] = defaultdict(list)
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, row in getattr(report, "user_properties", ()):
                if name in TABLES and report.when == "call":
                    rows[name].append(row)
    for name, found in rows.items():
        terminalreporter.section(name)
        _print_table(terminalreporter, TABLES[name], found)


def _print_table(
    reporter: pytest.TerminalReporter, columns: tuple[str, ...], rows: list[dict[str, object]]
) -> None:
    cells = [columns, *(tuple(str(row.get(c, "")) for c in columns) for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    for line in cells:
        reporter.write_line("  ".join(t.ljust(w) for t, w in zip(line, widths, strict=True)))


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests see only the settings that they make."""
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")


@pytest.fixture(scope="session")
def browser() -> Iterator["Browser"]:
    """One Chromium for each process that runs tests."""
    from tests.browsers import chromium

    with chromium() as started:
        yield started
