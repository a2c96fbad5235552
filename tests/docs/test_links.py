"""Links and names in the docs lead somewhere."""

import re
from pathlib import Path

import pytest

from orderpull import errors
from tests.docs.markdown import FILES, ROOT, inline, prose, rows, section, text_of

_LINK = re.compile(r"\]\(([^)\s]+)\)")


def anchors(file: Path) -> set[str]:
    """The anchors of the headings of *file*, as they are made on the common forges."""
    headings = re.findall(r"^#+ (.+)$", prose(file), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_relative_links_resolve(file: Path) -> None:
    """Each link within the project leads to a file, and to a heading of it."""
    broken = []
    for link in _LINK.findall(prose(file)):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (file.parent / path).resolve() if path else file
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_files_that_are_named_exist(file: Path) -> None:
    """A path of the project between backticks is there."""
    named = [text for text in inline(file) if re.match(r"(src|tests|docs|scripts|examples)/", text)]
    paths = [text.partition("::")[0] for text in named]
    assert [path for path in paths if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("name", ["docs/architecture.md", "docs/decisions.md", "CONTRIBUTING.md"])
def test_classes_that_are_named_exist(name: str) -> None:
    """A class of the program between backticks is there."""
    source = "\n".join(text_of(file) for file in (ROOT / "src").rglob("*.py"))
    named = {text.partition(".")[0] for text in inline(ROOT / name)}
    classes = {text for text in named if re.fullmatch(r"([A-Z][a-z]+){2,}", text)}
    known = set(re.findall(r"\b(?:[A-Z][a-z]+){2,}\b", source))
    assert classes <= known


def test_the_errors_are_those_of_the_program() -> None:
    """CONTRIBUTING's table of errors names classes that exist, with their exit codes."""
    table = rows(section(ROOT / "CONTRIBUTING.md", "## Errors"))
    named = [row for row in table if row["error"] != "-"]
    assert len(named) >= 6
    for row in named:
        error = getattr(errors, row["error"])
        assert row["exit"].startswith(str(getattr(error, "exit_code", ""))) or (
            error is errors.Interrupted and row["exit"] == "130, 143"
        )


def test_the_changelog_names_every_command() -> None:
    """What exists stands in the changelog."""
    from orderpull.cli import main

    changelog = text_of(ROOT / "CHANGELOG.md")
    assert [name for name in main.commands if not re.search(rf"`[^`]*\b{name}\b", changelog)] == []
