"""Many orders of one instant, as bulk changes stamp them: more than a page holds, and all read."""

from datetime import timedelta
from pathlib import Path

import pytest

from orderpull.errors import SourceUnexpected
from orderpull.sources.paging.doubts import doubts_of
from tests.sources.moving_shop import BEGAN, SIZE, MovingShop, Reader, names


def together(shop: MovingShop, first: int, count: int) -> None:
    """Give *count* orders from *first* on one and the same stamp."""
    stamp = BEGAN + timedelta(seconds=first)
    for order in names(*range(first, first + count)):
        shop.orders[order] = stamp


def three_of_the_instant_change(shop: MovingShop) -> None:
    """Three orders that were served already, of the instant being read, are changed."""
    instant = shop.orders[shop.served[-1][0]]
    shop.modify(*[order for order in shop.served[-1] if shop.orders[order] == instant][:3])


@pytest.mark.slow
@pytest.mark.parametrize("asked", ["page", "page, total", "offset", "offset, total"])
@pytest.mark.parametrize("count", [2, SIZE - 1, SIZE, SIZE + 1, 3 * SIZE, 5 * SIZE + 20])
@pytest.mark.parametrize("moving", [False, True], ids=["still", "moving"])
def test_orders_of_one_instant_are_all_read(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    count: int,
    moving: bool,
    asked: str,
) -> None:
    """As many orders as a bulk change stamps alike, more than a page of them, moving or not."""
    shop = MovingShop(400, by_page="page" in asked)
    together(shop, 60, count)
    if moving:
        shop.moves = dict.fromkeys((3, 4, 5), three_of_the_instant_change)
    reader = Reader(tmp_path, shop, monkeypatch, total="total" in asked)
    for _ in range(2):
        pulled = reader.pull()
        assert pulled.error is None
        shop.tick()
    assert reader.missing() == []
    if not moving and count <= SIZE:
        assert len(shop.asked) < 30


@pytest.mark.parametrize("precision", ["s", "ms"])
@pytest.mark.parametrize("count", [2, SIZE + 1, 3 * SIZE])
def test_an_exclusive_bound_leaves_none_of_an_instant_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, precision: str
) -> None:
    """Where the API answers only what came after the bound, the bound is a step lower."""
    shop = MovingShop(200, inclusive=False)
    together(shop, 40, count)
    reader = Reader(tmp_path, shop, monkeypatch, precision=precision, start=BEGAN.isoformat())
    assert reader.pull().error is None
    assert reader.missing() == []


def test_an_instant_that_does_not_hold_still_is_passed_by_and_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It keeps no later orders waiting: the doubt is told, and nothing lost once it is quiet."""
    shop = MovingShop(400, moves=dict.fromkeys(range(3, 99), three_of_the_instant_change))
    together(shop, 60, 3 * SIZE)
    reader = Reader(tmp_path, shop, monkeypatch, upper=False)
    pulled = reader.pull()
    assert pulled.error is None
    (doubt,) = doubts_of(reader.landing)
    assert doubt.since == BEGAN + timedelta(seconds=60)
    assert "orders changed from 2026-01-01T00:01:00.000000Z" in caplog.text
    shop.moves = {}
    shop.asked.clear()
    assert reader.pull().error is None
    assert shop.asked[-1]["from"].startswith("2026-01-01T00:01:0")
    assert doubts_of(reader.landing) == []
    assert reader.missing() == []


@pytest.mark.parametrize("strategy", ["reseek", "window_verify", None])
def test_an_api_that_ignores_the_position_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strategy: str | None
) -> None:
    """The same page at every position is an error that names the parameter, not an endless run."""
    shop = MovingShop(200, deaf=True)
    together(shop, 0, 200)
    reader = Reader(tmp_path, shop, monkeypatch, strategy=strategy)
    pulled = reader.pull()
    assert isinstance(pulled.error, SourceUnexpected)
    assert "at seems to be ignored" in str(pulled.error)
    assert len(shop.asked) <= 4


def test_an_api_without_positions_is_read_from_stamp_to_stamp(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It needs none, as long as no instant fills a page."""
    shop = MovingShop(200)
    together(shop, 60, SIZE - 1)
    reader = Reader(tmp_path, shop, monkeypatch, position=False)
    assert reader.pull().error is None
    assert reader.missing() == []


def test_an_instant_that_fills_the_only_page_there_is_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More orders than can be asked for are told, with what helps, and that helps."""
    shop = MovingShop(200)
    together(shop, 60, SIZE + 10)
    pulled = Reader(tmp_path, shop, monkeypatch, position=False).pull()
    assert isinstance(pulled.error, SourceUnexpected)
    assert "than a page of 50 holds. Set a larger page_size." in str(pulled.error)
    reader = Reader(tmp_path, shop, monkeypatch, position=False, size=100)
    assert reader.pull().error is None
    assert reader.missing() == []
