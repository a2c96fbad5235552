"""Check: preflight alone, told step by step."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from orderpull.errors import OrderpullError
from orderpull.notify import sending
from orderpull.pipeline import Pipeline
from orderpull.settings import Settings


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was tried. :param error: what is wrong with it, if anything."""

    what: str
    error: OrderpullError | None = None


@dataclass(frozen=True, slots=True)
class Findings:
    """All that was tried."""

    findings: list[Finding] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0: a run could begin; else the exit code it would have."""
        return max((f.error.exit_code for f in self.findings if f.error), default=0)

    def as_json(self) -> dict[str, Any]:
        """As ``check --json`` shows it."""
        return {
            "ok": self.exit_code == 0,
            "checks": [
                {"check": f.what, "ok": f.error is None, "error": str(f.error) if f.error else None}
                for f in self.findings
            ],
        }


def check(settings: Settings, sources: Iterable[str] = ()) -> Findings:
    """Try everything that a run needs.

    An ordinary API is asked for one page; of a consume-once API only name, port and TLS are tried.
    """
    found = Findings()
    pipeline = Pipeline(settings, sources)
    found.findings.append(Finding(f"settings: {settings.file}"))
    try:
        pipeline.preflight()
    except OrderpullError as error:
        found.findings.append(Finding("warehouse and landing", error))
        return found
    found.findings.append(Finding(f"warehouse: {pipeline.destination}"))
    found.findings.append(Finding(f"landing: {pipeline.landing}"))
    for name, source in pipeline.sources.items():
        where = f"source {name}: {source.where}"
        try:
            source.reach()
            if not source.api.consume_once:
                source.try_once()
        except OrderpullError as error:
            found.findings.append(Finding(where, error))
        else:
            once = " (reached; no orders asked for)" if source.api.consume_once else " (answers)"
            found.findings.append(Finding(where + once))
    if settings.notify.urls:
        found.findings.append(_notifications(settings))
    return found


def _notifications(settings: Settings) -> Finding:
    """Whether messages could be sent, as far as their addresses are understood; none is sent."""
    number = len(settings.notify.urls)
    addresses = "1 address" if number == 1 else f"{number} addresses"
    try:
        sending.check(settings)
    except OrderpullError as error:
        return Finding("notifications", error)
    return Finding(f"notifications: {addresses} understood (nothing sent)")
