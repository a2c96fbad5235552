"""Orders that vanish, change without a sign, or lose their address - on each warehouse."""

from datetime import UTC, datetime, timedelta

import pytest

from orderpull import clock
from orderpull.errors import RejectLimitExceeded, SettingsError, SourceUnexpected
from orderpull.operate.replay import replay, replay_into
from tests.contract.list_shop import Listed
from tests.rollup_oracle import differing
from tests.warehouses import Warehouse

EVERY_RUN = 'reconcile = "1s"\n'
GONE = ("deleted at source", False)
PAID = ("paid", True)


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two seconds pass between two looks at the clock, so that each run finds a listing due."""
    now = datetime.now(UTC).replace(tzinfo=None)
    ticks = iter(range(1, 10_000))
    monkeypatch.setattr(clock, "now", lambda: now + timedelta(seconds=2 * next(ticks)))


def test_an_order_that_is_listed_no_more_is_marked_and_not_counted(place: Warehouse) -> None:
    """Its rows stay; answers and summaries leave it out; nothing else changes."""
    listed = Listed(place, 12, EVERY_RUN)
    assert listed.run().ok
    assert set(listed.states().values()) == {PAID}
    pieces = "SELECT quantity FROM popular_sku WHERE sku = 'A'"
    before = int(place.query(pieces)[0][0])
    for number in (3, 11):
        del listed.shop.orders[number]
    result = listed.run()
    assert result.ok
    counts = result.sources["shop"].counts
    assert (counts.updated, counts.inserted, counts.stale, counts.rejected) == (2, 0, 0, 0)
    assert counts.fetched == counts.updated + counts.unchanged
    states = listed.states()
    assert {number for number, state in states.items() if state == GONE} == {"N-3", "N-11"}
    assert len(states) == 12
    assert place.query("SELECT line1 FROM order_address WHERE ordernumber = 'N-3'") == [("Weg 3",)]
    items = "SELECT sku, quantity FROM order_item WHERE ordernumber = 'N-3' ORDER BY sku"
    assert [(sku, int(n)) for sku, n in place.query(items)] == [("A", 3), ("B", 1)]
    assert before - int(place.query(pieces)[0][0]) == 3 + 11
    assert differing(place.query, "UTC") == []
    assert listed.run().sources["shop"].counts.updated == 0  # once is enough


def test_an_order_that_comes_back_is_counted_again(place: Warehouse) -> None:
    """Whether with a new stamp, or as it was."""
    listed = Listed(place, 6, EVERY_RUN)
    assert listed.run().ok
    kept = listed.shop.orders.pop(2)
    assert listed.run().ok
    assert listed.states()["N-2"] == GONE
    listed.shop.orders[2] = kept | {"changed": listed.shop.orders[6]["changed"]}
    assert listed.run().ok
    assert listed.states()["N-2"] == PAID
    assert differing(place.query, "UTC") == []


def test_a_deleted_order_gives_its_number_up(place: Warehouse) -> None:
    """To the order that waited for it, and to one that comes later; nothing is left to reject."""
    listed = Listed(place, 4, EVERY_RUN)
    listed.shop.place(9, no="N-2")
    assert listed.run().ok
    assert held(place) == {"N-1": "1", "N-2": "2", "N-3": "3", "N-4": "4"}
    del listed.shop.orders[2]
    del listed.shop.orders[3]
    assert listed.run().ok
    assert held(place) == {"N-1": "1", "N-2": "9", "N-3": "3", "N-4": "4"}
    assert listed.states()["N-2"] == PAID
    assert listed.states()["N-3"] == GONE
    listed.shop.place(10, no="N-3")
    assert listed.run().ok
    assert held(place) == {"N-1": "1", "N-2": "9", "N-3": "10", "N-4": "4"}
    assert listed.states()["N-3"] == PAID
    assert place.query("SELECT order_id, reason FROM orderpull_reject") == []
    assert differing(place.query, "UTC") == []
    assert replay(listed.settings).result.ok
    assert held(place) == {"N-1": "1", "N-2": "9", "N-3": "10", "N-4": "4"}


def held(place: Warehouse) -> dict[str, str]:
    """By number: which order has it."""
    return dict(place.query("SELECT ordernumber, order_id FROM order_header"))


@pytest.mark.parametrize("partial", [True, False])
def test_orders_that_an_api_shows_no_more_are_not_deleted(place: Warehouse, partial: bool) -> None:
    """Where it shows the last weeks only: what is older than all it lists stays counted."""
    listed = Listed(place, 0, EVERY_RUN)
    api = place.folder / "listed.toml"
    text = api.read_text(encoding="utf-8")
    mark = f"[reconcile]\npartial = {str(partial).lower()}\n"
    api.write_text(text.replace("[reconcile]\n", mark), encoding="utf-8")
    for number in range(1, 13):
        listed.shop.place(number, placed=f"2026-01-{number:02}T12:00:00Z")
    assert listed.run().ok
    for number in (1, 2, 3, 7):  # three have grown old; the seventh is deleted
        del listed.shop.orders[number]
    assert listed.run().ok
    gone = {number for number, state in listed.states().items() if state == GONE}
    assert gone == ({"N-7"} if partial else {"N-1", "N-2", "N-3", "N-7"})


def test_too_many_at_once_are_not_believed(place: Warehouse) -> None:
    """Exit 1 and nothing is marked, until a person says so."""
    listed = Listed(place, 30, EVERY_RUN)
    assert listed.run().ok
    for number in range(1, 13):
        del listed.shop.orders[number]
    result = listed.run()
    assert result.exit_code == 1
    error = result.sources["shop"].error
    assert isinstance(error, RejectLimitExceeded)
    assert "lists 12 of 30 stored orders no more" in error.message
    assert set(listed.states().values()) == {PAID}
    assert listed.run(accept=True).ok
    assert list(listed.states().values()).count(GONE) == 12


def test_a_list_without_any_order_is_not_believed(place: Warehouse) -> None:
    """An API that answers nothing at all has deleted nothing."""
    listed = Listed(place, 3, EVERY_RUN)
    assert listed.run().ok
    listed.shop.orders.clear()
    result = listed.run()
    assert isinstance(result.sources["shop"].error, SourceUnexpected)
    assert set(listed.states().values()) == {PAID}


def test_replay_comes_to_the_same(place: Warehouse) -> None:
    """Pages and lists read again, in place or into another warehouse, change nothing."""
    listed = Listed(place, 12, EVERY_RUN)
    assert listed.run().ok
    del listed.shop.orders[5]
    listed.shop.place(7, state="sent")
    assert listed.run().ok
    listed.shop.place(13)  # which no list before this one can have
    assert listed.run().ok
    states = listed.states()
    assert states["N-5"] == GONE
    replayed = replay(listed.settings)
    assert replayed.result.ok
    assert listed.states() == states
    rebuilt = replay_into(listed.settings, "duckdb:///other.duckdb")
    assert rebuilt.exit_code == 0
    assert rebuilt.compared is not None
    assert rebuilt.compared.equal


def test_it_is_listed_no_more_often_than_set(place: Warehouse) -> None:
    """A week after the last list, and not before."""
    listed = Listed(place, 3, 'reconcile = "7d"\n')
    assert listed.run().ok
    first = sum(query["sort"] == "id" for query in listed.shop.asked)
    assert first == 2  # two passes that agree
    assert listed.run().ok
    assert sum(query["sort"] == "id" for query in listed.shop.asked) == first


def test_silent_changes_are_found_by_reading_all_again(place: Warehouse) -> None:
    """A change that moves no stamp comes with the next full re-read, not before."""
    listed = Listed(place, 12, "full_reread_days = 0.0001\n")
    assert listed.run().ok
    listed.shop.orders[2]["lines"] = [{"sku": "C", "n": 9}]
    assert listed.run().ok
    found = place.query("SELECT sku FROM order_item WHERE ordernumber = 'N-2'")
    assert found == [("C",)]
    assert differing(place.query, "UTC") == []


def test_without_it_they_are_not(place: Warehouse) -> None:
    """The test above can fail."""
    listed = Listed(place, 12)
    assert listed.run().ok
    listed.shop.orders[2]["lines"] = [{"sku": "C", "n": 9}]
    assert listed.run().ok
    found = place.query("SELECT sku FROM order_item WHERE ordernumber = 'N-2' ORDER BY sku")
    assert found == [("A",), ("B",)]


@pytest.mark.parametrize("keep", [True, False])
def test_an_address_that_is_blanked_later_is_kept(place: Warehouse, keep: bool) -> None:
    """With keep_address; what else changed is taken, and a new address too."""
    listed = Listed(place, 4, "keep_address = true\n" if keep else "")
    assert listed.run().ok
    blank = {"country": "DE", "line": None, "name": "", "city": None}
    listed.shop.place(1, state="sent", to=blank)
    listed.shop.place(2, to=None)
    listed.shop.place(3, to={"country": "AT", "line": "Gasse 1", "name": None, "city": None})
    assert listed.run().ok
    rows = {
        number: rest
        for number, *rest in place.query(
            "SELECT ordernumber, country, line1, name, city FROM order_address"
        )
    }
    kept = ["DE", "Weg 1", "Ada", "Ulm"]
    assert rows["N-1"] == (kept if keep else ["DE", None, None, None])
    assert rows["N-2"] == (["DE", "Weg 2", "Ada", "Ulm"] if keep else [None] * 4)
    assert rows["N-3"] == ["AT", "Gasse 1", None, None]
    assert listed.states()["N-1"] == ("sent", True)
    again = listed.run().sources["shop"].counts
    assert (again.updated, again.inserted) == (0, 0)


def test_a_source_that_cannot_list_says_so(place: Warehouse) -> None:
    """Before anything is asked."""
    listed = Listed(place, 3, EVERY_RUN)
    api = place.folder / "listed.toml"
    before, _, rest = api.read_text(encoding="utf-8").partition("[reconcile]")
    api.write_text(before + "[order]" + rest.partition("[order]")[2], encoding="utf-8")
    with pytest.raises(SettingsError, match="no way to list all orders"):
        listed.run()
    assert listed.shop.asked == []
