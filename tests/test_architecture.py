"""The rooms stand in their order, and nothing heavy is loaded before it is needed."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

EXTRAS = (
    "boto3",
    "botocore",
    "psycopg",
    "redshift_connector",
    "sqlalchemy_redshift",
    "pyiceberg",
    "pyarrow",
)
"""What only an extra brings: never loaded by who did not ask for it."""

HEAVY = ("duckdb", "sqlalchemy", "urllib3", "rich", *EXTRAS)

LINT = """
from importlinter.cli import lint_imports

raise SystemExit(lint_imports(no_logo=True, cache_dir=None))
"""

LOADED = f"""
print("\\n" + json.dumps(sorted(set({HEAVY!r}) & set(sys.modules))))
"""

IMPORT = """
import json
import re
import sys
import orderpull
"""

HELP = """
import json
import re
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


RUN = """
import json
import re
import sys
from orderpull import parse_settings, run
from pathlib import Path

settings = '[sources.shop]\\napi = "skubana-assessment"\\nbase_url = "http://127.0.0.1:9"'
for _ in range(2):
    sys.modules.pop("sqlalchemy", None)
    run(parse_settings(settings, Path({folder!r}) / "orderpull.toml"))
"""


@pytest.mark.slow
def test_a_run_loads_what_it_needs(tmp_path: Path) -> None:
    """Into DuckDB, with tables that are there: its module alone, no extra, and no SQL toolkit."""
    assert last_line(RUN.format(folder=str(tmp_path)) + LOADED) == []


def test_what_was_loaded_would_be_seen() -> None:
    assert last_line(IMPORT + "import urllib3\n" + LOADED) == ["urllib3"]


def test_no_test_module_imports_another() -> None:
    """Helpers that several test modules share are modules of their own."""
    imports = re.compile(r"^\s*(?:from|import) tests\.(?:\w+\.)*test_\w+", re.MULTILINE)
    files = (ROOT / "tests").rglob("*.py")
    assert [file for file in files if imports.search(file.read_text("utf-8"))] == []
