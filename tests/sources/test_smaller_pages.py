"""An API that breaks down over large pages is asked for smaller ones, and larger ones again."""

from pathlib import Path

import pytest

from orderpull.errors import SourceBroken
from orderpull.sources.transport import Answer, Request
from tests.sources.answers import Asked, query

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
        return Answer(500, {}, b"{}")
    return {"orders": [{"no": str(number), "lines": []} for number in numbers]}


@pytest.mark.parametrize("kind", ["page", "offset"])
def test_every_order_comes_once_around_the_heavy_ones(tmp_path: Path, kind: str) -> None:
    """Two spots that break any page of more than one order: all 100 are landed, none is skipped."""
    asked = Asked(tmp_path, API.format(kind=kind), lambda r: listed(r, kind, {17, 63}))
    pulled = asked.pull()
    assert pulled.error is None
    landed = [asked.landing.read(page)[1] for page in asked.landing.pages()]
    found = [part.split(b'"')[0] for body in landed for part in body.split(b'"no": "')[1:]]
    assert sorted(map(int, found)) == list(range(100))
    sizes = [int(each["limit"]) for each in asked.queries]
    assert min(sizes) == 1
    assert sizes[-1] > 1  # it dared again


def test_an_order_that_cannot_be_had_ends_the_pull(tmp_path: Path) -> None:
    """After a page of one order failed, too; what came before is kept."""
    asked = Asked(tmp_path, API.format(kind="offset"), lambda r: listed(r, "offset", {41}, 0))
    pulled = asked.pull()
    assert isinstance(pulled.error, SourceBroken)
    assert pulled.orders == 41
    assert [int(q["limit"]) for q in asked.queries if q["at"] == "41"] == [2, 2, 1]


def test_it_is_asked_for_less_only_when_it_breaks_down(tmp_path: Path) -> None:
    """A busy API (429) is asked for as much as before."""

    def busy_once(request: Request) -> object:
        if len(asked.requests) == 1:
            return Answer(429, {"retry-after": "3"}, b"{}")
        return listed(request, "offset", set())

    asked = Asked(tmp_path, API.format(kind="offset"), busy_once)
    assert asked.pull().error is None
    assert {each["limit"] for each in asked.queries} == {"40"}
    assert 3.0 in asked.stop.waited
