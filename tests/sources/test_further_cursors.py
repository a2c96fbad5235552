"""Orders that come late with an old time of change: a further cursor brings them, at little cost."""

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from orderpull import clock
from orderpull.errors import SourceBroken
from orderpull.sources.http.messages import Request, Response
from orderpull.sources.reading import FURTHER
from tests.sources.fake_api import ORDER_BLOCK, FakeApi, query
from tests.sources.random.ids import ids

PLAIN = (
    """
title = "Shop with carts"
[request]
path = "/orders"
query = { sort = "changed" }
[paging]
kind = "page"
param = "page"
size_param = "limit"
size = 5
total = "total"
[records]
path = "orders"
[cursor]
path = "changed"
lower = "changed_from"
precision = "s"
overlap = 120
"""
    + ORDER_BLOCK
)
ALSO = PLAIN.replace(
    "[order]",
    """
[[cursor.also]]
path = "paid"
lower = "paid_from"
query = { sort = "paid" }
below = "changed_before"
[order]""",
)
NOON = datetime(2026, 5, 1, 12)


def at(minutes: float) -> str:
    return (NOON + timedelta(minutes=minutes)).isoformat()


@dataclass
class Carts:
    """A shop whose carts become orders without a change of their time.

    :ivar lists: the sort of each request.
    """

    orders: dict[int, dict[str, Any]] = field(default_factory=dict)
    broken: set[int] = field(default_factory=set)
    lists: list[str] = field(default_factory=list)

    def put(self, number: int, changed: float, paid: float | None) -> None:
        told = None if paid is None else at(paid)
        self.orders[number] = {"id": number, "changed": at(changed), "paid": told, "lines": []}

    def say(self, request: Request) -> Any:
        asked = query(request)
        sort = asked["sort"]
        self.lists.append(sort)
        found = [
            order
            for order in sorted(self.orders.values(), key=lambda each: each[sort] or "")
            if (order[sort] or "") >= asked[f"{sort}_from"][:19]
            and order["changed"] < asked.get("changed_before", "9")[:19]
        ]
        size = int(asked["limit"])
        page = found[(int(asked["page"]) - 1) * size :][:size]
        if any(order["id"] in self.broken for order in page):
            return Response(500, {}, b"{}")
        return {"orders": page, "total": len(found)}


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The minutes after noon; the first element can be set."""
    minutes = [0.0]
    monkeypatch.setattr(clock, "now", lambda: NOON + timedelta(minutes=minutes[0]))
    return minutes


def landed(source: FakeApi, number: int) -> Any:
    """The last landed version of an order."""
    pages = (json.loads(source.landing.read(page)[1]) for page in source.landing.pages())
    return [each for page in pages for each in page["orders"] if each["id"] == number][-1]


def sold_out(folder: Path, now: list[float], text: str, **settings: Any) -> tuple[Carts, FakeApi]:
    """A cart is paid after another order has moved the cursor past it; all runs succeed."""
    shop = Carts()
    shop.put(1, changed=-60, paid=None)
    shop.put(2, changed=-30, paid=-30)
    source = FakeApi(folder, text, shop.say, **settings)
    assert source.pull().error is None
    now[0] = 10
    shop.put(3, changed=9, paid=9)
    assert source.pull().error is None
    shop.put(1, changed=-60, paid=10)
    now[0] = 20
    assert source.pull().error is None
    return shop, source


def test_a_cart_that_is_paid_late_comes_with_the_next_run(tmp_path: Path, now: list[float]) -> None:
    _, source = sold_out(tmp_path, now, ALSO)
    assert landed(source, 1)["paid"] == at(10)
    assert source.pull().cursor == clock.iso(NOON + timedelta(minutes=9))


def test_without_a_further_cursor_it_never_comes(tmp_path: Path, now: list[float]) -> None:
    _, source = sold_out(tmp_path, now, PLAIN)
    assert landed(source, 1)["paid"] is None


def test_a_silent_shop_is_read_again_after_a_day(tmp_path: Path, now: list[float]) -> None:
    """Without a setting; one that is set has its way."""
    silent = PLAIN.replace("[order]", "silent = true\n[order]", 1)
    for folder, settings, comes in (("a", {}, True), ("b", {"full_reread_days": 30}, False)):
        now[0] = 0
        _, source = sold_out(tmp_path / folder, now, silent, **settings)
        assert landed(source, 1)["paid"] is None
        now[0] = 24 * 60
        assert source.pull().error is None
        assert bool(landed(source, 1)["paid"]) == comes


def test_a_first_read_of_days_is_not_begun_anew(tmp_path: Path, now: list[float]) -> None:
    """Nor is all read again by each run because of one order that cannot be opened."""
    silent = PLAIN.replace("[order]", "silent = true\n[order]", 1)
    shop = Carts()
    for number in range(40):
        shop.put(number, changed=10 * number - 3000, paid=None)
    source = FakeApi(tmp_path, silent, shop.say, max_pages=1)
    runs = 0
    while not source.pull().finished_at:
        now[0] += 12 * 60
        runs += 1
        assert len(shop.lists) <= runs + 1
    assert ids(source.landing) == set(range(40))
    now[0] += 25 * 60
    shop.broken = {39}
    source.settings = replace(source.settings, max_pages=None)
    lists = []
    for _ in range(3):
        shop.lists.clear()
        assert isinstance(source.pull().error, SourceBroken)
        lists.append(len(shop.lists))
    assert lists[0] > lists[1] + 6, "all is read again once"
    assert lists[1] == lists[2]


def test_a_first_read_asks_once_more(tmp_path: Path, now: list[float]) -> None:
    """For orders whose change is before the start alone, and each later run once more, too."""
    shop = Carts()
    for number in range(1, 18):
        shop.put(number, changed=number - 3000, paid=number - 3000)
    shop.put(18, changed=-200_000, paid=-3000)  # before the start, but paid after it
    source = FakeApi(tmp_path / "plain", PLAIN, shop.say, start="2026-04-25")
    assert source.pull().error is None
    assert ids(source.landing) == set(range(1, 18))
    calls = len(shop.lists)
    shop.lists.clear()
    source = FakeApi(tmp_path / "also", ALSO, shop.say, start="2026-04-25")
    assert source.pull().error is None
    assert ids(source.landing) == set(range(1, 19))
    assert (shop.lists.count("changed"), shop.lists.count("paid")) == (calls, 1)
    shop.lists.clear()
    assert source.pull().error is None
    assert shop.lists == ["changed", "paid"]


@pytest.mark.parametrize("note", [None, b"{", b"[]", b'{"paid": {"at": 5}}'])
def test_a_lost_position_is_read_again_from_the_start(
    tmp_path: Path, now: list[float], note: bytes | None
) -> None:
    shop, source = sold_out(tmp_path, now, ALSO)
    (file,) = tmp_path.rglob(FURTHER)
    if note is None:
        file.unlink()
    else:
        file.write_bytes(note)
    shop.put(1, changed=-60, paid=-40)  # before every position
    assert source.pull().error is None
    assert landed(source, 1)["paid"] == at(-40)


def test_a_limit_of_pages_keeps_neither_cursor_from_going_on(
    tmp_path: Path, now: list[float]
) -> None:
    shop, source = sold_out(tmp_path, now, ALSO, max_pages=1)
    for number in range(10, 60):
        shop.put(number, changed=9 * number, paid=9 * number)
    for number in range(60, 90):
        shop.put(number, changed=-60, paid=9 * number)
    now[0] = 900
    pulled = source.pull()
    runs = 1
    while not pulled.finished_at:
        pulled = source.pull()
        runs += 1
        assert pulled.error is None
        assert runs < 40
    assert ids(source.landing) == {1, 2, 3, *range(10, 90)}


def test_an_order_that_cannot_be_opened_holds_up_the_first_cursor_alone(
    tmp_path: Path, now: list[float]
) -> None:
    shop, source = sold_out(tmp_path, now, ALSO)
    shop.put(4, changed=21, paid=None)
    shop.put(2, changed=-30, paid=21)
    shop.broken = {4}
    now[0] = 30
    pulled = source.pull()
    assert isinstance(pulled.error, SourceBroken)
    assert pulled.finished_at is None
    assert landed(source, 2)["paid"] == at(21)


def test_a_refused_further_cursor_is_told_and_the_first_one_is_read(
    tmp_path: Path, now: list[float]
) -> None:
    shop = Carts()
    shop.put(1, changed=-30, paid=-30)

    def say(request: Request) -> Any:
        return Response(400, {}, b"{}") if "paid_from" in query(request) else shop.say(request)

    source = FakeApi(tmp_path, ALSO, say)
    pulled = source.pull()
    assert "rejects the request" in str(pulled.error)
    assert pulled.finished_at is None
    assert ids(source.landing) == {1}


def test_a_kill_before_the_position_is_saved_reads_the_page_again(
    tmp_path: Path, now: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, source = sold_out(tmp_path, now, ALSO)
    shop.put(2, changed=-30, paid=21)
    now[0] = 30
    keep = source.landing.keep_note

    def killed(name: str, data: bytes) -> None:
        if name == FURTHER:
            raise KeyboardInterrupt
        keep(name, data)

    with monkeypatch.context() as patch:
        patch.setattr(source.landing, "keep_note", killed)
        with pytest.raises(KeyboardInterrupt):
            source.pull()
    pages = len(list(source.landing.pages()))
    assert source.pull().error is None
    assert len(list(source.landing.pages())) > pages, "the page is landed again"
    assert landed(source, 2)["paid"] == at(21)
