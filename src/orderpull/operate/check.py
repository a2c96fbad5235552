"""Check everything that a run needs, and report each step."""

from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

from orderpull.errors import LandingBusy, OrderpullError, SettingsError, UsageError
from orderpull.landing.protocol import SourceLanding
from orderpull.notify import sending
from orderpull.operate.first_page import FirstPage
from orderpull.pipeline import Pipeline
from orderpull.settings import Settings
from orderpull.sources.probe import probe
from orderpull.sources.pull import Source


@dataclass(frozen=True, slots=True)
class Finding:
    """One check and its result.

    :param error: None if the check passed.
    :param detail: a second line for a person.
    """

    what: str
    error: OrderpullError | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Findings:
    """The results of all checks."""

    findings: list[Finding] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """The exit code: 0 if a run can start, else the one that the run would have."""
        return max((f.error.exit_code for f in self.findings if f.error), default=0)

    def as_json(self) -> dict[str, Any]:
        """Return the object that ``check --json`` prints."""
        return {
            "ok": self.exit_code == 0,
            "checks": [
                {"check": f.what, "ok": f.error is None, "error": str(f.error) if f.error else None}
                for f in self.findings
            ],
        }


def check(settings: Settings, sources: Iterable[str] = (), *, notify: bool = False) -> Findings:
    """Check settings, warehouse, landing, sources and notifications.

    An ordinary API gets a request for one page, and one for each kind of child list. For a
    consume-once API, only DNS, port and TLS are checked, because a page would be consumed.

    :param notify: send a test message to every address.
    :raises UsageError: *notify* is true, but no address is configured.
    """
    if notify and not settings.notify.urls:
        raise UsageError(
            "notify.urls is empty, so no test message can be sent.",
            "docs/schedule.md shows how to write addresses.",
        )
    results = Findings()
    pipeline = Pipeline(settings, sources)
    results.findings.append(Finding(f"settings: {settings.file}"))
    results.findings.extend(_refused(settings))
    try:
        pipeline.preflight()
    except OrderpullError as error:
        results.findings.append(Finding("warehouse and landing", error))
        return results
    results.findings.append(Finding(f"warehouse: {pipeline.destination}"))
    results.findings.append(Finding(f"landing: {pipeline.landing}{_features(settings, pipeline)}"))
    for name, source in pipeline.sources.items():
        where = f"source {name}: {source.where}"
        try:
            summary, detail = _try_source(source, pipeline.landing_of(name))
            results.findings.append(Finding(f"{where} ({summary})", detail=detail))
        except OrderpullError as error:
            results.findings.append(Finding(where, error))
    if notify:
        results.findings.extend(_test_messages(settings))
    elif settings.notify.urls or settings.digest.urls:
        results.findings.append(_notifications(settings))
    return results


def _refused(settings: Settings) -> Iterator[Finding]:
    """The refused rows of the list of accounts."""
    for name, reason in settings.accounts.refused.items():
        error = SettingsError(reason, "Mend that row; the others are pulled.")
        error.exit_code = 1
        yield Finding(f"account {name}", error)


def _features(settings: Settings, pipeline: Pipeline) -> str:
    """Encryption and ``keep_days``, for the line about the landing."""
    features, encryption = [], pipeline.landing.encryption
    if encryption.method is not None:
        features.append(f"encrypted: {encryption}")
    if not encryption.reads:
        features.append("no landing.identity: this machine cannot load pages")
    if days := settings.landing.keep_days:
        features.append(
            f"loaded pages are deleted after {days} days: a new warehouse cannot be made from it"
        )
    return f" ({'; '.join(features)})" if features else ""


def _try_source(source: Source, landing: SourceLanding) -> tuple[str, str]:
    """The result for *source*, and an order of it. :raises OrderpullError: it cannot be pulled."""
    source.reach()
    if source.api.consume_once:
        return "reached; no orders asked for", ""
    try:
        # The request may renew a token, which only one process at a time may store.
        with landing.pulling() if source.authenticator.persists_tokens else nullcontext():
            page = FirstPage(source, probe(source))
    except LandingBusy:
        return "reached; another orderpull is pulling it now", ""
    finally:
        source.client.close()
    page.refuse_others()
    return "; ".join((page.summary(), *source.notes)), page.example()


def _notifications(settings: Settings) -> Finding:
    """Parse the addresses for notifications, without sending a message."""
    number = len({*settings.notify.urls, *settings.digest.urls})
    addresses = "1 address" if number == 1 else f"{number} addresses"
    try:
        sending.check(settings)
    except OrderpullError as error:
        return Finding("notifications", error)
    return Finding(f"notifications: {addresses} understood (nothing sent)")


def _test_messages(settings: Settings) -> Iterator[Finding]:
    """Send a test message to each address. Findings name its kind only: addresses are secret."""
    text = "This is a test of orderpull's notifications. Nothing is wrong."
    message = sending.Message(f"{settings.notify.name}: test", text, "success")
    try:
        sent = sending.send_each(settings, message)
    except OrderpullError as error:
        yield Finding("notifications", error)
        return
    for number, (name, ok) in enumerate(sent, start=1):
        what = f"notification {number} of {len(sent)} ({name})"
        if ok:
            yield Finding(f"{what}: test message sent")
        else:
            hint = "Check its address in notify.urls, and the network."
            yield Finding(what, OrderpullError(f"The {what} was not accepted.", hint))
