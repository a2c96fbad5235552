"""An order for which alone the API fails: whatever the paging and the status, all others come."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from orderpull.errors import SourceBroken
from orderpull.sources.http.messages import Request, Response
from tests.sources.fake_api import ORDER_BLOCK, FakeApi, query

API = (
    """
title = "Fragile"
[request]
path = "/orders"
query = {{ fields = "all" }}
[ids]
query = {{ fields = "id" }}
[paging]
kind = "{kind}"
{paging}
size_param = "limit"
size = 40
[records]
path = "orders"
[cursor]
path = "changed"
lower = "from"
precision = "s"
overlap = 0
strategy = "{strategy}"
[[errors]]
path = "errors[].code"
values = ["INTERNAL", "Cannot return *"]
means = "broken"
message = "errors[].message"
"""
    + ORDER_BLOCK
)

KINDS = {
    "cursor": 'param = "after"\nnext = "next"',
    "link": "",
    "next": 'next = "url"',
    "offset": 'param = "at"',
    "page": 'param = "page"',
}
CODES = [{"code": "OTHER"}, {"code": "INTERNAL", "message": "Timeout"}]
BREAKDOWNS = {
    "500": Response(500, {}, b"oops"),
    "in 200": Response(200, {}, json.dumps({"errors": CODES}).encode()),
    "beside data": Response(200, {}, json.dumps({"orders": [], "errors": CODES}).encode()),
}
BEGAN = datetime(2026, 3, 1)


class Fragile:
    """A shop of 100 orders, one a minute; a page with a *broken* order breaks down."""

    def __init__(self, kind: str, how: str, broken: set[int], together: int = 0) -> None:
        self.kind, self.how, self.broken = kind, how, broken
        instants = [n - n % together if together else n for n in range(100)]
        self.stamps = [(BEGAN + timedelta(minutes=n)).isoformat() + "Z" for n in instants]

    def say(self, request: Request) -> Any:
        asked = query(request)
        found = [n for n in range(100) if self.stamps[n] >= asked["from"]]
        size = int(asked["limit"])
        first = int(asked.get("after", asked.get("at", 0)))
        if "page" in asked:
            first = (int(asked["page"]) - 1) * size
        page = found[first : first + size]
        if asked["fields"] == "all" and self.broken & set(page):
            return BREAKDOWNS[self.how]
        told: dict[str, Any] = {
            "orders": [{"id": n, "changed": self.stamps[n], "lines": []} for n in page]
        }
        headers = {}
        if len(found) > first + size:
            told["next"] = first + size
            url = f"/orders?limit={size}&from={asked['from']}&after={first + size}"
            told["url"] = url + f"&fields={asked['fields']}"
            headers["link"] = f'<{told["url"]}>; rel="next"'
        return Response(200, headers, json.dumps(told).encode())


def source(folder: Path, shop: Fragile, strategy: str, **settings: Any) -> FakeApi:
    text = API.format(kind=shop.kind, paging=KINDS[shop.kind], strategy=strategy)
    return FakeApi(folder, text, shop.say, **settings)


def numbers(asked: FakeApi) -> set[int]:
    bodies = [asked.landing.read(page)[1] for page in asked.landing.pages()]
    return {order["id"] for body in bodies for order in json.loads(body)["orders"]}


@pytest.mark.slow
@pytest.mark.parametrize("how", BREAKDOWNS)
@pytest.mark.parametrize("strategy", ["reseek", "window_verify"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_broken_order_is_named_passed_by_and_asked_for_again(
    tmp_path: Path, kind: str, strategy: str, how: str
) -> None:
    shop = Fragile(kind, how, {0, 57, 58, 59, 60, 99})
    asked = source(tmp_path, shop, strategy)
    first = asked.pull()
    assert isinstance(first.error, SourceBroken)
    assert "skipped: 0, 57, 58, 59, 60, …. All others were read." in first.error.message
    assert first.finished_at is None
    assert numbers(asked) == set(range(100)) - shop.broken
    shop.broken = set()
    assert asked.pull().error is None
    assert numbers(asked) == set(range(100))


@pytest.mark.parametrize("kind", KINDS)
def test_passing_one_order_by_takes_seconds(tmp_path: Path, kind: str) -> None:
    """The waits before retries, which took 45 s, and the calls stay few."""
    shop = Fragile(kind, "in 200", {57})
    asked = source(tmp_path, shop, "reseek")
    assert isinstance(asked.pull().error, SourceBroken)
    assert sum(asked.stop.waited) < 9
    assert len(asked.requests) < 45


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_passed_by_among_orders_of_its_own_instant(tmp_path: Path, kind: str) -> None:
    shop = Fragile(kind, "500", {57}, together=50)
    asked = source(tmp_path, shop, "reseek")
    assert isinstance(asked.pull().error, SourceBroken)
    assert numbers(asked) == set(range(100)) - {57}


def test_runs_that_end_early_come_to_the_same(tmp_path: Path) -> None:
    """The cursor stays before the skipped order, and the later ones come all the same."""
    shop = Fragile("cursor", "in 200", {57})
    asked = source(tmp_path, shop, "reseek", max_pages=1)
    for _ in range(6):
        pulled = asked.pull()
    assert isinstance(pulled.error, SourceBroken)
    assert pulled.cursor is not None
    assert pulled.cursor <= shop.stamps[57]
    assert numbers(asked) == set(range(100)) - {57}
    shop.broken = set()
    while not asked.pull().finished_at:
        pass
    assert numbers(asked) == set(range(100))


def test_an_api_that_fails_for_ids_too_is_not_walked_to_its_end(tmp_path: Path) -> None:
    shop = Fragile("cursor", "500", set())
    asked = source(tmp_path, shop, "reseek")
    asked.say = lambda _: BREAKDOWNS["500"]
    pulled = asked.pull()
    assert isinstance(pulled.error, SourceBroken)
    assert len(asked.requests) < 20


def test_a_busy_api_meanwhile_is_waited_for(tmp_path: Path) -> None:
    """429 between the failures, when each request is to be sent once, does not end the run."""
    shop = Fragile("cursor", "in 200", {57})
    asked = source(tmp_path, shop, "reseek")

    def say(request: Request) -> Any:
        busy = len(asked.requests) > 7 and len(asked.requests) % 2
        return Response(429, {"retry-after": "1"}, b"{}") if busy else shop.say(request)

    asked.say = say
    pulled = asked.pull()
    assert isinstance(pulled.error, SourceBroken)
    assert numbers(asked) == set(range(100)) - {57}
