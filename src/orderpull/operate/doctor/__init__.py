"""Doctor: what is wrong with an installation, and the command that mends it. It changes nothing."""

from collections.abc import Callable, Iterator
from pathlib import Path

from orderpull.errors import OrderpullError
from orderpull.operate.doctor.credentials import credentials, web
from orderpull.operate.doctor.finding import Checked, Finding, Report, problem
from orderpull.operate.doctor.installation import Installation
from orderpull.operate.doctor.locks import locks
from orderpull.operate.doctor.machine import clocks, disk, versions
from orderpull.operate.doctor.pages import landing
from orderpull.operate.doctor.runs import runs, schedule, verify
from orderpull.operate.doctor.settings import settings
from orderpull.operate.doctor.snapshot import snapshot
from orderpull.operate.doctor.tables import warehouse
from orderpull.settings import read_settings

Check = Callable[[Installation], Iterator[Finding]]

CHECKS: tuple[Check, ...] = (
    settings, versions, clocks, locks, disk, landing, warehouse, snapshot, runs, schedule, verify,
    credentials, web,
)  # fmt: skip
"""The checks; the name of a function is that of the check."""


def diagnose(file: str | Path | None = None, *, deep: bool = False) -> Report:
    """Make every check; a check that fails is a finding, too.

    :param file: the settings; by default ``orderpull.toml`` in the working folder.
    :param deep: compare and hash every landed page, and read the whole snapshot.
    """
    try:
        installation = Installation(read_settings(file), deep=deep)
    except OrderpullError as error:
        return Report([Checked("settings", [problem(error.message, error.hint)])])
    return Report([_make(check, installation) for check in CHECKS])


def _make(check: Check, installation: Installation) -> Checked:
    """Make *check*, and keep what it found before it failed."""
    findings: list[Finding] = []
    try:
        findings.extend(check(installation))
    except OrderpullError as error:
        if installation.reported_by.get(str(error), check.__name__) == check.__name__:
            findings.append(problem(error.message, error.hint))
    except Exception as error:  # noqa: BLE001 - the other checks are still worth their findings
        what = f"This check failed itself: {type(error).__name__}."
        findings.append(problem(what, "Report it, with the output of `orderpull doctor --json`."))
    return Checked(check.__name__, findings)
