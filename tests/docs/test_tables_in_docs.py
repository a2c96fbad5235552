"""docs/tables.md tells of every reject reason and of every column of the answers."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import duckdb

from orderpull.destinations.schema import create_statements
from orderpull.landing.page import PageMeta
from orderpull.model import COUNTS, VIEWS
from orderpull.normalize.normalizer import Normalizer, StagedPage
from orderpull.sources.spec.reader import parse_api
from tests.docs.generated import PACKAGE
from tests.docs.markdown import ROOT, marked, rows, section

TABLES = ROOT / "docs" / "tables.md"
_CODE = re.compile(r"[a-z]+_(?:invalid|missing|unreadable|damaged|unexpected|reused|too_long)")


def texts(file: Path) -> Iterator[str]:
    """The texts in the code of *file*, without docstrings."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


class Overheard:
    """A connection that remembers what it was asked."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        self.statements: list[str] = []

    def execute(self, query: Any, parameters: object = None) -> duckdb.DuckDBPyConnection:
        self.statements.append(query)
        return self.connection.execute(query, parameters)


def reasons() -> set[str]:
    """Every reason that an order may be rejected for."""
    api = parse_api(marked(ROOT / "docs" / "apis.md", "example: api").text, "apis.md")
    with duckdb.connect() as connection:
        overheard = Overheard(connection)
        meta = PageMeta("shop", 1, "whole", 200, "GET /", "2026-07-01T08:00:00Z", "", 4, orders=1)
        page = StagedPage(meta, lambda: b'{"data": [{"order": {}}]}')  # with no number
        Normalizer(cast("duckdb.DuckDBPyConnection", overheard), api, "{number}").normalize([page])
    found = set(re.findall(r"'reason': '(\w+)'", "".join(overheard.statements)))
    assert len(found) > 10
    files = [*(PACKAGE / "normalize").glob("*.py"), *(PACKAGE / "destinations").glob("*.py")]
    for file in [*files, *(PACKAGE / "loading").glob("*.py")]:
        for text in texts(file):
            found.update(_CODE.findall(text))
    return found


def test_every_reason_is_told() -> None:
    """The reasons in docs/tables.md are those in the code."""
    assert {row["reason"] for row in rows(section(TABLES, "## Rejects"))} == reasons()


def test_every_count_is_told() -> None:
    """What may become of an order stands in docs/tables.md."""
    told = {row["count"] for row in rows(section(TABLES, "## The rules"))}
    assert told == set(COUNTS) - {"fetched"}


def test_every_column_of_the_answers_is_told() -> None:
    """The columns of the views in docs/tables.md are those of the views, in their order."""
    with duckdb.connect() as connection:
        for statement in create_statements("duckdb"):
            connection.execute(statement)
        for view in VIEWS:
            found = connection.execute(f"DESCRIBE {view}").fetchall()
            told = [row["column"] for row in rows(section(TABLES, f"### `{view}`"))]
            assert told == [row[0] for row in found]
