"""Odd answers of shops: one odd order, or one odd writing, keeps no other order away."""

import json
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


def run(folder: Path, answer: Answer, api: str = ORDINARY) -> tuple[SourceResult, list[Request]]:
    """One run of a source whose API answers by *answer*, and what it was asked."""
    (folder / "odd.toml").write_text(api, encoding="utf-8")
    file = folder / "orderpull.toml"
    file.write_text(
        '[sources.shop]\napi = "odd.toml"\nbase_url = "https://shop.test"\n', encoding="utf-8"
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
