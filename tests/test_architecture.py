"""The rooms stand in their order, and nothing heavy is loaded before it is needed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

HEAVY = ("duckdb", "sqlalchemy", "urllib3", "rich")

LINT = """
from importlinter.cli import lint_imports

raise SystemExit(lint_imports(no_logo=True, cache_dir=None))
"""

LOADED = f"""
print("\\n" + json.dumps(sorted(set({HEAVY!r}) & set(sys.modules))))
"""

IMPORT = """
import json
import sys
import orderpull
"""

HELP = """
import json
import sys
import runpy

sys.argv = ["orderpull", *{arguments!r}]
try:
    runpy.run_module("orderpull", run_name="__main__", alter_sys=True)
except SystemExit as end:
    if end.code:
        raise
"""


def last_line(program: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_imports_point_one_way() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LINT],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert last_line(IMPORT + LOADED) == []


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["run", "--help"]], ids=" ".join)
def test_asking_for_help_loads_nothing_heavy(arguments: list[str]) -> None:
    assert last_line(HELP.format(arguments=arguments) + LOADED) == []


def test_what_was_loaded_would_be_seen() -> None:
    assert last_line(IMPORT + "import urllib3\n" + LOADED) == ["urllib3"]
