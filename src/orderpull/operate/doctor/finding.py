"""Findings of a diagnosis, and the report that holds them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

Level = Literal["ok", "warning", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check found.

    :param what: a sentence, or for ``ok`` the thing that was looked at.
    :param where: the file, folder, table or setting; '' if *what* names it.
    :param mend: the command that mends it, or what to do; '' for ``ok``.
    """

    level: Level
    what: str
    where: str = ""
    mend: str = ""


def ok(what: str) -> Finding:
    """Something that is as it should be."""
    return Finding("ok", what)


def warning(what: str, mend: str, where: str = "") -> Finding:
    """Something that may go wrong later, or is in the way."""
    return Finding("warning", what, where, mend)


def problem(what: str, mend: str, where: str = "") -> Finding:
    """Something that is wrong now."""
    return Finding("problem", what, where, mend)


@dataclass(frozen=True, slots=True)
class Checked:
    """The findings of one check, which may be none."""

    check: str
    findings: Sequence[Finding]

    @property
    def level(self) -> Level:
        """The worst level of the findings."""
        levels = {finding.level for finding in self.findings}
        return "problem" if "problem" in levels else "warning" if "warning" in levels else "ok"

    @property
    def bad(self) -> list[Finding]:
        """The findings that are not ok, problems first."""
        return [f for level in ("problem", "warning") for f in self.findings if f.level == level]


@dataclass(frozen=True, slots=True)
class Report:
    """The results of all checks, in the order in which data flows."""

    checks: Sequence[Checked]

    def count(self, level: Level) -> int:
        """The number of findings of *level*."""
        return sum(f.level == level for checked in self.checks for f in checked.findings)

    @property
    def exit_code(self) -> int:
        """1 if there is a problem, else 0."""
        return int(self.count("problem") > 0)

    def as_json(self) -> dict[str, Any]:
        """Return the object that ``doctor --json`` prints."""
        findings = [
            {"check": checked.check, "level": f.level, "what": f.what, "where": f.where or None,
             "mend": f.mend or None}
            for checked in self.checks
            for f in checked.findings
        ]  # fmt: skip
        counts = {f"{level}s": self.count(level) for level in ("problem", "warning")}
        return {"ok": self.exit_code == 0, **counts, "findings": findings}
