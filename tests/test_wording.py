"""The three rules of wording (CONTRIBUTING.md, "Words"), held over docstrings and names."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "orderpull"
ROOMS = sorted({path.relative_to(PACKAGE).parts[0] for path in PACKAGE.rglob("*.py")})

FIRST_WORDS = frozenset(
    ("what", "who", "whoever", "whose", "where", "those", "whether", "how", "which", "why", "it")
)
"""A docstring begins with a noun or a verb; with none of these."""

NAMES = frozenset({"told", "said", "given", "found", "asked", "apart", "here", "words"})
"""Participles and adverbs that name nothing."""

PHRASES = re.compile(
    r"\b(?:is|are|takes?|has|have) none\b|\bwhat (?:it|they) (?:is|are)\b|\bcomes? of it\b|"
    r"\b(?:is|are) told\b|\bmakes? of it\b|\bcame of\b",
    re.IGNORECASE,
)
LONGEST = 25
"""Words of a sentence."""

_CODE = re.compile(r"``.*?``|`.*?`|:\w+:`.*?`", re.DOTALL)
_SENTENCE_END = re.compile(r"(?<=[.;:!?])\s+|\n\s*\n|\n\s*(?=:\w+|- |\* |\d+\. )")
_LITERAL = re.compile(r"::\n(\n?(?: {2,}.*)?)*", re.MULTILINE)


def files_of(room: str) -> list[Path]:
    place = PACKAGE / room
    return sorted(place.rglob("*.py")) if place.is_dir() else [place]


def docstrings(path: Path) -> Iterator[tuple[int, str]]:
    """Each docstring of *path* with its line, those of attributes among them."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for statement in node.body:
            match statement:
                case ast.Expr(value=ast.Constant(value=str() as text)):
                    yield statement.lineno, text


def sentences(text: str) -> Iterator[str]:
    """The sentences of a docstring, each piece of code in them as one word."""
    plain = _CODE.sub("CODE", _LITERAL.sub("\n\n", text))
    yield from (one for part in _SENTENCE_END.split(plain) if (one := " ".join(part.split())))


def faults(text: str) -> Iterator[str]:
    first = re.match(r"\W*(\w+)", text)
    if first and first[1].lower() in FIRST_WORDS and not text.lstrip().startswith("`"):
        yield f"begins with {first[1]!r}"
    for sentence in sentences(text):
        if len(sentence.split()) > LONGEST:
            yield f"{len(sentence.split())} words: {sentence}"
        if phrase := PHRASES.search(sentence):
            yield f"says {phrase[0]!r}: {sentence}"


def bad_names(path: Path) -> Iterator[tuple[int, str]]:
    """Names of variables, parameters, functions and attributes that are in :data:`NAMES`."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        match node:
            case ast.Name(id=name, ctx=ast.Store()):
                pass
            case ast.arg(arg=name):
                pass
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                pass
            case ast.Attribute(attr=name, ctx=ast.Store()):
                pass
            case _:
                continue
        if name.strip("_").lower() in NAMES:
            yield node.lineno, name


@pytest.mark.parametrize("room", ROOMS)
def test_docstrings_name_the_thing_in_short_sentences(room: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {fault}"
        for path in files_of(room)
        for line, text in docstrings(path)
        for fault in faults(text)
    ]
    assert wrong == []


@pytest.mark.parametrize("room", ROOMS)
def test_names_name_something(room: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in files_of(room)
        for line, name in bad_names(path)
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("What an answer amounts to.", "begins with 'What'"),
        ("Return the size.\n\n:param a: is none of theirs.", "says 'is none'"),
        (" ".join(["word"] * 26) + ".", "26 words"),
    ],
)
def test_a_fault_would_be_found(text: str, fault: str) -> None:
    assert [one for one in faults(text) if one.startswith(fault)]
