"""Each promise, and each sentence of the origin, names tests that exist."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.docs.markdown import ROOT, rows, section, text_of

PROMISES = ROOT / "docs" / "promises.md"
ORIGIN = ROOT / "docs" / "origin.md"
_TEST = re.compile(r"(tests/[\w/]+\.py)::(\w+)")


@cache
def proofs_in(file: Path) -> frozenset[str]:
    """The names of the tests in *file*; none where it is not there."""
    if not file.exists():
        return frozenset()
    tree = ast.parse(file.read_text("utf-8"))
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
    return frozenset(node.name for node in functions if node.name.startswith("test_"))


def named(text: str) -> set[tuple[str, str]]:
    """The tests that *text* names: file and function."""
    return set(_TEST.findall(text))


@pytest.mark.parametrize("file", [PROMISES, ORIGIN], ids=lambda file: file.name)
def test_every_test_that_is_named_exists(file: Path) -> None:
    """No proof is named that is not there."""
    tests = named(text_of(file))
    assert len(tests) >= 12
    assert [(name, test) for name, test in tests if test not in proofs_in(ROOT / name)] == []


def test_each_of_the_twelve_promises_names_a_test() -> None:
    """There are twelve promises, each with a proof, and so has the gap of consume-once APIs."""
    headings = re.findall(r"^## .+$", text_of(PROMISES), re.MULTILINE)
    assert [re.match(r"## (\d+)\. ", heading) is not None for heading in headings].count(True) == 12
    assert headings[-1] == "## Consume-once, exactly"
    assert [heading for heading in headings if not named(section(PROMISES, heading))] == []


@pytest.mark.parametrize(
    "heading", ["## What the script did", "## Its faults, and why they cannot happen here"]
)
def test_each_sentence_of_the_origin_names_a_test_or_is_to_come(heading: str) -> None:
    """Where no test is named, it is said that this is to come."""
    table = rows(section(ORIGIN, heading))
    assert len(table) >= 9
    for row in table:
        assert named(row["shown by"]) or any("*To come.*" in cell for cell in row.values()), row
