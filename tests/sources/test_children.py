"""What has to be asked for each order: landed with its page, or not at all."""

import json
from pathlib import Path
from typing import Any

import pytest

from orderpull.landing.page import split_parts
from orderpull.sources.http.messages import Request, Response
from tests.normalize.helpers import Workbench
from tests.sources.fake_api import FakeApi, query
from tests.sources.shaped import items_of

NESTED = """
title = "Nested"
[request]
path = "/graph"
method = "POST"
body = { query = "orders" }
[paging]
kind = "cursor"
param = "$.after"
next = "data.page.end"
more = "data.page.more"
[records]
path = "data.orders[].node"
[[children]]
into = "lines.edges"
key = "id"
key_param = "$.id"
more = "lines.page.more"
next = "lines.page.end"
[children.request]
path = "/graph"
method = "POST"
body = { query = "lines" }
[children.paging]
kind = "cursor"
param = "$.after"
next = "data.lines.page.end"
more = "data.lines.page.more"
[children.records]
path = "data.lines.edges"
[order]
number = "no"
id = "id"
[order.lines]
path = "lines.edges[].node"
sku = "sku"
quantity = "n"
"""

LISTED = """
title = "One list an order"
[request]
path = "/orders"
[[children]]
into = "items"
key = "id"
[children.request]
path = "/orders/{key}/items"
[children.paging]
kind = "page"
param = "page"
size = 2
size_param = "limit"
[order]
number = "id"
[order.lines]
path = "items"
sku = "sku"
quantity = "n"
"""

SKUS = [f"S{number}" for number in range(7)]


def connection(skus: list[str], at: int, count: int) -> dict[str, Any]:
    """A page of lines, as GraphQL has it."""
    edges = [{"node": {"sku": sku, "n": 1}} for sku in skus[at : at + count]]
    more = at + count < len(skus)
    return {"edges": edges, "page": {"more": more, "end": str(at + count) if more else None}}


def nested(request: Request) -> object:
    """Two orders a page, three lines each at first, two with each further question."""
    body = json.loads(request.body)
    if body["query"] == "lines":
        skus = SKUS if body["id"] == "b" else []
        return {"data": {"lines": connection(skus, int(body["after"]), 2)}}
    ids = {None: ("a", "b"), "2": ("c", "d")}[body.get("after")]
    lines = {"a": SKUS[:1], "b": SKUS, "c": [], "d": SKUS[:3]}
    orders = [
        {"node": {"id": i, "no": i.upper(), "lines": connection(lines[i], 0, 3)}} for i in ids
    ]
    more = "after" not in body
    return {"data": {"orders": orders, "page": {"more": more, "end": "2" if more else None}}}


@pytest.fixture
def bench(tmp_path: Path) -> Any:
    """An engine that shapes."""
    made = Workbench(tmp_path, FakeApi(tmp_path / "x", LISTED, nested).api)
    yield made
    made.close()


def test_lines_beyond_a_nested_page_are_asked_for(tmp_path: Path, bench: Workbench) -> None:
    """Each order has all its lines; the answers lie in the page as they came."""
    asked = FakeApi(tmp_path, NESTED, nested)
    assert asked.pull().error is None
    assert items_of(bench, asked) == {
        "A": {"S0": 1},
        "B": dict.fromkeys(SKUS, 1),
        "C": {},
        "D": dict.fromkeys(SKUS[:3], 1),
    }
    meta, body = asked.landing.read(1)
    answers = split_parts(meta, body)
    assert [json.loads(answer) for answer in answers] == [
        nested(each) for each in asked.requests[:3]
    ]
    assert asked.landing.meta(2).parts == []  # no order of that page had more
    assert len(asked.requests) == 6  # the second pass asks for no lines again


def test_a_list_of_its_own_for_each_order(tmp_path: Path, bench: Workbench) -> None:
    """The children's own paging is walked to its end, and ids stand safely in the path."""

    def say(request: Request) -> object:
        if request.target == "/orders":
            return [{"id": "a/b"}, {"id": "c"}, {"id": None}]
        asked_for = {"/orders/a%2Fb/items": SKUS, "/orders/c/items": []}
        skus = asked_for[request.target.partition("?")[0]]
        at = 2 * (int(query(request)["page"]) - 1)
        return [{"sku": sku, "n": 2} for sku in skus[at : at + 2]]

    asked = FakeApi(tmp_path, LISTED, say)
    assert asked.pull().error is None
    assert items_of(bench, asked) == {"a/b": dict.fromkeys(SKUS, 2), "c": {}}


