"""Orders of one second that the API sorts anew for each answer, in a shop where nothing changes."""

import random
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from orderpull.errors import SourceUnstable
from orderpull.sources.http.messages import Request
from orderpull.sources.paging.doubts import doubts_of
from orderpull.sources.spec.times import parse_time
from tests.sources.fake_api import FakeApi, query
from tests.sources.random.ids import API, ids
from tests.sources.random.seeds import seeds

BY_PAGE = 'kind = "page"\nparam = "page"\nsize = 10\nsize_param = "limit"\n{more}'
BEGAN = datetime(2026, 1, 1)


class TiedShop:
    """Orders with ids from 0, so many of them in each second, of which each answer is sorted anew.

    :param settled: whether orders of one second keep their order.
    """

    def __init__(self, count: int, together: int, seed: int, *, settled: bool = False) -> None:
        self.times = {n: BEGAN + timedelta(seconds=n // together) for n in range(count)}
        self.random = random.Random(seed)
        self.settled = settled
        self.sizes: list[int] = []

    def say(self, request: Request) -> Any:
        asked = query(request)
        lower, upper = parse_time(asked.get("from")), parse_time(asked.get("to"))
        found = [n for n, time in self.times.items()
                 if (not lower or time >= lower) and (not upper or time <= upper)]  # fmt: skip
        if not self.settled:
            self.random.shuffle(found)
        found.sort(key=lambda n: self.times[n])
        size, page = int(asked["limit"]), int(asked["page"])
        self.sizes.append(size)
        told = found[(page - 1) * size : page * size]
        return {"orders": [{"id": n, "changed": self.times[n].isoformat(), "lines": []}
                           for n in told]}  # fmt: skip


def source(
    folder: Path, shop: Any, strategy: str, more: str = "", cursor: str = "", **settings: Any
) -> FakeApi:
    text = API.format(strategy=strategy, paging=BY_PAGE.format(more=more))
    return FakeApi(folder, text.replace("[cursor]", f"[cursor]\n{cursor}"), shop.say, **settings)


@pytest.mark.parametrize("seed", seeds(20))
@pytest.mark.parametrize(
    ("strategy", "together", "most"),
    [
        ("reseek", 12, 130),
        ("reseek", 100, 130),
        ("window_verify", 7, 80),
        ("window_verify", 30, 120),
    ],
)
def test_all_orders_come_and_the_cursor_moves(
    tmp_path: Path, strategy: str, together: int, most: int, seed: int
) -> None:
    """The passes together have as many orders as the list: no doubt is left, nor an error."""
    shop = TiedShop(100, together, seed)
    tied = source(tmp_path, shop, strategy)
    pulled = tied.pull()
    assert pulled.error is None
    assert ids(tied.landing) == set(range(100))
    assert pulled.cursor == f"{shop.times[99].isoformat()}.000000Z"
    assert doubts_of(tied.landing) == []
    assert len(tied.requests) <= most
    assert tied.pull().error is None


@pytest.mark.parametrize("strategy", ["reseek", "window_verify"])
def test_a_crowded_second_is_read_by_the_largest_pages(tmp_path: Path, strategy: str) -> None:
    """One page that holds the whole second has nothing to be cut; quiet ones keep their size."""
    shop = TiedShop(60, 30, 1)
    tied = source(tmp_path, shop, strategy, "max_size = 80")
    assert tied.pull().error is None
    assert ids(tied.landing) == set(range(60))
    assert max(shop.sizes) == 80
    assert len(tied.requests) <= 20


@pytest.mark.parametrize("last", [13, 199])
def test_a_list_that_names_one_order_twice_is_read_twice(tmp_path: Path, last: int) -> None:
    """Nothing moves, so two passes are enough; four pages each."""
    shop = TiedShop(199, 1, 1, settled=True)

    def say(request: Request) -> Any:
        asked, page = query(request), int(query(request)["page"])
        if asked["from"] > "2026-01-01T01":
            return {"orders": []}
        listed = list(range(199))
        listed.insert(last, 3)
        size = int(asked["limit"])
        told = listed[(page - 1) * size : page * size]
        return {"orders": [{"id": n, "changed": shop.times[n].isoformat(), "lines": []}
                           for n in told], "total": 200}  # fmt: skip

    shop.say = say  # type: ignore[method-assign]
    twice = source(tmp_path, shop, "window_verify", 'total = "total"', page_size=50)
    pulled = twice.pull()
    assert pulled.error is None
    assert len(twice.requests) == 8
    assert ids(twice.landing) == set(range(199))


def test_later_windows_come_while_an_early_one_changes_in_every_pass(tmp_path: Path) -> None:
    """Told and exit 1, today's orders are there, and the next run reads that window alone again."""
    shop = TiedShop(60, 1, 1, settled=True)
    shop.times |= {n: BEGAN + timedelta(days=40, seconds=n) for n in range(100, 120)}
    moving = True
    calls = 0

    def say(request: Request) -> Any:
        nonlocal calls
        calls += 1
        if moving and query(request)["from"] < "2026-01-20":
            shop.times[calls % 20] += timedelta(seconds=60)
        return TiedShop.say(shop, request)

    shop.say = say  # type: ignore[method-assign]
    tied = source(tmp_path, shop, "window_verify", cursor='upper = "to"\nwindow = 30')
    pulled = tied.pull()
    assert isinstance(pulled.error, SourceUnstable)
    assert pulled.cursor is not None
    assert pulled.cursor > "2026-02-10T00:01:59.000000Z"
    assert ids(tied.landing) >= set(range(100, 120))
    (doubt,) = doubts_of(tied.landing)
    assert (doubt.since, doubt.moving) == (BEGAN, True)
    moving = False
    tied.requests.clear()
    assert tied.pull().error is None
    assert ids(tied.landing) == {*range(60), *range(100, 120)}
    assert doubts_of(tied.landing) == []
    assert tied.queries[0]["from"] == f"{pulled.cursor[:23]}Z"
    assert {each["from"] for each in tied.queries[1:]} == {"2026-01-01T00:00:00.000Z"}
    assert len(tied.requests) == 1 + 14
