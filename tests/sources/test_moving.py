"""Orders that change while they are read: none is lost, neither in this run nor for ever."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from orderpull.errors import SourceUnstable
from orderpull.sources.paging import passes
from tests.sources.moving_shop import BEGAN, Move, MovingShop, Reader, names

ORDERS = 1000


def seven_change(shop: MovingShop) -> None:
    """Seven orders that were served already are changed, all at once."""
    shop.modify(*shop.served[-1][:7])


def seven_go(shop: MovingShop) -> None:
    shop.delete(*shop.served[-1][:7])


def seven_come(shop: MovingShop) -> None:
    for number in range(7):
        shop.insert(f"new{len(shop.asked)}-{number}")


def seven_come_late(shop: MovingShop) -> None:
    """Orders appear that were stamped a little before the newest served: written late."""
    newest = max(shop.orders[order] for order in shop.served[-1])
    for number in range(7):
        stamp = newest - timedelta(seconds=number + 1)
        shop.insert(f"late{len(shop.asked)}-{number}", stamp)


def all_of_it(shop: MovingShop) -> None:
    for move in (seven_change, seven_come, seven_go):
        move(shop)


SCENES: dict[str, dict[int, Move]] = {
    "nothing moves": {},
    "7 changed": {3: seven_change},
    "70 changed, 7 after each of ten pages": dict.fromkeys(range(2, 12), seven_change),
    "7 deleted": {3: seven_go},
    "70 deleted": dict.fromkeys(range(2, 12), seven_go),
    "70 new": dict.fromkeys(range(2, 12), seven_come),
    "7 written late": {20: seven_come_late},
    "all of it at once": dict.fromkeys(range(2, 9), all_of_it),
}


@pytest.mark.slow
@pytest.mark.parametrize("upper", [True, False], ids=["upper bound", "no upper bound"])
@pytest.mark.parametrize("strategy", ["reseek", "window_verify"])
@pytest.mark.parametrize("scene", SCENES)
def test_no_order_is_lost_while_a_thousand_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scene: str, strategy: str, upper: bool
) -> None:
    """Whatever changes meanwhile, this run and the next hold every order as it is now."""
    shop = MovingShop(ORDERS, moves=SCENES[scene])
    reader = Reader(tmp_path, shop, monkeypatch, strategy=strategy, upper=upper)
    for _ in range(2):
        pulled = reader.pull()
        assert pulled.error is None
        assert pulled.finished_at
        shop.tick()
    assert reader.missing() == []


@pytest.mark.parametrize(
    ("scene", "lost"), [("7 changed", 7), ("70 changed, 7 after each of ten pages", 70)]
)
def test_walking_by_position_would_lose_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scene: str, lost: int
) -> None:
    """The same changes, read as most loaders do: just as many orders are never seen."""
    shop = MovingShop(ORDERS, moves=SCENES[scene])
    reader = Reader(tmp_path, shop, monkeypatch, strategy=None)
    monkeypatch.setattr(passes, "MAX_PASSES", 1)
    reader.pull()
    seen = {order for order, _ in reader.landed()}
    assert len([order for order in shop.orders if order not in seen]) == lost


@pytest.mark.parametrize("inclusive", [True, False], ids=["from", "after"])
@pytest.mark.parametrize("precision", ["s", "ms", "us"])
def test_bounds_rounded_to_a_precision_pass_no_order_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: str, inclusive: bool
) -> None:
    """Bounds that are exclusive, or coarser than the stamps: all orders, and an end."""
    shop = MovingShop(300, every=0.0137, inclusive=inclusive, moves={2: seven_change})
    reader = Reader(tmp_path, shop, monkeypatch, precision=precision, upper=False)
    for _ in range(2):
        assert reader.pull().error is None
        shop.tick()
    assert reader.missing() == []
    digits = {"s": 0, "ms": 3, "us": 6}[precision]
    for query in shop.asked:
        assert len(query["from"].removesuffix("Z").partition(".")[2]) == digits


def test_the_next_run_begins_an_overlap_before_the_cursor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Start, then cursor less overlap; what was written late within it is found."""
    shop = MovingShop(100)
    reader = Reader(tmp_path, shop, monkeypatch)
    assert reader.pull().cursor == "2026-01-01T00:01:39.000000Z"
    assert shop.asked[0]["from"] == "2025-12-31T00:00:00.000Z"
    shop.insert("late", BEGAN + timedelta(seconds=90))
    shop.asked.clear()
    reader.pull()
    assert shop.asked[0]["from"] == "2025-12-31T23:59:39.000Z"
    assert reader.missing() == []