def test_a_last_page_that_is_repeated_counts_once(tmp_path: Path, bench: Workbench) -> None:
    """Some APIs answer their last page again for whatever is behind it."""

    def say(request: Request) -> object:
        if request.target == "/orders":
            return [{"id": "a"}]
        at = 2 * (int(query(request)["page"]) - 1)
        return [{"sku": sku, "n": 2} for sku in (SKUS[at : at + 2] or SKUS[6:])]

    asked = FakeApi(tmp_path, LISTED, say)
    assert asked.pull().error is None
    assert items_of(bench, asked) == {"a": dict.fromkeys(SKUS, 2)}


def test_what_cannot_be_had_of_one_order_keeps_the_page_away(tmp_path: Path) -> None:
    """Nothing of the page is landed, so that the next run asks for all of it again."""

    def refusing(request: Request) -> object:
        return Response(404, {}, b"{}") if b'"lines"' in request.body else nested(request)

    asked = FakeApi(tmp_path, NESTED, refusing)
    assert asked.pull().error is not None
    assert asked.landing.pages() == []
    asked.say = nested
    assert asked.pull().error is None
    assert len(asked.landing.pages()) == 2


def test_an_order_deleted_before_its_lines_are_requested(tmp_path: Path, bench: Workbench) -> None:
    """The page is requested again, and no longer has it. The same 404 twice is an error."""
    lists = iter([["a", "gone/1", "gone/2"], ["a", "gone/2"], ["a"], ["a"]])

    def say(request: Request) -> object:
        if request.target == "/orders":
            return [{"id": each} for each in next(lists)]
        if request.target.startswith("/orders/gone%2F"):
            return Response(404, {}, b"{}")
        return [{"sku": "A", "n": 1}] if query(request)["page"] == "1" else []

    asked = FakeApi(tmp_path, LISTED, say)
    assert asked.pull().error is None
    assert items_of(bench, asked) == {"a": {"A": 1}}


PAGED = LISTED.replace(
    'path = "/orders"\n',
    """path = "/orders"
[paging]
kind = "page"
param = "page"
size_param = "limit"
size = 2
total = "count"
[records]
path = "orders"
""",
    1,
)


def paged(request: Request) -> object:
    """Six orders, two a page, each with a list of one line."""
    if "/items" in request.target:
        return [{"sku": "A", "n": 1}]
    size = int(query(request)["limit"])
    first = (int(query(request)["page"]) - 1) * size
    orders = [{"id": f"{place // 2 + 1}-{place % 2}"} for place in range(first, first + size)]
    return {"count": 6, "orders": orders}


def test_the_estimate_counts_the_requests_for_lines(tmp_path: Path) -> None:
    """Of six orders two are read: two pages and a second pass are left, and two calls a list."""
    asked = FakeApi(tmp_path, PAGED, paged, max_pages=1)
    left = asked.pull().left
    assert left is not None
    assert (left.total, left.calls) == (6, 13)


@pytest.mark.parametrize("status", [403, 404, 410])
def test_an_error_names_the_request_that_failed(tmp_path: Path, status: int) -> None:
    """The address of the list of lines, and the order: that of the orders works."""

    def say(request: Request) -> object:
        failing = request.target.startswith("/orders/1-1/items")
        return Response(status, {}, b"{}") if failing else paged(request)

    error = FakeApi(tmp_path, PAGED, say).pull().error
    assert error is not None
    assert f"https://shop.test/orders/1-1/items answered {status}" in error.message
    assert "limit=" not in error.message


def test_an_error_behind_one_address_names_the_order(tmp_path: Path) -> None:
    """GraphQL has one address for all: the message says of which order the lines were asked."""

    def refusing(request: Request) -> object:
        return Response(403, {}, b"{}") if b'"lines"' in request.body else nested(request)

    error = FakeApi(tmp_path, NESTED, refusing).pull().error
    assert error is not None
    assert "(lines.edges of order 'b')" in error.message


def test_an_order_whose_lines_break_the_api_is_named(tmp_path: Path) -> None:
    """The others are read. The message has its id, not only its place in a list that moves."""

    def say(request: Request) -> object:
        failing = request.target.startswith("/orders/2-0/items")
        return Response(500, {}, b"{}") if failing else paged(request)

    asked = FakeApi(tmp_path, PAGED, say)
    result = asked.pull()
    assert result.error is not None
    assert "fails for 1 single order, skipped: 2-0." in result.error.message
    assert result.orders == 5
