"""The platforms are witnesses: they share no code with orderpull but its simulator."""

import ast
from pathlib import Path

import pytest

FILES = sorted(Path(__file__).parent.glob("*.py"))
ALLOWED = ("orderpull.simulator", "tests.platforms", "tests.simulator")


def imports(file: Path) -> set[str]:
    """The modules of this project that *file* imports, by their full names."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {name.name for name in node.names}
        if isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are written in full here"
            names |= {f"{node.module}.{name.name}" for name in node.names}
    return {name for name in names if name.startswith(("orderpull", "tests"))}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_only_the_simulator_is_imported(file: Path) -> None:
    assert [name for name in imports(file) if not name.startswith(ALLOWED)] == []
