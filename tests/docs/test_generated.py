"""What the docs say of commands, tables, files and functions is what the program says."""

from collections import Counter
from pathlib import Path

import pytest

from tests.docs import generated
from tests.docs.markdown import FILES, ROOT, text_of

DOCS = [file for file in FILES if file.parent.name == "docs"]


@pytest.mark.parametrize("file", DOCS, ids=lambda file: file.name)
def test_generated_parts_are_up_to_date(file: Path) -> None:
    """Help texts, columns, files and functions stand in the docs as they are now."""
    assert text_of(file) == generated.filled(text_of(file)), "run: scripts/write-docs"


def test_every_part_stands_in_the_docs_once() -> None:
    """Each command, table and room has its place in the docs, and just one."""
    placed = Counter(name for file in DOCS for name in generated.names(text_of(file)))
    assert placed == Counter(generated.blocks().keys())


def test_every_module_stands_in_one_room() -> None:
    """A new file is told of in docs/architecture.md."""
    told = Counter(
        path for where in generated.ROOMS.values() for path in generated.modules(where.split())
    )
    files = [*generated.PACKAGE.rglob("*.py"), *generated.PACKAGE.rglob("*.toml")]
    assert told == Counter(files)


def test_every_module_says_what_it_is() -> None:
    """Each file that is not empty begins with a sentence about itself."""
    architecture = text_of(ROOT / "docs" / "architecture.md")
    silent = [
        path.name
        for path in generated.PACKAGE.rglob("*.py")
        if path.stat().st_size
        and f"`{path.relative_to(generated.PACKAGE).as_posix()}` | " not in architecture
    ]
    assert silent == []
