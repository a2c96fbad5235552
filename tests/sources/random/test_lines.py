"""Lines that are asked for by themselves: all of an order's, or the order is not kept."""

import json
from pathlib import Path
from typing import Any

from orderpull.errors import SourceBroken
from orderpull.sources.http.messages import Request, Response
from tests.sources.fake_api import FakeApi, query
from tests.sources.random.ids import API, order

WITH_LINES = (
    API.format(paging='kind = "single"', strategy="reseek")
    + """
[[children]]
into = "lines"
key = "id"
[children.request]
path = "/orders/{key}/lines"
[children.paging]
kind = "page"
param = "page"
size = 2
size_param = "limit"
"""
)


def test_a_line_that_the_api_breaks_down_over_is_not_left_out(tmp_path: Path) -> None:
    """The order would count too few pieces, and nobody would know."""
    lines = [{"sku": sku, "n": 1} for sku in "ABCDE"]

    def say(request: Request) -> Any:
        if not request.target.startswith("/orders/"):
            return {"orders": [order(1)]}
        size, page = int(query(request)["limit"]), int(query(request)["page"])
        found = lines[(page - 1) * size : page * size]
        return Response(500 if lines[3] in found else 200, {}, json.dumps(found).encode())

    source = FakeApi(tmp_path, WITH_LINES, say)
    pulled = source.pull()
    assert isinstance(pulled.error, SourceBroken)
    assert list(source.landing.pages()) == []
    assert pulled.cursor is None
