"""An API that breaks down over large pages is asked for smaller ones, and larger ones again."""

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from orderpull.errors import SourceBroken
from orderpull.sources.http.messages import Request, Response
from tests.sources.fake_api import FakeApi, query

API = """
title = "Heavy"
[request]
path = "/orders"
[paging]
kind = "{kind}"
param = "at"
size_param = "limit"
size = 40
[limits]
tries = 2
[records]
path = "orders"
[order]
number = "no"
[order.lines]
path = "lines"
sku = "sku"
quantity = "n"
"""


def listed(request: Request, kind: str, heavy: set[int], bearable: int = 1) -> object:
    """A page of 100 orders; 500 where it holds one of the *heavy* and more than is *bearable*."""
    asked = query(request)
    size, at = int(asked["limit"]), int(asked["at"])
    first = (at - 1) * size if kind == "page" else at
    numbers = range(100)[first : first + size]
    if heavy & set(numbers) and len(numbers) > bearable:
        return Response(500, {}, b"{}")
    return {"orders": [{"no": str(number), "lines": []} for number in numbers]}


def numbers(asked: FakeApi) -> list[int]:
    """The numbers of all orders that were landed, sorted."""
    bodies = [asked.landing.read(page)[1] for page in asked.landing.pages()]
    return sorted(int(order["no"]) for body in bodies for order in json.loads(body)["orders"])


@pytest.mark.parametrize("kind", ["page", "offset"])
def test_every_order_comes_once_around_the_heavy_ones(tmp_path: Path, kind: str) -> None:
    """Two spots that break any page of more than one order: all 100 are landed, none is skipped."""
    asked = FakeApi(tmp_path, API.format(kind=kind), lambda r: listed(r, kind, {17, 63}))
    pulled = asked.pull()
    assert pulled.error is None
    assert numbers(asked) == list(range(100))
    sizes = [int(each["limit"]) for each in asked.queries]
    assert min(sizes) == 1
    assert sizes[-1] > 1  # it dared again


@pytest.mark.parametrize("kind", ["page", "offset"])
def test_an_order_that_cannot_be_had_is_passed_by(tmp_path: Path, kind: str) -> None:
    """All others come; the source ends with an error, each time, until it can be had."""
    spoilt = {0, 41, 42, 99}
    asked = FakeApi(tmp_path, API.format(kind=kind), lambda r: listed(r, kind, spoilt, 0))
    pulled = asked.pull()
    assert isinstance(pulled.error, SourceBroken)
    assert "skipped" in pulled.error.message
    assert pulled.finished_at is None
    assert numbers(asked) == [n for n in range(100) if n not in spoilt]
    asked.say = lambda request: listed(request, kind, set())
    assert asked.pull().error is None
    assert set(numbers(asked)) == set(range(100))


def test_an_api_that_is_out_of_order_is_not_walked_to_its_end(tmp_path: Path) -> None:
    """After three orders in a row that cannot be had it is given up."""
    asked = FakeApi(
        tmp_path, API.format(kind="offset"), lambda r: listed(r, "offset", set(range(41, 100)), 0)
    )
    pulled = asked.pull()
    assert isinstance(pulled.error, SourceBroken)
    assert "out of order" in pulled.error.message
    assert numbers(asked) == list(range(41))
    assert len(asked.requests) < 30


CHANGED = """
[cursor]
path = "changed"
lower = "from"
overlap = 0
strategy = "{strategy}"
"""


@pytest.mark.parametrize("strategy", ["reseek", "window_verify"])
def test_the_cursor_waits_for_an_order_that_was_passed_by(tmp_path: Path, strategy: str) -> None:
    """What came after it is kept, and so is the place where it has to be asked for again."""
    began = datetime(2026, 3, 1)
    stamps = [(began + timedelta(minutes=n)).isoformat() + "Z" for n in range(100)]
    spoilt = {57}

    def say(request: Request) -> object:
        asked_for = query(request)
        found = [n for n in range(100) if stamps[n] >= asked_for["from"].replace(".000", "")]
        at, size = int(asked_for["at"]), int(asked_for["limit"])
        page = found[at : at + size]
        if spoilt & set(page):
            return Response(500, {}, b"{}")
        return {"orders": [{"no": str(n), "changed": stamps[n], "lines": []} for n in page]}

    text = API.format(kind="offset") + CHANGED.format(strategy=strategy)
    text = text.replace('number = "no"', 'number = "no"\nmodified_at = "changed"')
    head, _, tail = text.partition("[records]")
    asked = FakeApi(tmp_path, head + "[records]" + tail, say)
    pulled = asked.pull()
    assert isinstance(pulled.error, SourceBroken)
    assert set(numbers(asked)) == set(range(100)) - spoilt
    assert pulled.cursor is None or pulled.cursor < stamps[57]
    spoilt.clear()
    again = asked.pull()
    assert again.error is None
    assert set(numbers(asked)) == set(range(100))
    assert again.cursor is not None
    assert again.cursor[:19] == stamps[99][:19]


def test_it_is_asked_for_less_only_when_it_breaks_down(tmp_path: Path) -> None:
    """A busy API (429) is asked for as much as before."""

    def busy_once(request: Request) -> object:
        if len(asked.requests) == 1:
            return Response(429, {"retry-after": "3"}, b"{}")
        return listed(request, "offset", set())

    asked = FakeApi(tmp_path, API.format(kind="offset"), busy_once)
    assert asked.pull().error is None
    assert {each["limit"] for each in asked.queries} == {"40"}
    assert 3.0 in asked.stop.waited
