"""Just enough of Markdown to hold the docs against the program."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FILES = tuple(sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]))

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_MARK = re.compile(r"<!-- ([^>]+?) -->\n\Z")


@dataclass(frozen=True)
class Block:
    """A block of code.

    :param mark: the comment in the line before it; '' if there is none.
    """

    file: Path
    language: str
    text: str
    mark: str

    def __str__(self) -> str:
        return f"{self.file.name}: {self.mark or self.text.strip().splitlines()[0]}"


@cache
def text_of(file: Path) -> str:
    """The text of *file*."""
    return file.read_text("utf-8")


def blocks(file: Path | None = None, *, language: str = "") -> list[Block]:
    """The blocks of code of *file*, or of all files; only those in *language*, if it is given."""
    found = [block for one in ([file] if file else FILES) for block in _blocks(one)]
    return [block for block in found if not language or block.language == language]


def marked(file: Path, mark: str) -> Block:
    """The block of code under the comment *mark*."""
    (block,) = (block for block in blocks(file) if block.mark == mark)
    return block


def inline(file: Path) -> list[str]:
    """The texts between single backticks, outside of blocks."""
    return re.findall(r"`([^`\n]+(?:\n[^`\n]+)?)`", prose(file))


def prose(file: Path) -> str:
    """The text of *file* without its blocks of code."""
    return _FENCE.sub("", text_of(file))


def section(file: Path, heading: str) -> str:
    """What stands under *heading*, which begins with its number signs, up to the next like it."""
    level = re.escape(heading.partition(" ")[0])
    below = re.search(
        rf"^{re.escape(heading)}$\n(.*?)(?=^{level} |\Z)", text_of(file), re.DOTALL | re.MULTILINE
    )
    assert below, f"{file.name} has no {heading!r}"
    return below[1]


def rows(text: str) -> list[dict[str, str]]:
    """The rows of the first table in *text*, by column; code marks are taken off the cells."""
    table = [_cells(line) for line in _while_table(text[text.index("|") :].splitlines())]
    head, _, *body = table
    return [dict(zip(head, row, strict=True)) for row in body]


def _while_table(lines: list[str]) -> Iterator[str]:
    for line in lines:
        if not line.startswith("|"):
            return
        yield line


def _cells(line: str) -> list[str]:
    return [cell.strip().strip("`") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def _blocks(file: Path) -> Iterator[Block]:
    text = text_of(file)
    for match in _FENCE.finditer(text):
        before = _MARK.search(text, 0, match.start())
        yield Block(file, match[1], match[2], before[1] if before else "")
