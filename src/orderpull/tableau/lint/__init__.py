"""Lint of a workbook, for faults that Tableau's schemas do not detect.

A workbook may be valid XML for Tableau and still open with red fields, wrong filters or wrong
numbers. Each rule is a function that yields its findings.
"""

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
from orderpull.tableau.lint.workbook import Finding, Rule, Workbook

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
    """Check a ``.twb`` or ``.twbx`` file.

    :raises UsageError: *file* cannot be read, or is neither.
    """
    content = packages.read(file)
    if not content.text:
        return content.findings
    return [*content.findings, *check(content.text, content.files)]


def check(text: bytes, files: frozenset[str] | None = None) -> list[Finding]:
    """Check the XML of a workbook.

    :param files: names of the other files of its package; None without a package.
    """
    root, findings = documents.parse(text)
    if root is None:
        return findings
    workbook = Workbook(root, files)
    return [*findings, *(finding for rule in RULES for finding in rule(workbook))]
