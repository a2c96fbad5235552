"""The table APIs x cases of docs/apis.md: made here, and compared by the suite.

``scripts/write-conformance`` runs the suite and writes it.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from orderpull.conform.cases import CASES
from orderpull.conform.report import Report, conform_on
from orderpull.conform.target import MirrorTarget, Target
from orderpull.sources.spec.reader import built_in
from tests.conform.once import OnceTarget
from tests.conform.platform_targets import PLATFORM_TARGETS
from tests.docs.markdown import ROOT, rows

DOCS = ROOT / "docs" / "apis.md"
MARKS = {"passed": "yes", "failed": "**no**", "not tried": ""}
WALK = "a plain page walk loses"
"""The row, and the words of the moving shop that it is made of."""

_PART = re.compile(r"(<!-- conformance: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def targets(kind: str) -> dict[str, Target]:
    """What the suite tries, by the API: on its ``mirror``, or on the ``platform`` of its name."""
    names = built_in()
    if kind == "mirror":
        return {name: MirrorTarget.of(name, Path()) for name in names}
    others: dict[str, Target] = {**PLATFORM_TARGETS, "skubana-assessment": OnceTarget()}
    return {name: others[name] for name in names}


def column(report: Report) -> dict[str, str]:
    """The cells of one API: a row for each case, one for calls, and one for the plain walk."""
    found = {each.case: MARKS[each.state] for each in report.outcomes}
    full = next(each for each in report.outcomes if each.case == "full pull")
    moving = next(each for each in report.outcomes if each.case == "moving shop")
    found["calls for 45 orders"] = f"{full.calls} of {full.least}"
    lost = moving.detail.partition(WALK)[2].strip()
    found[WALK] = lost
    return found


def shown(columns: Mapping[str, Mapping[str, str]]) -> str:
    """The table of *columns*, as it stands in the docs."""
    names = [case.name for case in CASES] + ["calls for 45 orders", WALK]
    lines = [
        f"| case | {' | '.join(f'`{name}`' for name in columns)} |",
        f"| --- |{' --- |' * len(columns)}",
        *(f"| {n} | {' | '.join(c[n] for c in columns.values())} |" for n in names),
    ]
    return "\n".join((*lines, ""))


def documented(kind: str, name: str) -> dict[str, str]:
    """The cells of one API as they stand in the docs."""
    match = next(m for m in _PART.finditer(DOCS.read_text("utf-8")) if m[2] == kind)
    return {row["case"]: row[name] for row in rows(match[0])}


def write() -> None:
    """Run the suite and write both tables."""
    tables = {
        kind: shown({name: column(conform_on(target)) for name, target in targets(kind).items()})
        for kind in ("mirror", "platform")
    }
    text = _PART.sub(lambda m: m[1] + tables[m[2]] + m[3], DOCS.read_text("utf-8"))
    DOCS.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
