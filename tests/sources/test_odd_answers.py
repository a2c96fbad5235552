"""Odd answers of shops: one odd order, or one odd writing, keeps no other order away."""

import gzip
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orderpull import pipeline, read_settings
from orderpull.pipeline import SourceResult
from orderpull.sources.http.messages import Request, Response, ResponseSink
from tests.shops import rows
from tests.sources.shop import ORDINARY

Answer = Callable[[Request], Response]
ONCE = ORDINARY.partition("[paging]")[0].replace("[request]", "consume_once = true\n[request]")
ONCE += '[paging]\nkind = "drain"\n' + ORDINARY[ORDINARY.index("[records]") :]


def order(number: str, **more: Any) -> dict[str, Any]:
    return {"orderNumber": number, "orderItems": [{"sku": "A", "quantity": 1}], **more}


def page(*orders: Any, **more: Any) -> bytes:
    return json.dumps({"orders": orders, **more}).encode()


def run(
    folder: Path, answer: Answer, api: str = ORDINARY, more: str = ""
) -> tuple[SourceResult, list[Request]]:
    """One run of a source whose API answers by *answer*, and what it was asked.

    :param more: further settings of the source.
    """
    (folder / "odd.toml").write_text(api, encoding="utf-8")
    file = folder / "orderpull.toml"
    file.write_text(
        f'[sources.shop]\napi = "odd.toml"\nbase_url = "https://shop.test"\n{more}\n',
        encoding="utf-8",
    )
    asked: list[Request] = []

    def send(request: Request, _: ResponseSink) -> Response:
        asked.append(request)
        return answer(request)

    return pipeline.run(read_settings(file), send=send).sources["shop"], asked


def stored(folder: Path) -> list[str]:
    """Numbers of the orders in the warehouse."""
    return [number for (number,) in rows(folder, "SELECT ordernumber FROM order_header ORDER BY 1")]


def deep(number: str) -> str:
    """An order nested 1,000 deep."""
    return json.dumps(order(number)).replace("}", f', "deep": {"[" * 1000}{"]" * 1000}}}', 1)


@pytest.mark.parametrize("api", [ORDINARY, ONCE], ids=["ordinary", "consume-once"])
def test_an_order_nested_a_thousand_deep_is_the_only_reject(tmp_path: Path, api: str) -> None:
    """Its page is taken at the first try, and counts as no loss."""
    listed = f"{json.dumps(order('1'))}, {deep('2')}, {json.dumps(order('3'))}"
    bodies = [f'{{"orders": [{listed}], "count": 3}}'.encode(), page()]
    result, asked = run(tmp_path, lambda _: Response(200, {}, bodies.pop(0)), api)
    assert result.error is None
    assert result.possible_loss == 0
    assert len(asked) == (2 if api is ONCE else 1)
    assert stored(tmp_path) == ["1", "3"]
    rejects = rows(tmp_path, "SELECT reason, raw FROM orderpull_reject")
    assert rejects == [("order_unreadable", deep("2"))]


def test_a_line_nested_a_thousand_deep_is_a_line(tmp_path: Path) -> None:
    """Lines on a page of their own are read beside what is too deep."""
    api = f"""{ORDINARY}
[[children]]
into = "orderItems"
key = "orderNumber"
[children.request]
path = "/orders/{{key}}/lines"
"""
    lines = f'[{{"sku": "B", "quantity": 2, "deep": {"[" * 1000}{"]" * 1000}}}]'.encode()
    result, _ = run(
        tmp_path,
        lambda request: Response(200, {}, lines if "lines" in request.target
                                 else page(order("1"), count=1)),
        api,
    )  # fmt: skip
    assert result.error is None
    assert rows(tmp_path, "SELECT sku, quantity FROM order_item ORDER BY 1") == [("A", 1), ("B", 2)]


