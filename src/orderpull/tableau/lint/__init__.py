"""Check a workbook for what Tableau's schemas do not see: whether all that it names is there.

A workbook may be valid XML for Tableau and still open with red fields, silent filters or wrong
numbers. Each rule here is a function that yields what it finds.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from orderpull.tableau.lint import (
    actions,
    connections,
    dashboards,
    documents,
    fields,
    filters,
    packages,
    relations,
    sheets,
)
from orderpull.tableau.lint.workbook import Book, Finding

Rule = Callable[[Book], Iterator[Finding]]

RULES: tuple[Rule, ...] = (
    *documents.RULES,
    *connections.RULES,
    *relations.RULES,
    *fields.RULES,
    *sheets.RULES,
    *filters.RULES,
    *dashboards.RULES,
    *actions.RULES,
)


def check_file(file: Path) -> list[Finding]:
    """What is wrong with a ``.twb`` or ``.twbx``; nothing if all is well.

    :raises UsageError: it cannot be read, or is neither.
    """
    read = packages.read(file)
    return [*read.findings, *check(read.text, read.files)] if read.text else read.findings


def check(text: bytes, files: frozenset[str] | None = None) -> list[Finding]:
    """What is wrong with the text of a workbook.

    :param files: what lies beside it in its package; None: it is in none.
    """
    root, wrong = documents.parse(text)
    if root is None:
        return wrong
    book = Book(root, files)
    return [*wrong, *(finding for rule in RULES for finding in rule(book))]
