"""docs/destinations.md: where it says that something holds, a test is run on that warehouse."""

import ast
import re
import subprocess
import sys
from collections import defaultdict
from functools import cache

import pytest

from tests.docs.markdown import ROOT, rows, section
from tests.warehouses import KINDS, LIVE, SERVERS

DOCS = ROOT / "docs" / "destinations.md"
LAKE = ROOT / "docs" / "iceberg.md"
COLUMNS = dict(zip(("DuckDB", "PostgreSQL", "Redshift", "Iceberg"), KINDS, strict=True))
EVERYWHERE = dict.fromkeys(("DuckDB", "PostgreSQL", "Redshift"), "yes")
PROMISES = [
    *rows(section(DOCS, "## What holds on each")),
    *({**row, **EVERYWHERE} for row in rows(section(DOCS, "### On these three"))),
    *({**row, "Iceberg": "yes"} for row in rows(section(LAKE, "## What holds on it"))),
]
_TEST = re.compile(r"(tests/[\w/]+\.py)::(\w+)(?:\[([\w, ]+)\])?")
ON_DUCKDB = ("tests/durability/", "tests/destinations/test_wrong_destination.py")
"""Where tests without parameters are about DuckDB."""


@cache
def collected() -> dict[str, list[str]]:
    """Each test that pytest finds of those named: the parameters of its cases."""
    files = sorted({file for row in PROMISES for file, *_ in _TEST.findall(row["shown by"])})
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run([*command, *files], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, list[str]] = defaultdict(list)
    for line in done.stdout.splitlines():
        if "::" in line:
            test, _, parameters = line.partition("[")
            found[test].append(parameters.rstrip("]"))
    return dict(found)


@cache
def fixtures(file: str, test: str) -> set[str]:
    """What a test asks for."""
    for node in ast.walk(ast.parse((ROOT / file).read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef) and node.name == test:
            return {argument.arg for argument in node.args.args}
    return set()


def kinds(file: str, test: str, cases: str) -> set[str]:
    """On which warehouses a test is run, with all of the *cases* named."""
    found = collected().get(f"{file}::{test}", [])
    wanted = [case.strip() for case in cases.split(",") if case.strip()]
    by_kind = {kind: [p for p in found if kind in p.split("-")] for kind in KINDS}
    if any(by_kind.values()):
        return {kind for kind, those in by_kind.items() if those and _has_all(those, wanted)}
    if "redshift" in fixtures(file, test):
        return {"redshift"}
    if "postgresql" in test:
        return {"postgresql"}
    return {"duckdb"} if found and file.startswith(ON_DUCKDB) else set()


def _has_all(parameters: list[str], wanted: list[str]) -> bool:
    return all(any(case in one.split("-") for one in parameters) for case in wanted)


@pytest.mark.slow
@pytest.mark.parametrize(
    "row", PROMISES, ids=lambda row: ("" if "DuckDB" in row else "lake ") + row["promise"][:40]
)
def test_what_is_said_to_hold_is_tested_there(row: dict[str, str]) -> None:
    """Every test exists; for each yes one of them is run on that warehouse."""
    tests = _TEST.findall(row["shown by"])
    assert tests
    names = [f"{file}::{test}" for file, test, _ in tests]
    assert [name for name in names if name not in collected()] == []
    shown = set().union(*(kinds(*test) for test in tests))
    for column, kind in COLUMNS.items():
        if column not in row:
            continue
        assert row[column], "an empty cell"
        assert kind in shown or not row[column].startswith("yes"), f"{column} is not tested"


@pytest.mark.slow
def test_a_kind_that_is_not_tested_is_found() -> None:
    """The check can fail: a test of servers says nothing of DuckDB, a case may be missing."""
    file = "tests/contract/test_unreachable.py"
    assert kinds(file, "test_nothing_is_asked_of_the_api", "locked") == set(SERVERS)
    assert kinds(file, "test_nothing_is_asked_of_the_api", "locked, no_such_case") == set()
    assert kinds(file, "test_no_such_test", "") == set()


def test_the_live_suite_is_called_as_told() -> None:
    """The variable's name is the one that the tests look for."""
    assert f"{LIVE}=FILE.toml make test" in section(DOCS, "### A real Redshift")
