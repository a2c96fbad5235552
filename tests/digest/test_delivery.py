"""A digest is sent once for each period and recipient, whatever fails or is killed."""

import json
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from orderpull import Settings, pipeline
from orderpull.digest import delivery
from orderpull.digest.delivery import NAME, DigestState, deliver, is_owed
from orderpull.errors import LandingError, OrderpullError
from orderpull.notify.store import open_store
from orderpull.pipeline import RunResult
from orderpull.schedule.loop import Schedule
from orderpull.schedule.trigger import Every
from tests.digest.shop import NOW, at, shop
from tests.doubles.mail import MailBox, mail_server
from tests.doubles.webhook import Post, post_office
from tests.processes import start

# apprise's own, on Python 3.11 and 3.12.
pytestmark = [
    pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning"),
    pytest.mark.slow,
]
WEEK = timedelta(days=7)


@dataclass
class Office:
    """A shop whose digest goes to a mail server and to a webhook."""

    settings: Settings
    mail: MailBox
    post: Post

    def take(self) -> tuple[int, int]:
        """The number of letters that each has got since this was last asked."""
        return len(self.mail.take()), len(self.post.take())


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    at(monkeypatch)
    with mail_server() as mail, post_office() as post:
        urls = json.dumps([mail.url, post.url])
        more = f'[digest]\nurls = {urls}\ncron = "0 8 * * MON"\n'
        yield Office(shop(tmp_path, more), mail, post)


def test_it_is_sent_once_for_each_period(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """As HTML by mail, with a text beside it, and as text to the webhook; next week again."""
    sent = deliver(office.settings, once=True)
    assert sent.error is None
    assert sent.as_json() == {
        "period": "week 2026-11-23",
        "ok": True,
        "recipients": [{"kind": "E-Mail", "outcome": "sent"}, {"kind": "JSON", "outcome": "sent"}],
    }
    (letter,), (hook,) = office.mail.take(), office.post.take()
    assert letter["subject"] == hook["title"] == "orderpull: 23 Nov to 29 Nov 2026"
    assert letter["to"] == "seller@example.com"
    html, plain = letter.get_body(("html",)), letter.get_body(("plain",))
    assert html is not None
    assert plain is not None
    assert "<h2" in html.get_content()
    assert "Orders 16 +14.3 % before: 14" in plain.get_content()
    assert hook["type"] == "info"
    assert hook["message"].startswith("Orders                              16")
    again = deliver(office.settings, once=True)
    assert again.error is None
    assert [outcome for _, outcome in again.outcomes] == ["before", "before"]
    assert office.take() == (0, 0)
    deliver(office.settings, once=False)
    assert office.take() == (1, 1), "a person asked for it"
    at(monkeypatch, NOW + WEEK)
    deliver(office.settings, once=True)
    assert office.take() == (1, 1)


def test_who_did_not_get_it_gets_it_later_and_nobody_twice(office: Office) -> None:
    office.mail.refuses = True
    sent = deliver(office.settings, once=True)
    assert str(sent.error) == (
        "The digest of 23 Nov to 29 Nov 2026 was not taken by recipient 1 of 2 (E-Mail). "
        "Check the addresses and the network; a schedule tries again after its next run."
    )
    assert is_owed(office.settings)
    office.mail.refuses = False
    assert deliver(office.settings, once=True).error is None
    assert not is_owed(office.settings)
    assert office.take() == (1, 1)


def test_killed_while_it_is_sent(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody gets it twice, and who may not have got it is named once."""
    monkeypatch.undo()  # the process that is killed has the real time
    settings = office.settings
    for point, outcomes, got in (
        ("digest-begun:1", ["unknown", "sent"], [0, 1]),
        ("digest-sent:1", ["unknown", "sent"], [1, 1]),
        ("digest-begun:2", ["before", "unknown"], [1, 0]),
        ("digest-sent:2", ["before", "unknown"], [1, 1]),
    ):
        (settings.folder / ".orderpull" / NAME).unlink(missing_ok=True)
        command = ("-m", "orderpull", "digest", "--send", "--once")
        killed = start(*command, cwd=settings.folder, kill_at=point)
        killed.communicate(60)
        assert killed.returncode == -signal.SIGKILL, point
        before = office.take()
        rest = deliver(settings, once=True)
        assert [outcome for _, outcome in rest.outcomes] == outcomes
        assert "orderpull was killed while it sent" in str(rest.error)
        assert [sum(each) for each in zip(before, office.take(), strict=True)] == got, point
        assert deliver(settings, once=True).error is None
        assert office.take() == (0, 0)


def test_what_cannot_be_noted_is_not_sent(office: Office) -> None:
    folder = office.settings.folder / ".orderpull"
    folder.write_text("a file")
    with pytest.raises(LandingError, match="what was sent cannot be noted in") as told:
        deliver(office.settings, once=True)
    assert "File exists" in told.value.message
    assert office.take() == (0, 0)


def test_a_schedule_sends_it(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """At its time, missed while nothing ran; and after the next run, if it could not be sent."""
    folder = office.settings.folder / ".orderpull"
    folder.mkdir()
    missed = DigestState("week 2026-11-16", NOW - WEEK)
    open_store(office.settings, NAME, DigestState).save(missed)
    office.post.status = 500
    office.mail.refuses = True
    errors: list[OrderpullError] = []
    failed, done = threading.Event(), threading.Event()

    def note(error: OrderpullError) -> None:
        errors.append(error)
        failed.set()

    sends = delivery.deliver

    def send(*arguments: Any, **options: Any) -> delivery.Delivery:
        sent = sends(*arguments, **options)
        if sent.error is None:
            done.set()
        return sent

    def run(*_: object, **__: object) -> RunResult:
        if failed.is_set():
            office.post.status, office.mail.refuses = 200, False
        return RunResult()

    monkeypatch.setattr(delivery, "deliver", send)
    monkeypatch.setattr(pipeline, "run", run)
    schedule = Schedule(office.settings, Every(timedelta(seconds=0.05)), note)
    schedule.start()
    assert done.wait(60)
    schedule.stop(signal.SIGTERM)
    schedule.wait()
    assert {str(error)[:57] for error in errors} == {
        "The digest of 23 Nov to 29 Nov 2026 was not taken by reci"
    }
    assert office.take() == (1, 1)
    assert not is_owed(office.settings)
