"""Orders that are listed and that the warehouse lacks: fetched, or told - on each warehouse."""

from datetime import UTC, datetime, timedelta

import pytest

from orderpull import clock, pipeline
from orderpull.operate.replay import replay, replay_into
from orderpull.pipeline import RunResult
from tests.contract.list_shop import BEGAN, Listed
from tests.rollup_oracle import differing
from tests.warehouses import Warehouse

EVERY_RUN = 'reconcile = "1s"\n'
OLD = (BEGAN - timedelta(days=40)).isoformat()
BY_ID = ("[reconcile]\n", '[reconcile]\nids = "ids"\nids_at_once = 3\n')
TIMES = ('fields = "id"', 'fields = "id,no,changed,state"')
BOUNDED = ('lower = "from"\n', 'lower = "from"\nupper = "to"\nstrategy = "window_verify"\n')
WHERE = ('status = "state"\n', 'status = "state"\nwhere = "not(in(state, \'cart\'))"\n')


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two seconds pass between two looks at the clock, so that each run finds a listing due."""
    now = datetime.now(UTC).replace(tzinfo=None)
    ticks = iter(range(1, 10_000))
    monkeypatch.setattr(clock, "now", lambda: now + timedelta(seconds=2 * next(ticks)))


def opened(place: Warehouse, *changes: tuple[str, str]) -> Listed:
    """A shop of 12 orders that are loaded, with *changes* of its API file."""
    listed = Listed(place, 12, EVERY_RUN)
    file = place.folder / "listed.toml"
    text = file.read_text(encoding="utf-8")
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    file.write_text(text, encoding="utf-8")
    assert listed.run().ok
    listed.shop.asked.clear()
    return listed


def by_id(listed: Listed) -> list[str]:
    """The ids that were asked for by id, request by request."""
    return [query["ids"] for query in listed.shop.asked if "ids" in query]


def error_of(result: RunResult) -> str:
    error = result.sources["shop"].error
    assert result.exit_code == 1
    assert error is not None
    return error.message


@pytest.mark.parametrize("changes", [(BY_ID, TIMES), (BY_ID,), (BOUNDED, TIMES)])
def test_imported_orders_come(place: Warehouse, changes: tuple[tuple[str, str], ...]) -> None:
    """With stamps long before the cursor: by id, else by their times; once, in the same run."""
    listed = opened(place, *changes)
    for number in (21, 22, 23, 24):
        listed.shop.place(number, changed=OLD)
    result = listed.run()
    assert result.ok
    assert {f"N-{number}" for number in (21, 22, 23, 24)} < set(listed.states())
    counts = result.sources["shop"].counts
    assert counts.inserted == 4
    assert counts.fetched == counts.inserted + counts.unchanged
    assert by_id(listed) == (["21,22,23", "24"] if BY_ID in changes else [])
    listed.shop.asked.clear()
    assert listed.run().ok
    assert by_id(listed) == []
    assert differing(place.query, "UTC") == []
    states = listed.states()
    assert replay(listed.settings).result.ok
    assert listed.states() == states
    rebuilt = replay_into(listed.settings, "duckdb:///other.duckdb")
    assert rebuilt.compared is not None
    assert rebuilt.compared.equal


def test_without_a_way_to_fetch_them_they_are_told(place: Warehouse) -> None:
    """By count and number, with exit code 1, as often as they are listed."""
    listed = opened(place, TIMES)
    for number in range(21, 29):
        listed.shop.place(number, changed=OLD)
    for _ in range(2):
        message = error_of(listed.run())
        assert "lists 8 orders that are not stored" in message
        assert "N-21, N-22" in message
        assert "…" in message
    assert len(listed.states()) == 12


def test_what_the_api_lists_and_does_not_return_is_told(place: Warehouse) -> None:
    """The others come."""
    listed = opened(place, BY_ID, TIMES)
    for number in (21, 22):
        listed.shop.place(number, changed=OLD)
    listed.shop.hidden.add(22)
    message = error_of(listed.run())
    assert "lists 1 order that it does not return: N-22" in message
    assert "N-21" in listed.states()


def test_an_order_that_was_deleted_and_is_listed_again_counts_again(place: Warehouse) -> None:
    """With its old stamp."""
    listed = opened(place, BY_ID, TIMES)
    kept = listed.shop.orders.pop(2)
    assert listed.run().ok
    assert listed.states()["N-2"] == ("deleted at source", False)
    listed.shop.orders[2] = kept
    assert listed.run().ok
    assert listed.states()["N-2"] == ("paid", True)


def test_excluded_rejected_and_older_ones_are_not_fetched(place: Warehouse) -> None:
    """Carts, by ``where``; orders that are rejects; those changed before ``start``."""
    listed = opened(place, BY_ID, TIMES, WHERE)
    listed.shop.place(21, changed=OLD, state="cart")
    listed.shop.place(22, changed="2019-12-31T00:00:00+00:00")
    listed.shop.place(23, lines=[{"sku": "A", "n": "some"}])
    assert listed.run().ok
    assert by_id(listed) == []
    assert place.query("SELECT order_id FROM orderpull_reject") == [("23",)]


def test_what_where_excludes_is_fetched_once_if_the_list_does_not_tell(place: Warehouse) -> None:
    """The list has ids only: a cart is asked for by id, and never again."""
    listed = opened(place, BY_ID, WHERE)
    listed.shop.place(21, changed=OLD, state="cart")
    for _ in range(3):
        assert listed.run().ok
    assert by_id(listed) == ["21"]


def test_pulling_and_loading_apart(place: Warehouse) -> None:
    """The load leaves a note, and the next pull fetches."""
    listed = opened(place, BY_ID, TIMES)
    listed.shop.place(21, changed=OLD)
    assert pipeline.pull(listed.settings, send=listed.shop.send).ok
    assert pipeline.load(listed.settings).ok
    assert by_id(listed) == []
    assert pipeline.pull(listed.settings, send=listed.shop.send).ok
    assert by_id(listed) == ["21"]
    assert pipeline.load(listed.settings).ok
    assert "N-21" in listed.states()


def test_a_shop_without_such_orders_is_asked_no_more(place: Warehouse) -> None:
    """The same requests as before there was this comparison: the pages, and two passes of ids."""
    listed = opened(place, BY_ID, TIMES)
    listed.shop.place(3, state="sent")
    listed.shop.place(13)
    assert listed.run().ok
    listing = [query for query in listed.shop.asked if query["sort"] == "id"]
    assert len(listing) == 2 * 3
    assert len(listed.shop.asked) - len(listing) == 1
