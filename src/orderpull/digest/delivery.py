"""Delivery of a digest: once for each period and recipient, also when a process is killed.

Before a recipient is served, that is noted durably; afterwards, whether the message was taken. A
kill in between leaves the first note alone. Then nobody knows whether the message went out, so it
is reported and not sent again.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from msgspec import Struct

from orderpull import clock
from orderpull.digest.digest import Digest, read_digest
from orderpull.digest.html import as_html
from orderpull.digest.period import Period, last_finished
from orderpull.digest.text import as_text
from orderpull.errors import LandingError, OrderpullError, UsageError
from orderpull.failpoints import failpoint
from orderpull.notify.sending import Message, Recipient, recipients_of
from orderpull.notify.store import FolderStore, LandingStore, open_store
from orderpull.settings import Settings

NAME = "digest.json"

Outcome = Literal["sent", "failed", "unknown", "before"]
"""``before``: sent by an earlier call. ``unknown``: a process was killed while it sent."""


class DigestState(Struct):
    """State of the last digest. Recipients are written as :attr:`Recipient.key`.

    :param period: :attr:`Period.key`.
    :param tried: when it was last tried (UTC); None: never.
    :param begun: the recipient that is being served.
    :param done: the recipients that need no further try.
    """

    period: str = ""
    tried: datetime | None = None
    begun: str = ""
    done: list[str] = []


@dataclass(frozen=True, slots=True)
class Delivery:
    """The result of sending. :param outcomes: each recipient's kind, and its outcome."""

    period: Period
    outcomes: list[tuple[str, Outcome]] = field(default_factory=list)

    @property
    def error(self) -> OrderpullError | None:
        """The error about recipients that did not get it; None if all did."""
        failed = [
            f"{number} of {len(self.outcomes)} ({name})"
            for number, (name, outcome) in enumerate(self.outcomes, start=1)
            if outcome in ("failed", "unknown")
        ]
        if not failed:
            return None
        listed = ", ".join(failed)
        if any(outcome == "failed" for _, outcome in self.outcomes):
            return OrderpullError(
                f"The digest of {self.period} was not taken by recipient {listed}.",
                "Check the addresses and the network; a schedule tries again after its next run.",
            )
        return OrderpullError(
            f"orderpull was killed while it sent the digest of {self.period} to {listed}.",
            "It is not sent twice; `orderpull digest --send` sends it again.",
        )

    def as_json(self) -> dict[str, Any]:
        """Return the object that ``digest --send --json`` prints."""
        return {
            "period": self.period.key,
            "ok": self.error is None,
            "recipients": [{"kind": name, "outcome": outcome} for name, outcome in self.outcomes],
        }


def message_of(digest: Digest) -> Message:
    """Return the message with *digest*."""
    return Message(digest.title, as_text(digest), "info", as_html(digest))


def deliver(settings: Settings, *, once: bool) -> Delivery:
    """Send the digest of the last finished period to all recipients.

    :param once: not to those that got it already.
    :raises UsageError: nobody is named.
    :raises OrderpullError: the digest cannot be read, or the state cannot be kept.
    """
    if not urls_of(settings):
        raise UsageError(
            "Nobody is named to whom the digest could be sent.",
            "Set urls in [digest] or [notify]; docs/schedule.md shows how to write addresses.",
        )
    recipients = recipients_of(urls_of(settings))
    period = current_period(settings)
    store = open_store(settings, NAME, DigestState)
    with _kept(settings), store.lock():
        state = store.load()
        if state.period != period.key:
            state = DigestState(period.key)
        state.tried = clock.now()
        killed, state.begun = state.begun, ""
        if killed:
            state.done.append(killed)
        elif once and all(each.key in state.done for each in recipients):
            return Delivery(period, [(each.name, "before") for each in recipients])
        store.save(state)
        return _serve(settings, recipients, _Book(store, state, killed), period, once=once)


def _serve(
    settings: Settings, recipients: list[Recipient], book: "_Book", period: Period, *, once: bool
) -> Delivery:
    delivery = Delivery(period)
    message: Message | None = None
    for each in recipients:
        outcome: Outcome
        if once and each.key in book.state.done:
            outcome = "unknown" if each.key == book.killed else "before"
        else:
            message = message or message_of(read_digest(settings))
            book.begin(each)
            failpoint("digest-begun")
            outcome = "sent" if each.send(settings, message) else "failed"
            failpoint("digest-sent")
            book.finish(each, done=outcome == "sent")
        delivery.outcomes.append((each.name, outcome))
    return delivery


@dataclass
class _Book:
    """The state on disk. :param killed: the recipient at which a process was killed."""

    store: FolderStore[DigestState] | LandingStore[DigestState]
    state: DigestState
    killed: str

    def begin(self, recipient: Recipient) -> None:
        """Note that *recipient* is served from now on."""
        self.state.begun = recipient.key
        self.store.save(self.state)

    def finish(self, recipient: Recipient, *, done: bool = True) -> None:
        """Note that *recipient* was served; if *done*, it needs no further try."""
        self.state.begun = ""
        if done and recipient.key not in self.state.done:
            self.state.done.append(recipient.key)
        self.store.save(self.state)


def last_state(settings: Settings) -> DigestState:
    """Return the state of the last digest. :raises OrderpullError: it cannot be read."""
    store = open_store(settings, NAME, DigestState)
    with _kept(settings):
        return store.load()


def is_owed(settings: Settings) -> bool:
    """True if the digest of the last finished period was tried, and somebody did not get it.

    :raises OrderpullError: the state cannot be read.
    """
    state = last_state(settings)
    if state.period != current_period(settings).key:
        return False
    return any(each.key not in state.done for each in recipients_of(urls_of(settings)))


def current_period(settings: Settings) -> Period:
    """Return the period of the digest that would be sent now."""
    zone = ZoneInfo(settings.report.timezone)
    return last_finished(settings.digest.period, clock.now(), zone)


def urls_of(settings: Settings) -> list[str]:
    """Return the addresses of the recipients."""
    return settings.digest.urls or settings.notify.urls


@contextmanager
def _kept(settings: Settings) -> Iterator[None]:
    """Turn errors of the local store into an :class:`OrderpullError`."""
    try:
        yield
    except OSError as error:
        folder = settings.folder / settings.schedule.folder
        raise LandingError(
            f"The digest was not sent: what was sent cannot be noted in {folder}"
            f" ({error.strerror or type(error).__name__}).",
            "Without that note it could be sent twice: free disk space, or let it write there.",
        ) from None
