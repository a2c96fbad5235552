"""An export that comes to no end: its waits obey the limits of the run and one of its own."""

import json
import logging
import re
import socket
import time
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest

from orderpull import clock
from orderpull.sources.bulk_export import EXPORT
from orderpull.sources.http.messages import Request
from tests.sources.fake_api import ORDER_BLOCK, FakeApi
from tests.sources.wire import Wire

API = (
    """
title = "Slow"
[request]
path = "/graphql"
method = "POST"
[request.body]
query = "orders"
variables = { since = "" }
[cursor]
path = "changed"
lower = "$.variables.since"
[records]
path = "orders"
[export]
submit = { query = "submit", variables = { q = "" } }
poll = { query = "poll", variables = { id = "" } }
filter = "$.variables.q"
filter_text = "since {lower}"
id = "id"
id_param = "$.variables.id"
state = "state"
url = "url"
count = "count"
into = "lines"
wait = 600
"""
    + ORDER_BLOCK
)
ORDER = {"id": 1, "changed": "2026-03-01T00:00:00Z", "lines": []}


class Slow:
    """A shop whose export stays in *state*. :ivar asked: kinds of the requests."""

    def __init__(self, folder: Path, state: object, **settings: Any) -> None:
        self.state = state
        self.asked: list[str] = []
        self.url: str | None = None
        self.api = FakeApi(folder, API, self.say, **settings)

    def say(self, request: Request) -> object:
        kind = json.loads(request.body or b"{}")["query"]
        self.asked.append(kind)
        if kind == "submit":
            return {"id": "export-1"}
        polled = {"state": self.state, "count": 7, "url": self.url}
        return polled if kind == "poll" else {"orders": [ORDER]}

    @property
    def note(self) -> dict[str, Any]:
        """What the landing keeps of the export."""
        return dict(msgspec.json.decode(self.api.landing.note(EXPORT) or b"{}"))


@pytest.mark.parametrize("state", ["RUNNING", "PAUSED", ["odd"]])
def test_pages_are_read_after_the_limit_of_the_export(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, state: object
) -> None:
    """Whatever the state; the log shows it at least every 30 seconds."""
    caplog.set_level(logging.INFO)
    shop = Slow(tmp_path, state)
    pulled = shop.api.pull()
    assert pulled.error is None
    assert pulled.orders
    assert shop.asked[-1] == "orders"
    assert sum(shop.api.stop.waited) == pytest.approx(600, abs=5)
    told = re.findall(f"the export is {re.escape(str(state))} after (.+) s, 7 orders", caplog.text)
    seconds = [int(each) for each in told]
    assert max(after - before for before, after in pairwise([0, *seconds, 600])) <= 31
    assert shop.note["failed"]


def test_max_seconds_ends_the_run_and_the_next_one_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The limit of the export counts from its submission, over all runs."""
    caplog.set_level(logging.INFO)
    shop = Slow(tmp_path, "RUNNING", max_seconds=50)
    begun, now = time.monotonic(), clock.now()
    monkeypatch.setattr(time, "monotonic", lambda: begun + sum(shop.api.stop.waited))
    monkeypatch.setattr(clock, "now", lambda: now + timedelta(seconds=sum(shop.api.stop.waited)))
    pulled = shop.api.pull()
    assert pulled.error is None
    assert pulled.finished_at is None
    assert sum(shop.api.stop.waited) == pytest.approx(50, abs=5)
    assert "stopped after 50 seconds, as set; the next run goes on" in caplog.text
    runs = 1
    while not shop.api.pull().finished_at:
        runs += 1
        assert runs < 20
    assert shop.asked.count("submit") == 1
    assert sum(shop.api.stop.waited) == pytest.approx(600, abs=5)
    assert shop.api.pull().finished_at
    assert shop.asked.count("submit") == 1


def test_max_seconds_ends_a_download_and_the_next_run_reads_pages(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A file that would take as long each time is not begun again."""

    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while True:
            connection.sendall(b"\n")
            time.sleep(0.02)

    shop = Slow(tmp_path, "COMPLETED", max_seconds=0.3)
    with Wire([drip]) as wire:
        shop.url = f"{wire.url}/export.jsonl"
        pulled = shop.api.pull()
        assert (pulled.error, pulled.finished_at, pulled.pages) == (None, None, [])
        assert "takes longer than max_seconds: the next run reads pages instead" in caplog.text
        assert shop.api.pull().finished_at
        assert len(wire.requests) == 1
    assert shop.asked[:3] == ["submit", "poll", "orders"]
