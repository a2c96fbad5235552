"""Reads the golden files: an order as its API serves it, and the rows that must come of it.

::

    api skubana-assessment            # a built-in API, for all cases below
    ordernumber {number}~{id}         # the setting of that name, likewise
    toml                              # or an API of one's own, up to `end`
    title = "..."
    end

    --- what the case shows
    {"orderNumber": 1.10,             # the order: an element of the page's list
     "orderItems": [...]}
    header   {"ordernumber": "1.10"}  # rows: only the fields that matter
    address  {"city": null}
    item     {"sku": "A", "quantity": 2}
    reject   {"reason": "...", "path": "...", "message": "..."}

Lines that begin with ``#`` are comments. All items must be told, or ``no items``, or none at all
where they do not matter.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orderpull.sources.spec.api import Api
from orderpull.sources.spec.reader import parse_api
from tests.normalize.helpers import named_api

FOLDER = Path(__file__).parent / "golden"
ROWS = ("header", "address", "item", "reject", "no items")


@dataclass(frozen=True)
class Setup:
    """How a case's order is read."""

    api: str = ""
    toml: str = ""
    ordernumber: str = "{number}"

    def read_api(self) -> Api:
        """The API."""
        return parse_api(self.toml, "golden.toml") if self.toml else named_api(self.api)


@dataclass
class Case:
    """One case of a golden file."""

    file: str
    line: int
    title: str
    setup: Setup
    order: str = ""
    expected: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.title}"

    def page(self, api: Api) -> bytes:
        """A page with this order alone."""
        body = f"[{self.order}]"
        for key in reversed(api.record_path.steps):
            body = f"{{{json.dumps(key)}: {body}}}"
        return body.encode()

    def rows(self, kind: str) -> list[dict[str, Any]]:
        """The expected rows of one kind."""
        return [row for found, row in self.expected if found == kind]


def cases() -> list[Case]:
    """Every case of every golden file."""
    return [case for path in sorted(FOLDER.glob("*.txt")) for case in _cases(path)]


def _cases(path: Path) -> Iterator[Case]:  # noqa: C901 - one small state machine
    setup = Setup()
    case: Case | None = None
    lines = iter(enumerate(path.read_text(encoding="utf-8").splitlines(), start=1))
    for number, line in lines:
        word = line.partition(" ")[0]
        if line.startswith("#") or not line.strip():
            continue
        if word in {"api", "ordernumber", "toml", "---"} and case:
            yield _checked(case)
            case = None
        if word == "api":
            setup = Setup(api=line.split()[1])
        elif word == "ordernumber":
            setup = Setup(setup.api, setup.toml, line.partition(" ")[2].strip())
        elif word == "toml":
            block = iter(lambda: next(lines)[1], "end")
            setup = Setup(toml="\n".join(block))
        elif word == "---":
            case = Case(path.stem, number, line[4:], setup)
        elif case is None:
            raise ValueError(f"{path.name}:{number}: this belongs to no case")
        elif line.startswith(ROWS):
            kind = next(kind for kind in ROWS if line.startswith(kind))
            case.expected.append((kind, json.loads(line[len(kind) :] or "{}")))
        else:
            case.order += line + "\n"
    if case:
        yield _checked(case)


def _checked(case: Case) -> Case:
    if not case.order or not case.expected:
        raise ValueError(f"{case}: a case has an order and something expected")
    return case