def test_a_run_with_nothing_new_leaves_the_cursor_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the overlap nor an empty window moves it back, run after run."""
    for strategy in ("reseek", "window_verify"):
        shop = MovingShop(10)
        reader = Reader(tmp_path / strategy, shop, monkeypatch, strategy=strategy)
        first = reader.pull().cursor
        shop.delete(*names(*range(5, 10)))
        assert {reader.pull().cursor for _ in range(3)} == {first}
        shop.orders.clear()
        assert {reader.pull().cursor for _ in range(3)} == {first}
    empty = Reader(tmp_path / "empty", MovingShop(), monkeypatch, strategy="window_verify")
    assert {empty.pull().cursor for _ in range(3)} == {"2025-12-31T00:00:00.000000Z"}


def test_a_clock_set_back_moves_no_cursor_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our own clock bounds the cursor, but never takes back what was read."""
    shop = MovingShop(100)
    reader = Reader(tmp_path, shop, monkeypatch, upper=False)
    first = reader.pull().cursor
    shop.now = BEGAN - timedelta(days=40)
    assert reader.pull().cursor == first


def test_an_order_from_the_future_hides_none_that_come_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stamp of the year 2099 does not become the place to go on from."""
    shop = MovingShop(10)
    shop.insert("future", BEGAN.replace(year=2099))
    reader = Reader(tmp_path, shop, monkeypatch, upper=False)
    reader.pull()
    shop.now += timedelta(days=1)
    shop.insert("new")
    reader.pull()
    assert reader.missing() == []


@pytest.mark.parametrize("max_pages", [1, 2, 3])
def test_small_runs_get_on_although_the_overlap_is_larger_than_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, max_pages: int
) -> None:
    """Runs of a page or two, and all orders changed within the overlap: the end is reached."""
    shop = MovingShop(400, every=0.01)
    reader = Reader(tmp_path, shop, monkeypatch, max_pages=max_pages)
    cursors = []
    while not (pulled := reader.pull()).finished_at:
        assert pulled.error is None
        cursors.append(pulled.cursor)
        assert len(cursors) < 20
    assert cursors == sorted(set(cursors), key=str)
    assert reader.missing() == []


def test_a_window_that_agrees_lands_each_page_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pass that only verifies lands nothing."""
    shop = MovingShop(200)
    reader = Reader(tmp_path, shop, monkeypatch, strategy="window_verify", total=True)
    pulled = reader.pull()
    assert len(shop.asked) == 8
    assert len(pulled.pages) == 4
    assert len(reader.landed()) == 200
    assert pulled.cursor == "2026-01-01T00:03:19.000000Z"


def test_a_window_that_never_agrees_is_given_up_and_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After so many passes: an error, no cursor, nothing lost in the end."""
    shop = MovingShop(200, moves=dict.fromkeys(range(999), seven_change))
    reader = Reader(tmp_path, shop, monkeypatch, strategy="window_verify", upper=False, total=True)
    pulled = reader.pull()
    assert isinstance(pulled.error, SourceUnstable)
    assert "changed in every pass" in str(pulled.error)
    assert "http://shop.test/orders" in str(pulled.error)
    assert pulled.cursor is None
    assert pulled.finished_at is None
    shop.moves = {}
    shop.asked.clear()
    assert reader.pull().error is None
    assert shop.asked[0]["from"] == "2025-12-31T00:00:00.000Z"
    assert reader.missing() == []


def test_answers_that_are_not_sorted_are_read_by_the_window(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An API that ignores the order asked for is noticed, and verified instead."""
    shop = MovingShop(400, key=lambda order, _: order[::-1], moves={4: seven_change})
    reader = Reader(tmp_path, shop, monkeypatch)
    for _ in range(2):
        assert reader.pull().error is None
        shop.tick()
    assert reader.missing() == []


def test_pages_that_only_seemed_sorted_leave_no_cursor_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the first pages told of the cursor is taken back with the page that gives it the lie.

    Else a run that ends in the middle would be followed by one that begins too late.
    """

    def at_first_sight(order: str, stamp: datetime) -> tuple[bool, int]:
        number = int(order[1:])
        return not 300 <= number < 350, number if number < 350 else -number

    shop = MovingShop(400, key=at_first_sight, moves=dict.fromkeys(range(3, 999), seven_change))
    reader = Reader(tmp_path, shop, monkeypatch, upper=False)
    pulled = reader.pull()
    assert isinstance(pulled.error, SourceUnstable)
    told = [reader.landing.meta(page).cursor_after for page in pulled.pages[:3]]
    assert told == ["2026-01-01T00:05:49.000000Z", "2025-12-31T00:00:00.000000Z", None]
    assert pulled.cursor == reader.landing.newest_cursor(None, 0) == told[1]
    shop.moves = {}
    assert reader.pull().error is None
    assert reader.missing() == []
