"""A page is landed while the next request is out: in order, one behind, and counted once durable."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from orderpull import failpoints
from orderpull.errors import Interrupted, LandingError
from orderpull.landing.local import LocalSourceLanding
from orderpull.landing.page import PageMeta
from tests.failpoints import ORDINARY_POINT
from tests.processes import start
from tests.sources.nine_orders import ONCE, SORTED, Shop

PATIENCE = 10


@pytest.fixture
def at_points() -> Iterator[Callable[[dict[str, Callable[[], object]]], None]]:
    """Sets what is done at fail points."""

    def set_actions(actions: dict[str, Callable[[], object]]) -> None:
        def act(point: str) -> None:
            if point in actions:
                actions[point]()

        failpoints.set_action(act)

    yield set_actions
    failpoints.set_action(None)


def test_the_next_request_is_out_while_a_page_is_landed(tmp_path: Path, at_points: Any) -> None:
    """Each page waits until the next request has come; the one after comes when it is durable."""
    came = [threading.Event() for _ in range(9)]
    shop = Shop(tmp_path, on_request=lambda number: came[number].set())
    at_points({ORDINARY_POINT: lambda: came[len(shop.api.landing.pages()) + 2].wait(PATIENCE)})
    pulled = shop.api.pull()
    assert pulled.error is None
    assert pulled.pages == shop.api.landing.pages() == [1, 2, 3, 4, 5]
    assert shop.landed == [[], [], [1], [1, 2], [1, 2, 3], [1, 2, 3, 4]]
    assert sorted(set(shop.versions())) == [*range(9)]


def test_a_consume_once_page_is_durable_before_the_next_request(tmp_path: Path) -> None:
    """No request goes out while orders that come once are in memory only."""
    shop = Shop(tmp_path, ONCE)
    shop.api.pull()
    assert shop.landed == [[], [1], [1, 2], [1, 2, 3]]


def test_a_page_that_cannot_be_landed_ends_the_pull(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At most the request that is out is in vain; no later page is landed, none is counted."""
    shop = Shop(tmp_path)
    land = LocalSourceLanding.land

    def refuse(landing: LocalSourceLanding, meta: PageMeta, body: bytes) -> None:
        if meta.page == 2:
            raise LandingError("The disk is full.", "Make room.")
        land(landing, meta, body)

    counted: list[int] = []
    monkeypatch.setattr(LocalSourceLanding, "land", refuse)
    with pytest.raises(LandingError, match="The disk is full"):
        shop.api.pull(on_page=lambda pulled: counted.append(len(pulled.pages)))
    assert shop.api.landing.pages() == [1]
    assert counted == [1]
    assert len(shop.landed) == 3
    monkeypatch.undo()
    assert shop.api.pull().error is None
    assert sorted(set(shop.versions())) == [*range(9)]


def test_a_stop_keeps_the_page_in_hand(tmp_path: Path) -> None:
    """A page whose landing waits for the next request is landed when there is none."""

    def stop_at_the_second(number: int) -> None:
        if number == 2:
            shop.api.stop.set(15)

    shop = Shop(tmp_path, on_request=stop_at_the_second)
    pulled = shop.api.pull()
    assert isinstance(pulled.error, Interrupted)
    assert pulled.pages == shop.api.landing.pages() == [1, 2]
    assert len(shop.landed) == 2


def test_the_cursor_follows_the_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It covers durable pages alone, and in later windows it never goes back."""
    cursors: list[str] = []
    keep = LocalSourceLanding.keep_cursor

    def kept(landing: LocalSourceLanding, cursor: str, page: int) -> None:
        assert landing.next_page() == page + 1
        cursors.append(cursor)
        keep(landing, cursor, page)

    monkeypatch.setattr(LocalSourceLanding, "keep_cursor", kept)
    shop = Shop(tmp_path, SORTED.replace("[order]", 'upper = "until"\nwindow = 30\n[order]', 1))
    assert shop.api.pull().error is None
    assert len(cursors) > 2
    assert cursors == sorted(set(cursors))


KILLED = """
import os, signal, sys, threading
from pathlib import Path
from orderpull import failpoints
from tests.failpoints import ORDINARY_POINT
from tests.sources.nine_orders import Shop
out = threading.Event()

def kill(point):
    if point == ORDINARY_POINT and shop.api.landing.pages() == [1]:
        out.wait(10)
        os.kill(os.getpid(), signal.SIGKILL)

def on_request(number):
    if number == 3:
        out.set()
        threading.Event().wait(10)

shop = Shop(Path(sys.argv[1]), on_request=on_request)
failpoints.set_action(kill)
shop.api.pull()
"""


@pytest.mark.slow
def test_killed_while_a_page_waits_and_the_next_request_is_out(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Both responses are asked for again by the next run; no page is half there, none is left out."""
    process = start("-c", KILLED, str(tmp_path), cwd=Path.cwd())
    process.communicate(timeout=60)
    assert process.returncode == -9
    shop = Shop(tmp_path)
    assert shop.api.landing.pages() == [1]
    pulled = shop.api.pull()
    assert pulled.error is None
    assert shop.api.landing.pages() == [*range(1, len(pulled.pages) + 2)]
    landed = sorted(set(shop.versions()))
    record_property("kill matrix", {
        "killed at": ORDINARY_POINT, "times": 1, "handed out": 9, "in tables": "-",
        "lost": 9 - len(landed), "allowed": 0, "by": "orderpull",
    })  # fmt: skip
    assert landed == [*range(9)]
