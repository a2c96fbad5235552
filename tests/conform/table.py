"""The table APIs x cases of docs/apis.md: made here, and compared by the suite.

``scripts/write-conformance`` runs the suite and writes it.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from orderpull.conform.cases import CASES
from orderpull.conform.report import Report, conform
from orderpull.conform.target import MirrorTarget, Target
from orderpull.sources.spec.reader import built_in
from tests.conform.once import OnceTarget
from tests.conform.platform_targets import PLATFORM_TARGETS
from tests.docs.markdown import ROOT, rows

DOCS = ROOT / "docs" / "apis.md"
CALLS = "calls for 45 orders"
WALK = "a plain page walk loses"
"""The figures of one API; the walk's are words of the moving shop that they are made of."""

Columns = Mapping[str, Mapping[str, str]]
_CASES = re.compile(r"(<!-- conformance: cases -->\n).*?(<!-- end -->)", re.DOTALL)
_FIGURES = re.compile(r"(<!-- conformance: figures -->\n).*?(<!-- end -->)", re.DOTALL)


def targets(kind: str) -> dict[str, Target]:
    """What the suite tries, by the API: on its ``mirror``, or on the ``platform`` of its name."""
    names = built_in()
    if kind == "mirror":
        return {name: MirrorTarget.of(name, Path()) for name in names}
    others: dict[str, Target] = {**PLATFORM_TARGETS, "skubana-assessment": OnceTarget()}
    return {name: others[name] for name in names}


def column(report: Report) -> dict[str, str]:
    """What became of each case for one API, its calls, and the loss of the plain walk."""
    found: dict[str, str] = {each.case: each.state for each in report.outcomes}
    full = next(each for each in report.outcomes if each.case == "full pull")
    moving = next(each for each in report.outcomes if each.case == "moving shop")
    found[CALLS] = f"{full.calls} of {full.least}"
    lost = moving.detail.partition(WALK)[2].strip()
    found[WALK] = lost
    return found


def cases(mirror: Columns, platform: Columns) -> str:
    """The table of the cases, as it stands in the docs, with their descriptions from there."""
    what = {row["case"]: row["what happens"] for row in rows(_part(_CASES))}
    lines = [
        "| case | what happens | mirror | platform |",
        "| --- | --- | --- | --- |",
        *(
            f"| {c.name} | {what[c.name]} | {_passed(mirror, c.name)} | {_passed(platform, c.name)} |"
            for c in CASES
        ),
    ]
    return "\n".join((*lines, ""))


def figures(mirror: Columns, platform: Columns) -> str:
    """The table of the calls and of the plain walk, as it stands in the docs."""
    head = [f"{what}, {where}" for what in (CALLS, WALK) for where in ("mirror", "platform")]
    lines = [
        f"| API | {' | '.join(head)} |",
        "| --- | --- | --- | --- | --- |",
        *(
            f"| `{n}` | {' | '.join(c[n][w] for w in (CALLS, WALK) for c in (mirror, platform))} |"
            for n in mirror
        ),
    ]
    return "\n".join((*lines, ""))


def _passed(columns: Columns, case: str) -> str:
    """Those that pass *case*: all, all but some, or the few; and those that fail it."""
    by_state = {
        state: [name for name, column in columns.items() if column[case] == state]
        for state in ("passed", "failed", "not tried")
    }
    named = {state: ", ".join(f"`{n}`" for n in names) for state, names in by_state.items()}
    if by_state["failed"]:
        return f"**failed: {named['failed']}**"
    if len(by_state["passed"]) <= len(by_state["not tried"]):
        return named["passed"]
    return f"all but {named['not tried']}" if named["not tried"] else "all"


def documented(kind: str, name: str) -> dict[str, str]:
    """What the docs say of one API, in the form of :func:`column`."""
    found = {}
    for row in rows(_part(_CASES)):
        listed = name in re.findall(r"[\w-]+", row[kind])
        passed = not listed if row[kind].startswith("all") else listed
        found[row["case"]] = "passed" if passed else "not tried"
    (row,) = (row for row in rows(_part(_FIGURES)) if row["API"] == name)
    return found | {what: row[f"{what}, {kind}"] for what in (CALLS, WALK)}


def _part(pattern: re.Pattern[str]) -> str:
    """The text of the docs that *pattern* finds."""
    match = pattern.search(DOCS.read_text("utf-8"))
    assert match
    return match[0]


def write() -> None:
    """Run the suite and write both tables."""
    mirror, platform = (
        {name: column(conform(target)) for name, target in targets(kind).items()}
        for kind in ("mirror", "platform")
    )
    text = DOCS.read_text("utf-8")
    text = _CASES.sub(lambda m: m[1] + cases(mirror, platform) + m[2], text)
    text = _FIGURES.sub(lambda m: m[1] + figures(mirror, platform) + m[2], text)
    DOCS.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
