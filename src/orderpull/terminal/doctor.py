"""The report of the doctor on one screen: a line for each check, and what mends each finding."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from orderpull.operate.doctor.finding import Checked, Finding, Level, Report

MARKS: dict[Level, tuple[str, str]] = {
    "ok": ("✓", "green"),
    "warning": ("!", "yellow"),
    "problem": ("✗", "red"),
}
"""Mark and style of each level."""


def show_report(report: Report, console: Console) -> None:
    """Print *report*: checks without a finding in one line, the others with each finding."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for checked in report.checks:
        _add(table, checked)
    console.print(table)
    console.print(_summary(report))


def _add(table: Table, checked: Checked) -> None:
    if not checked.findings:
        return
    name = Text(checked.check, style="bold")
    if checked.level == "ok":
        text = "; ".join(finding.what for finding in checked.findings)
        table.add_row(_mark("ok"), name, Text(text, style="dim"))
    for number, finding in enumerate(checked.bad):
        table.add_row(_mark(finding.level), name if number == 0 else "", _described(finding))


def _described(finding: Finding) -> Text:
    text = Text(finding.what)
    if finding.where:
        text = Text(f"{finding.where}: ", style="dim")
        text.append(finding.what[:1].lower() + finding.what[1:], style="not dim")
    if finding.mend:
        text.append("\n→ ", style="not dim").append(finding.mend, style="not dim cyan")
    return text


def _mark(level: Level) -> Text:
    mark, style = MARKS[level]
    return Text(mark, style=style)


def _summary(report: Report) -> Text:
    problems, warnings = report.count("problem"), report.count("warning")
    if not problems and not warnings:
        return Text("\nAll is well.", style="green")
    parts = [
        f"{count} {level}{'s' if count > 1 else ''}"
        for level, count in (("problem", problems), ("warning", warnings))
        if count
    ]
    return Text(f"\n{' and '.join(parts)}.", style="red" if problems else "yellow")