def test_an_empty_list_is_an_empty_object_wherever_one_is_expected(tmp_path: Path) -> None:
    """PHP cannot tell them apart: beside the orders, on the way to a time, and as an address."""
    api = f"""{ORDINARY.replace('total = "count"', 'total = "meta.count"')}
[cursor]
path = "times.changed"
lower = "since"
"""
    api = api.replace(
        'number = "orderNumber"', 'number = "orderNumber"\nmodified_at = "times.changed"'
    )
    body = page(order("1", shipToAddress=[], times={"changed": "2026-05-01 10:00:00 UTC"}),
                order("2", times=[]), meta=[])  # fmt: skip
    result, _ = run(tmp_path, lambda _: Response(200, {}, body), api, 'start = "2026-05-01"')
    assert result.error is None
    assert result.cursor == "2026-05-01T10:00:00.000000Z"
    assert stored(tmp_path) == ["1", "2"]


@pytest.mark.parametrize("said", [True, False])
def test_null_for_the_list_is_an_empty_page_where_the_file_says_so(
    tmp_path: Path, said: bool
) -> None:
    """Without the file's word, and where more than the list is missing, it is no list."""
    path = '[records]\npath = "data.orders"\n'
    api = ORDINARY.replace('[records]\npath = "orders"\n', path + 'null = "empty"\n' * said)
    bodies = [b'{"data": {"orders": null}, "count": 0}']
    result, asked = run(tmp_path, lambda _: Response(200, {}, bodies[0]), api)
    assert (result.error is None) == said
    if said:
        assert {each.target for each in asked} == {"/admin/orders?limit=20&offset=0"}
        bodies[0] = b'{"data": null}'
        result, _ = run(tmp_path, lambda _: Response(200, {}, bodies[0]), api)
    assert "JSON without a list of orders" in str(result.error)


LISTED = page(order("1"), count=1)
PHP = b"<br />\n<b>Notice</b>:  Undefined index: [a] in <b>/var/a.php</b> on line <b>3</b><br />\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("headers", "body", "said"),
    [
        ({}, PHP + LISTED, "a PHP notice stands before its JSON"),
        ({}, b"Warning: Undefined array key 1 in /a.php on line 7\n" + LISTED, "a PHP notice"),
        ({}, b"while(1);" + LISTED, "9 bytes of other text stand before its JSON"),
        ({}, b"<html>[1]</html>", "it is HTML, not JSON"),
        ({"content-encoding": "br"}, b"\x1b\x2e\x00\xf8", "it is compressed with brotli"),
        ({"content-encoding": "deflate"}, zlib.compress(LISTED)[2:-4], "compressed with deflate"),
        ({}, zlib.compress(LISTED), "it is compressed with deflate"),
        ({}, gzip.compress(LISTED, mtime=0), "it is compressed with gzip twice"),
        ({}, b"\x1f\x8b\x08 broken", "it is compressed with gzip, which cannot be unpacked"),
        ({}, b"\x28\xb5\x2f\xfd", "it is compressed with zstd"),
        ({"content-encoding": "br"}, b"oops", "it is not whole JSON"),
    ],
)
@pytest.mark.parametrize("api", [ORDINARY, ONCE], ids=["ordinary", "consume-once"])
def test_what_is_no_json_is_named_for_what_it_is(
    tmp_path: Path, api: str, headers: dict[str, str], body: bytes, said: str
) -> None:
    """In one sentence, for both kinds of API."""
    api = api.replace("[records]", "[limits]\ntries = 1\n[records]")
    result, _ = run(tmp_path, lambda _: Response(200, headers, body), api)
    assert said in str(result.error)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("orders", "total", "pages"),
    [(45, "page", 3), (40, "page", 3), (20, "right", 2), (40, "right", 2), (5, "right", 1)],
)
def test_a_total_of_one_full_page_is_not_believed_at_once(
    tmp_path: Path, orders: int, total: str, pages: int
) -> None:
    """It may be the number of this page's orders: one more page is asked for."""
    listed = [order(str(number)) for number in range(orders)]

    def answer(request: Request) -> Response:
        at = int(request.target.partition("offset=")[2])
        some = listed[at : at + 20]
        return Response(200, {}, page(*some, count=orders if total == "right" else len(some)))

    result, asked = run(tmp_path, answer)
    assert result.error is None
    assert len({each.target for each in asked}) == pages
    assert len(stored(tmp_path)) == orders
