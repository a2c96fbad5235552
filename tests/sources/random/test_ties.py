"""Orders of one stamp that the API sorts one way for one page, and another way for the next.

Databases do so where nothing says how equals are sorted. Two passes may then lack the same order.
"""

import random
from pathlib import Path
from typing import Any

import pytest

from orderpull.sources.http.messages import Request
from tests.sources.fake_api import FakeApi, query
from tests.sources.random.ids import API, ids, order
from tests.sources.random.seeds import seeds

BY_PAGE = 'kind = "page"\nparam = "page"\nsize = 10\nsize_param = "limit"\n'


@pytest.mark.parametrize("strategy", ["reseek", "window_verify"])
@pytest.mark.parametrize("seed", seeds(20))
def test_passes_that_lack_the_same_order_are_not_taken_for_all(
    tmp_path: Path, seed: int, strategy: str
) -> None:
    """Once the API has sorted alike for a while, no order is missing."""
    orders = [order(5) | {"id": number} for number in range(11)]
    draw = random.Random(seed)
    calls = 0

    def say(request: Request) -> Any:
        nonlocal calls
        calls += 1
        found = list(orders) if query(request)["from"][:19] <= orders[0]["changed"] else []
        if calls <= 9:
            draw.shuffle(found)
        page = int(query(request)["page"])
        return {"orders": found[(page - 1) * 10 : page * 10]}

    source = FakeApi(tmp_path, API.format(strategy=strategy, paging=BY_PAGE), say)
    assert source.pull().error is None
    assert ids(source.landing) == set(range(11))


@pytest.mark.parametrize("strategy", ["reseek", "window_verify"])
def test_an_order_that_is_always_listed_twice_ends_nothing(tmp_path: Path, strategy: str) -> None:
    """It costs some passes, and all orders are read."""
    listed = [order(5) | {"id": number} for number in [*range(12), 0]]

    def say(request: Request) -> Any:
        page = int(query(request)["page"])
        found = listed if query(request)["from"][:19] <= listed[0]["changed"] else []
        return {"orders": found[(page - 1) * 10 : page * 10]}

    source = FakeApi(tmp_path, API.format(strategy=strategy, paging=BY_PAGE), say)
    pulled = source.pull()
    assert pulled.error is None
    assert pulled.finished_at
    assert ids(source.landing) == set(range(12))
    assert len(source.requests) < 30
