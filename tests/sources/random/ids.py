"""An API of a few lines whose orders are told by their ids alone."""

import json
from typing import Any

from orderpull.landing.local import LocalSourceLanding
from tests.sources.fake_api import ORDER_BLOCK

API = (
    """
title = "Odd shop"
[request]
path = "/orders"
[paging]
{paging}
[records]
path = "orders"
[cursor]
path = "changed"
lower = "from"
overlap = 0
strategy = "{strategy}"
"""
    + ORDER_BLOCK
)


def order(number: int) -> dict[str, Any]:
    """An order, changed so many seconds after the new year."""
    return {"id": number, "changed": f"2026-01-01T00:00:{number:02d}", "lines": []}


def ids(landing: LocalSourceLanding) -> set[Any]:
    """The ids of all landed orders."""
    bodies = (landing.read(page)[1] for page in landing.pages())
    return {each["id"] for body in bodies for each in json.loads(body)["orders"]}
