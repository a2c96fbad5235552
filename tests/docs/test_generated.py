"""What the docs say of commands, tables, files and functions is what the program says."""

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

from tests.docs import generated, picture
from tests.docs.markdown import FILES, ROOT, rows, section, text_of

NO_ROOMS = {"__init__", "__main__", "__pycache__", "py"}
"""The front doors: they import a room, and no room imports them."""
DOCS = [file for file in FILES if file.parent.name == "docs"]


@pytest.mark.slow
@pytest.mark.parametrize("file", DOCS, ids=lambda file: file.name)
def test_generated_parts_are_up_to_date(file: Path) -> None:
    """Help texts, columns, files and functions stand in the docs as they are now."""
    assert text_of(file) == generated.filled(text_of(file)), "run: scripts/write-docs"


def test_every_part_stands_in_the_docs_once() -> None:
    """Each command, table and room has its place in the docs, and just one."""
    placed = Counter(name for file in DOCS for name in generated.names(text_of(file)))
    assert placed == Counter(generated.blocks().keys())


def test_the_picture_is_up_to_date() -> None:
    """The rooms, their rows and their arrows are those of today's imports."""
    assert picture.PICTURE.read_text("utf-8") == picture.svg(), "run: scripts/write-docs"


def test_every_room_stands_in_the_picture() -> None:
    """A new room gets a place in the picture; the lowest ones stand in its last row."""
    *rows, lowest = picture.layers()
    there = {path.stem for path in generated.PACKAGE.iterdir() if path.suffix in {"", ".py"}}
    assert there - set(lowest) - NO_ROOMS == set(picture.ROOMS)
    assert {room for row in rows for room in row} - NO_ROOMS == set(picture.ROOMS)


def test_an_arrow_that_follows_from_others_is_left_out() -> None:
    edges = {"a": {"b", "c"}, "b": {"c"}}
    assert picture.reduced(edges) == {"a": {"b"}, "b": {"c"}}


def test_every_module_says_what_it_is() -> None:
    """Each file of the package that is not empty begins with a docstring."""
    files = [path for path in generated.PACKAGE.rglob("*.py") if path.stat().st_size]
    assert [
        path for path in files if not ast.get_docstring(ast.parse(path.read_text("utf-8")))
    ] == []


def test_the_places_of_changes_exist() -> None:
    """Each file that docs/architecture.md names as the place of a change is in the package."""
    table = rows(section(ROOT / "docs" / "architecture.md", "## Where do I change …?"))
    named = [name for row in table for name in re.findall(r"[\w/]+\.py|[\w/]+/", row["place"])]
    assert len(named) > 10
    missing = [name for name in named if not list(generated.PACKAGE.glob(f"**/{name}"))]
    assert missing == []
