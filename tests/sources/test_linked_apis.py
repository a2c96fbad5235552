"""APIs that name by links: order, lines, stock record and SKU, each behind the one before."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from orderpull.errors import ApiFileError, SourceRefused
from orderpull.sources.http.messages import Request, Response
from orderpull.sources.probe import probe
from orderpull.sources.pull import Source
from orderpull.sources.spec.reader import parse_api
from tests.normalize.helpers import Workbench
from tests.sources.fake_api import FakeApi
from tests.sources.shaped import items_of

LINKED = """
title = "Linked"
[request]
path = "/orders/"
query = { format = "json" }
[paging]
kind = "next"
next = "next"
[records]
path = "results[].order"
[[children]]
into = "line_records"
key = "lines"
request = { path = "{key}", query = { format = "json" } }
[[children]]
into = "line_records[].stock"
key = "line_records[].stockrecord"
one = true
request = { path = "{key}" }
[order]
number = "last(path(url))"
[order.lines]
path = "line_records"
sku = "stock[0].partner_sku"
quantity = "quantity"
"""
HOST = "https://shop.test/api"


def linked(request: Request) -> Any:
    """Three orders on two pages: two SKUs, of which each has two lines, and a deleted product."""
    path = request.target.partition("?")[0]
    page = 2 if "page=2" in request.target else 1
    orders = [{"order": {"url": f"{HOST}/orders/{n}/", "lines": f"{HOST}/orders/{n}/lines/?all=1"}}
              for n in ((1, 2) if page == 1 else (3,))]  # fmt: skip
    stock: dict[int, list[str | None]] = {1: ["a", "b", "a"], 2: ["b", None], 3: ["b"]}
    if path == "/orders/":
        following = f"{HOST}/orders/?page=2&format=json" if page == 1 else None
        return {"count": 3, "next": following, "results": orders}
    if path.startswith("/orders/"):
        number = int(path.split("/")[2])
        return [{"stockrecord": each and f"{HOST}/stockrecords/{each}/", "quantity": 2}
                for each in stock[number]]  # fmt: skip
    assert path.startswith("/stockrecords/")
    return {"partner_sku": "SKU-" + path.split("/")[2].upper(), "num_in_stock": 5}


@pytest.fixture
def bench(tmp_path: Path) -> Any:
    """An engine that shapes."""
    made = Workbench(tmp_path, FakeApi(tmp_path / "x", LINKED, linked).api)
    yield made
    made.close()


def asked(tmp_path: Path, text: str = LINKED, say: Any = linked) -> FakeApi:
    return FakeApi(tmp_path, text, say, base_url=HOST)


def test_links_are_followed_to_the_sku(tmp_path: Path, bench: Workbench) -> None:
    """Replay reads the same from the landed page. Equal links of a page are requested once."""
    shop = asked(tmp_path)
    assert shop.pull().error is None
    assert items_of(bench, shop) == {
        "1": {"SKU-A": 4, "SKU-B": 2},
        "2": {"SKU-B": 2, "(no sku)": 2},
        "3": {"SKU-B": 2},
    }
    targets = Counter(request.target for request in shop.requests)
    assert targets == {
        "/orders/?format=json": 2,  # in two passes, because there is no cursor
        "/orders/1/lines/?all=1&format=json": 1,
        "/orders/2/lines/?all=1&format=json": 1,
        "/orders/3/lines/?all=1&format=json": 1,
        "/orders/?page=2&format=json": 2,
        "/stockrecords/a/": 1,
        "/stockrecords/b/": 2,  # once for each page
    }


def test_a_shared_record_is_requested_once_in_a_run(tmp_path: Path, bench: Workbench) -> None:
    """It lies in each page that needs it, so that each page can be replayed alone."""
    shop = asked(tmp_path, LINKED.replace("one = true", "one = true\nshared = true"))
    assert shop.pull().error is None
    assert items_of(bench, shop)["3"] == {"SKU-B": 2}
    assert sum("/stockrecords/b/" in each.target for each in shop.requests) == 1


@pytest.mark.parametrize(
    "link", ["https://elsewhere.test/api/stock/1/", "https://shop.test/stock/1"]
)
def test_a_link_to_elsewhere_is_not_followed(tmp_path: Path, link: str) -> None:
    """The token would go there. The message says so, and nothing of the page is landed."""

    def say(request: Request) -> Any:
        if "/lines/" in request.target:
            return [{"stockrecord": link, "quantity": 1}]
        return linked(request)

    shop = asked(tmp_path, say=say)
    error = shop.pull().error
    assert error is not None
    assert "A link leads outside base_url" in error.message
    assert "line_records[].stock" in error.message
    assert shop.landing.pages() == []


@pytest.mark.parametrize("status", [404, 410])
def test_a_record_that_no_longer_exists(tmp_path: Path, bench: Workbench, status: int) -> None:
    """Of a deleted product, say: where the file says so its lines have no SKU, else it is told."""

    def say(request: Request) -> Any:
        gone = "/stockrecords/a/" in request.target
        return Response(status, {}, b"{}") if gone else linked(request)

    error = asked(tmp_path / "told", say=say).pull().error
    assert error is not None
    assert f"/stockrecords/a/ answered {status}" in error.message
    shop = asked(tmp_path, LINKED.replace("one = true", 'one = true\nmissing = "empty"'), say)
    assert shop.pull().error is None
    assert items_of(bench, shop)["1"] == {"SKU-B": 2, "(no sku)": 4}
    assert probe(Source("shop", shop.settings, shop.api, send=shop._send)).lists != []


def test_a_list_where_one_record_is_expected(tmp_path: Path) -> None:
    """The message names the link."""

    def say(request: Request) -> Any:
        return [] if "/stockrecords/" in request.target else linked(request)

    error = asked(tmp_path, say=say).pull().error
    assert error is not None
    assert "/stockrecords/a/ answered 200, but it is JSON, but not an object" in error.message


def test_a_page_with_an_order_that_is_not_json(tmp_path: Path, bench: Workbench) -> None:
    """The links of the others are followed all the same."""

    def say(request: Request) -> Any:
        said = json.dumps(linked(request)).encode()
        return Response(200, {}, said.replace(b'"order": {', b'"order": {"weight": NaN, ', 1))

    shop = asked(tmp_path, say=say)
    assert shop.pull().error is None
    assert items_of(bench, shop)["2"] == {"SKU-B": 2, "(no sku)": 2}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('into = "line_records[].stock"', 'into = "stock"', "children[1].into: it must be in the"),
        ('into = "line_records"', 'into = "lines"', "children[0].into: the key stands there"),
        ("one = true", 'one = true\nrecords = { path = "a" }', "children[1].one: a single record"),
        ('key = "lines"', 'missing = "empty"\nkey = "lines"', "children[0].missing: a wrong path"),
        ('key = "lines"', 'key = "lines[0].url"', "children[0].key"),
        ('path = "{key}", query', 'path = "{key}/x", query', "does not begin with /"),
    ],
)
def test_wrong_files(old: str, new: str, said: str) -> None:
    """Key and reason, in a sentence."""
    with pytest.raises(ApiFileError, match="test") as raised:
        parse_api(LINKED.replace(old, new, 1), "test.toml")
    assert said in str(raised.value)


def test_check_follows_one_link_of_each_block(tmp_path: Path) -> None:
    """The first order's lines and the first line's record: three requests."""
    shop = asked(tmp_path)
    source = Source("shop", shop.settings, shop.api, send=shop._send)
    assert probe(source).lists == ["line_records", "line_records[].stock"]
    assert [request.target for request in shop.requests] == [
        "/orders/?format=json",
        "/orders/1/lines/?all=1&format=json",
        "/stockrecords/a/",
    ]


def test_check_says_which_link_is_refused(tmp_path: Path) -> None:
    """Rights to orders and not to stock records: check tells it before a run does."""

    def say(request: Request) -> Any:
        refused = Response(403, {}, b"{}")
        return refused if "/stockrecords/" in request.target else linked(request)

    shop = asked(tmp_path, say=say)
    source = Source("shop", shop.settings, shop.api, send=shop._send)
    with pytest.raises(SourceRefused, match="stockrecords/a/ answered 403"):
        probe(source)
