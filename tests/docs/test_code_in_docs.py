"""What the docs tell people to type is understood by the program."""

import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec
import pytest

from orderpull import parse_settings
from orderpull.cli import main
from orderpull.destinations import open_destination
from orderpull.sources.spec.api import Api
from orderpull.sources.spec.reader import parse_api
from orderpull.sources.spec.validation import validate
from tests.conform.files import PLAIN
from tests.docs.markdown import FILES, ROOT, Block, blocks, inline

_COMMAND = re.compile(r"(?:^|&& )orderpull (?P<rest>[^|>&\n]*)", re.MULTILINE)
APIS = ROOT / "docs" / "apis.md"


def commands() -> Iterator[tuple[str, str]]:
    """Each command line of the docs: where it stands, and what follows ``orderpull``."""
    for block in blocks():
        if block.language in {"sh", "text"} and "generated" not in block.mark:
            for match in _COMMAND.finditer(block.text):
                yield block.file.name, match["rest"]
    for file in FILES:
        for text in inline(file):
            if text.startswith("orderpull "):
                yield file.name, text.removeprefix("orderpull ")


LINES = sorted(set(commands()))


def understood(words: list[str]) -> click.Command:
    """The command that *words* name. :raises click.UsageError: it does not take them."""
    command: click.Command = main
    context = click.Context(main, info_name="orderpull", help_option_names=["-h", "--help"])
    while True:
        options, rest, _ = command.make_parser(context).parse_args(list(words))
        for parameter in command.params:
            if parameter.name in options and not isinstance(parameter, click.Argument):
                parameter.type_cast_value(context, options[parameter.name])
        if not isinstance(command, click.Group) or not rest:
            return command
        found = command.get_command(context, rest[0])
        if found is None:
            raise click.UsageError(f"no command {rest[0]}")
        command, words = found, rest[1:]
        context = click.Context(command, parent=context, info_name=found.name)


def test_there_are_command_lines() -> None:
    """The docs are full of commands: if none were found, nothing would be checked."""
    assert len(LINES) > 30


@pytest.mark.parametrize(("where", "line"), LINES, ids=str)
def test_commands_are_real(where: str, line: str) -> None:
    """Each command line has a command and options that exist, with values of their type."""
    understood(shlex.split(line, comments=True))


@pytest.mark.parametrize("line", ["runn", "run --jsn", "report --top none", "rejects lst"])
def test_a_wrong_command_line_is_found(line: str) -> None:
    """A command, option or value that does not exist is seen."""
    with pytest.raises(click.UsageError):
        understood(shlex.split(line))


def test_make_targets_are_real() -> None:
    """Each `make` target that is named is in the Makefile."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    lines = [text for file in FILES for text in inline(file)]
    lines += [line for block in blocks(language="sh") for line in block.text.splitlines()]
    words = [word for line in lines if line.startswith("make ") for word in _words(line)[1:]]
    named = {word for word in words if "=" not in word}
    assert {"demo", "test"} <= named <= targets


def _words(line: str) -> list[str]:
    return shlex.split(line, comments=True)


@pytest.mark.parametrize("block", blocks(language="toml"), ids=str)
def test_toml_is_taken(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each settings file, API file and part of one in the docs is one that the program takes.

    Nothing is connected to: settings of a destination are read, and so is its URL.
    """
    for name in re.findall(r"\$\{(\w+)\}", block.text):
        monkeypatch.setenv(name, "x")
    if block.mark.startswith("part:"):
        table = tomllib.loads(PLAIN) | tomllib.loads(block.text)
        api = msgspec.convert(table, Api)
        assert list(validate(api)) == []
        assert api.mapping.number
    elif block.file == APIS and "[sources." not in block.text:
        parse_api(block.text, str(block))
    else:
        settings = parse_settings(block.text)
        assert settings != parse_settings("")
        open_destination(settings.destination, tmp_path)


@pytest.mark.parametrize("block", blocks(language="json"), ids=str)
def test_json_is_json(block: Block) -> None:
    """Each JSON block is JSON."""
    json.loads(block.text)


def test_python_compiles() -> None:
    """Each Python block, and each example, compiles."""
    examples = sorted(Path(ROOT / "examples").glob("*.py"))
    assert examples
    for block in blocks(language="python"):
        compile(block.text, str(block), "exec")
    for example in examples:
        compile(example.read_text("utf-8"), example.name, "exec")
