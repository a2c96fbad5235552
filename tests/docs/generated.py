"""The parts of the docs that are made from the program: ``scripts/write-docs`` writes them anew."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click

from orderpull.cli import main as orderpull
from orderpull.model import DATA_TABLES, LEDGER_REJECT, SIZES, TABLES, Table
from orderpull.sources.spec.expression import CONDITIONS, FUNCTIONS
from tests.docs.picture import PICTURE, ROOMS, svg

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PACKAGE = ROOT / "src" / "orderpull"
INTERNAL = (
    "orderpull_page",
    "orderpull_cursor",
    "orderpull_schema",
    "summary_year",
    "summary_state",
)
"""Tables that nobody has to read, and one that is like another: names of columns suffice."""
_BLOCK = re.compile(r"(<!-- generated: ([^>]+?) -->\n).*?(<!-- end -->)", re.DOTALL)


def blocks() -> dict[str, str]:
    """Each generated part by its name, as it stands between the markers."""
    parts = {"commands": _commands(), "functions": _functions(), "sizes": _sizes()}
    parts["rooms"] = _rooms()
    return parts | {f"table {table.name}": _columns(table) for table in TABLES}


def filled(text: str) -> str:
    """*text* with each generated part as it should be."""
    parts = blocks()
    return _BLOCK.sub(lambda match: match[1] + parts[match[2]] + match[3], text)


def names(text: str) -> list[str]:
    """The names of the generated parts in *text*."""
    return [match[2] for match in _BLOCK.finditer(text)]


def _commands() -> str:
    rows = [
        f"| `{' '.join(words)}` | {command.get_short_help_str(limit=200)} |"
        for words, command in _leaves(orderpull, ())
    ]
    return "\n".join(("| command | does |", "| --- | --- |", *rows, ""))


def _leaves(
    command: click.Command, path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Each command below *command* that is no group, with the words that call it."""
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            yield from _leaves(below, (*path, name))
    else:
        context = click.Context(command)
        arguments = [p for p in command.params if isinstance(p, click.Argument)]
        yield (*path, *(each.make_metavar(context) for each in arguments)), command


def _columns(table: Table) -> str:
    if table.name in INTERNAL:
        return ", ".join(f"`{c.name}`" for c in table.columns) + "\n"
    key = ", ".join(f"`{c.name}`" for c in table.columns if c.name in table.key)
    rows = [f"| `{c.name}` {c.type} | {c.meaning} |" for c in table.columns]
    told = [f"Key: {key}", ""] if key else []
    return "\n".join((*told, "| column | meaning |", "| --- | --- |", *rows, ""))


def _sizes() -> str:
    told = [c.name for table in (*DATA_TABLES, LEDGER_REJECT) for c in table.columns if c.size]
    by_size: dict[int, list[str]] = {}
    for name in dict.fromkeys(told):
        by_size.setdefault(SIZES[name], []).append(f"`{name}`")
    rows = [f"| {size:,} | {', '.join(by_size[size])} |" for size in sorted(by_size)]
    return "\n".join(("| bytes | columns |", "| --- | --- |", *rows, ""))


def _rooms() -> str:
    rows = [f"| `{place}` | {_first_sentence(PACKAGE / place)} |" for place in map(_place, ROOMS)]
    return "\n".join(("| room | does |", "| --- | --- |", *rows, ""))


def _place(room: str) -> str:
    return f"{room}/" if (PACKAGE / room).is_dir() else f"{room}.py"


def _first_sentence(path: Path) -> str:
    """Read the first sentence of the docstring of a module or package."""
    file = path / "__init__.py" if path.is_dir() else path
    docstring = ast.get_docstring(ast.parse(file.read_text("utf-8"))) or ""
    return docstring.partition("\n\n")[0].replace("\n", " ").replace("``", "`").replace("|", "\\|")


def _functions() -> str:
    rows = [
        f"| `{name}` | {'condition' if name in CONDITIONS else 'value'} | {meaning} |"
        for name, meaning in FUNCTIONS.items()
    ]
    return "\n".join(("| function | gives | which is |", "| --- | --- | --- |", *rows, ""))


def write() -> None:
    """Write every generated part of the docs anew."""
    for file in sorted(DOCS.glob("*.md")):
        file.write_text(filled(file.read_text("utf-8")), encoding="utf-8")
    PICTURE.write_text(svg(), encoding="utf-8")


if __name__ == "__main__":
    write()
