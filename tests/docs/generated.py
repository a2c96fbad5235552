"""The parts of the docs that are made from the program: ``scripts/write-docs`` writes them anew."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click

from orderpull.cli import main as orderpull
from orderpull.model import DATA_TABLES, LEDGER_REJECT, SIZES, TABLES, Table
from orderpull.simulator import FAULTS
from orderpull.sources.spec.expression import CONDITIONS, FUNCTIONS

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PACKAGE = ROOT / "src" / "orderpull"
WIDTH = 78
ROOMS = {
    "command line": "cli __main__.py terminal logs.py",
    "settings": "settings.py s3.py",
    "story": "pipeline.py pulling.py loading.py",
    "ask": "sources",
    "keep": "landing",
    "shape": "normalize",
    "load": "destinations",
    "answer": "answers",
    "show": "web",
    "tableau": "tableau",
    "schedule": "schedule",
    "notify": "notify",
    "operate": "operate demo.py",
    "words": "__init__.py model.py errors.py failpoints.py clock.py days.py sqltext.py",
    "run elsewhere": "aws",
    "simulate": "simulator",
    "conform": "conform",
}
"""Which files stand in which part of ``docs/architecture.md``."""
_BLOCK = re.compile(r"(<!-- generated: ([^>]+?) -->\n).*?(<!-- end -->)", re.DOTALL)


def blocks() -> dict[str, str]:
    """Each generated part by its name, as it stands between the markers."""
    parts = {"functions": _functions(), "faults": _faults(), "sizes": _sizes()}
    parts["layers"] = _layers()
    parts |= {f"table {table.name}": _columns(table) for table in TABLES}
    parts |= {f"files {room}": _files(where.split()) for room, where in ROOMS.items()}
    for path, text in helps(orderpull, ()):
        parts[" ".join(("help", *path))] = f"```text\n{text}\n```\n"
    return parts


def filled(text: str) -> str:
    """*text* with each generated part as it should be."""
    parts = blocks()
    return _BLOCK.sub(lambda match: match[1] + parts[match[2]] + match[3], text)


def names(text: str) -> list[str]:
    """The names of the generated parts in *text*."""
    return [match[2] for match in _BLOCK.finditer(text)]


def helps(
    command: click.Command, path: tuple[str, ...], parent: click.Context | None = None
) -> Iterator[tuple[tuple[str, ...], str]]:
    """What ``--help`` prints for *command* and all below it."""
    settings = orderpull.context_settings
    name = path[-1] if path else "orderpull"
    context = click.Context(
        command, parent=parent, info_name=name, terminal_width=WIDTH, **settings
    )
    yield path, command.get_help(context)
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            found = command.get_command(context, below)
            assert found is not None
            yield from helps(found, (*path, below), context)


def _columns(table: Table) -> str:
    rows = [
        f"| `{c.name}` | {c.type} | {'yes' if c.name in table.key else ''} | {c.meaning} |"
        for c in table.columns
    ]
    return "\n".join(("| column | holds | key | meaning |", "| --- | --- | --- | --- |", *rows, ""))


def _sizes() -> str:
    told = [c.name for table in (*DATA_TABLES, LEDGER_REJECT) for c in table.columns if c.size]
    by_size: dict[int, list[str]] = {}
    for name in dict.fromkeys(told):
        by_size.setdefault(SIZES[name], []).append(f"`{name}`")
    rows = [f"| {size:,} | {', '.join(by_size[size])} |" for size in sorted(by_size)]
    return "\n".join(("| bytes | columns |", "| --- | --- |", *rows, ""))


def modules(where: list[str]) -> list[Path]:
    """The files of the package at these places."""
    found: list[Path] = []
    for name in where:
        path = PACKAGE / name
        inside = [*path.rglob("*.py"), *path.rglob("*.toml")]
        found += sorted(inside) if path.is_dir() else [path]
    return found


def _files(where: list[str]) -> str:
    rows = [
        f"| `{path.relative_to(PACKAGE).as_posix()}` | {sentence} |"
        for path in modules(where)
        if (sentence := _first_sentence(path))
    ]
    return "\n".join(("| file | is |", "| --- | --- |", *rows, ""))


def _first_sentence(path: Path) -> str:
    """What a file says of itself in its first line."""
    if path.suffix == ".toml":
        return str(tomllib.loads(path.read_text("utf-8"))["title"])
    docstring = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    return docstring.partition("\n\n")[0].replace("\n", " ").replace("``", "`").replace("|", "\\|")


def _layers() -> str:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    (rooms,) = (c for c in project["tool"]["importlinter"]["contracts"] if c["id"] == "rooms")
    there = re.compile(r"\(\w+\) \| ")
    return "\n".join(("```text", *(there.sub("", layer) for layer in rooms["layers"]), "```", ""))


def _functions() -> str:
    rows = [
        f"| `{name}` | {'condition' if name in CONDITIONS else 'value'} | {meaning} |"
        for name, meaning in FUNCTIONS.items()
    ]
    return "\n".join(("| function | gives | which is |", "| --- | --- | --- |", *rows, ""))


def _faults() -> str:
    rows = [
        f"| `{name}` | {'yes' if fault.consumed else ''} "
        f"| {', '.join(f'`{option}`' for option in fault.options)} | {fault.sentence} |"
        for name, fault in FAULTS.items()
    ]
    head = ("| fault | consumes | options | what it does |", "| --- | --- | --- | --- |")
    return "\n".join((*head, *rows, ""))


def write() -> None:
    """Write every generated part of the docs anew."""
    for file in sorted(DOCS.glob("*.md")):
        file.write_text(filled(file.read_text("utf-8")), encoding="utf-8")


if __name__ == "__main__":
    write()
