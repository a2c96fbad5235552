"""Check: preflight alone, told step by step."""

from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

from orderpull.errors import LandingBusy, OrderpullError, UsageError
from orderpull.landing.protocol import SourceLanding
from orderpull.notify import sending
from orderpull.pipeline import Pipeline
from orderpull.settings import Settings
from orderpull.sources.pull import Source


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


def check(settings: Settings, sources: Iterable[str] = (), *, notify: bool = False) -> Findings:
    """Try everything that a run needs.

    An ordinary API is asked for one page; of a consume-once API only name, port and TLS are tried.

    :param notify: send a test message to everybody who is to be notified.
    :raises UsageError: *notify*, and nobody is.
    """
    if notify and not settings.notify.urls:
        raise UsageError(
            "notify.urls names nobody, so that no test message can be sent.",
            "docs/schedule.md shows how addresses are written.",
        )
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
            found.findings.append(Finding(f"{where} ({_tried(source, pipeline.part(name))})"))
        except OrderpullError as error:
            found.findings.append(Finding(where, error))
    if settings.notify.urls:
        found.findings.extend(_test_messages(settings) if notify else [_notifications(settings)])
    return found


def _tried(source: Source, landing: SourceLanding) -> str:
    """How *source* does. :raises OrderpullError: it cannot be pulled."""
    source.reach()
    if source.api.consume_once:
        return "reached; no orders asked for"
    try:
        # Who asks may get a token that has to be kept: that is for one process at a time.
        with landing.pulling() if source.authorization.keeps else nullcontext():
            source.try_once()
    except LandingBusy:
        return "reached; another orderpull is pulling it now"
    return "answers"


def _notifications(settings: Settings) -> Finding:
    """Whether messages could be sent, as far as their addresses are understood; none is sent."""
    number = len(settings.notify.urls)
    addresses = "1 address" if number == 1 else f"{number} addresses"
    try:
        sending.check(settings)
    except OrderpullError as error:
        return Finding("notifications", error)
    return Finding(f"notifications: {addresses} understood (nothing sent)")


def _test_messages(settings: Settings) -> Iterator[Finding]:
    """A message to each address, and whether it was taken; by kind alone: addresses are secret."""
    told = "This is a test of orderpull's notifications. Nothing is wrong."
    message = sending.Message(f"{settings.notify.name}: test", told, good=True)
    try:
        sent = sending.send_each(settings, message)
    except OrderpullError as error:
        yield Finding("notifications", error)
        return
    for number, (name, done) in enumerate(sent, start=1):
        what = f"notification {number} of {len(sent)} ({name})"
        if done:
            yield Finding(f"{what}: test message sent")
        else:
            hint = "Check its address in notify.urls, and the network."
            yield Finding(what, OrderpullError(f"The {what} was not taken.", hint))
