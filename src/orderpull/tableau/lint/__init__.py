"""Lint of a workbook, for faults that Tableau's schemas do not detect.

A workbook may be valid XML for Tableau and still open with red fields, wrong filters or wrong
numbers. Each rule yields its findings.
"""

from pathlib import Path

from orderpull.tableau.lint import dashboards, documents, fields, sheets, sources
from orderpull.tableau.lint.workbook import Finding, Rule, Workbook

RULES = [
    rule
    for module in (documents, sources, fields, sheets, dashboards)
    for rule in vars(module).values()
    if isinstance(rule, Rule)
]


def check_file(file: Path) -> list[Finding]:
    """Check a ``.twb`` or ``.twbx`` file.

    :raises UsageError: *file* cannot be read, or is neither.
    """
    text, files, findings = documents.read(file)
    return [*findings, *check(text, files)] if text else findings


def check(text: bytes, files: frozenset[str] | None = None) -> list[Finding]:
    """Check the XML of a workbook.

    :param files: names of the other files of its package; None without a package.
    """
    root, findings = documents.parse(text)
    if root is None:
        return findings
    workbook = Workbook(root, files)
    for rule in RULES:
        findings += rule.findings(workbook)
    return findings
