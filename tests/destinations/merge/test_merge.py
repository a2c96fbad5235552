"""Which version of an order stands, and what becomes of the others."""

from dataclasses import asdict, replace
from itertools import count, permutations
from pathlib import Path
from typing import Any

import pytest

from orderpull.destinations.loader import Loader
from orderpull.errors import RejectLimitExceeded
from orderpull.sources.spec.api import Api
from orderpull.sources.spec.reader import parse_api
from tests.destinations.merge.history import TEA, History, Served

pytestmark = pytest.mark.slow

names = count()
VERSIONS = {
    "four versions": [Served("", "", n, changed=n) for n in (1, 2, 3, 4)],
    "one without a time": [
        Served("", "", 1, changed=None),
        *(Served("", "", n, changed=n) for n in (2, 3, 3)),
    ],
    "each twice": [
        *[Served("", "", 4, changed=4)] * 2,
        *[Served("", "", 2, changed=2)] * 2,
    ],
}
"""Versions of an order, by what they have of interest."""


@pytest.fixture
def shop(tmp_path: Path, loader: Loader) -> Any:
    def make(**settings: Any) -> History:
        return History(tmp_path, loader, f"shop{next(names)}", **settings)

    return make


def counts(store: History, *pages: Any) -> dict[str, int]:
    """What became of *pages*: the counts that are not 0."""
    found = asdict(store.take(*pages))
    fetched = found.pop("fetched")
    assert fetched == sum(len(page) for page in pages) == sum(found.values())
    return {verdict: number for verdict, number in found.items() if number}


@pytest.mark.parametrize("at_once", [True, False], ids=["in one load", "load by load"])
def test_the_newest_wins_in_every_order_of_arrival(at_once: bool, shop: Any) -> None:
    """By the time it was changed, whenever it is landed; all ways of coming lead to one table."""
    store = shop()
    ways = {
        f"{case} {n}": way
        for case, versions in VERSIONS.items()
        for n, way in enumerate(sorted(set(permutations(versions)), key=repr))
    }
    assert len(ways) == 24 + 12 + 6
    pages = [
        [replace(way[nth], id=order, number=order) for order, way in ways.items()]
        for nth in range(4)
    ]
    for some in [pages] if at_once else [[page] for page in pages]:
        store.take(*some)
    newest = {o: max(way, key=lambda served: served.changed or 0) for o, way in ways.items()}
    found = store.orders()
    assert {o: row[:2] for o, row in found.items()} == {o: (o, newest[o].pieces) for o in ways}
    for order, (_, _, page) in found.items():
        assert ways[order][page - 1] == newest[order]
        assert newest[order] not in ways[order][page:]


def test_without_a_time_the_later_landed_wins(shop: Any) -> None:
    """Neither content nor luck decides, but page, then place in the page."""
    store = shop()
    one, two = Served("1", "A", 1, changed=None), Served("1", "A", 2, changed=None)
    assert counts(store, [two, one, two]) == {"inserted": 1, "updated": 2}
    assert store.orders()["1"] == ("A", 2, 1)
    assert counts(store, [one], [two], [one]) == {"updated": 3}
    assert store.orders()["1"] == ("A", 1, 4)


def test_of_two_changed_at_one_time_the_later_landed_wins(shop: Any) -> None:
    """A tie of times is settled as if there were none."""
    store = shop()
    assert counts(store, [Served("1", "A", 1, changed=5)], [Served("1", "A", 2, changed=5)]) == {
        "inserted": 1,
        "updated": 1,
    }
    assert counts(store, [Served("1", "A", 1, changed=5)]) == {"updated": 1}
    assert store.orders()["1"] == ("A", 1, 3)


def test_every_occurrence_counts_once(shop: Any) -> None:
    """Within a batch and across loads: new, newer, the same again, older."""
    store = shop()
    old, new = Served("1", "A", 1, changed=1), Served("1", "A", 2, changed=2)
    assert counts(store, [old, old, new, old, new]) == {
        "inserted": 1,
        "unchanged": 2,
        "updated": 1,
        "stale": 1,
    }
    assert counts(store, [old, new, old, replace(new, bad=True)]) == {
        "stale": 2,
        "unchanged": 1,
        "rejected": 1,
    }


def test_what_came_again_is_known_by_its_latest_page_and_its_first_load(shop: Any) -> None:
    """The page tells where a version was met last; when it was loaded stays as it was."""
    store = shop()
    store.take([Served("1", "A")])
    ((before,),) = store.rows("order_header", "loaded_at")
    assert counts(store, [Served("1", "A")]) == {"unchanged": 1}
    assert store.rows("order_header", "page, loaded_at") == [(2, before)]


def test_times_at_the_ends_of_the_calendar(shop: Any) -> None:
    """Any time at all is newer than none, however old it is."""
    store = shop(api=with_times())
    ancient, none, last = "0001-01-01T00:00:00Z", "", "9999-12-31T23:59:59.999999Z"
    for changed, pieces, stands in ((none, 1, 1), (ancient, 2, 2), (none, 3, 2), (last, 4, 4)):
        store.serve_body(timed("1", changed, pieces))
        store.load()
        assert store.orders()["1"][1] == stands
    store.serve_body(timed("1", "2026-07-01T00:00:00Z", 5))
    assert asdict(store.load())["stale"] == 1
    assert store.orders()["1"][1] == 4


def with_times() -> Api:
    return parse_api(TEA.replace('path = "orders"', 'path = "$"'), "tea.toml")


def timed(order: str, changed: str, pieces: int) -> bytes:
    return (
        f'[{{"id": "{order}", "no": "{order}", "changed": "{changed}", '
        f'"lines": [{{"sku": "TEA", "n": {pieces}}}]}}]'
    ).encode()


def lines(*skus: str) -> bytes:
    told = ", ".join(f'{{"sku": "{sku}", "n": 1}}' for sku in skus)
    return f'[{{"id": "1", "no": "A", "lines": [{told}]}}]'.encode()


def test_lines_are_replaced_as_a_set(shop: Any) -> None:
    """A line that is gone from the order is gone from the table."""
    store = shop(api=with_times())
    for skus, stored in (
        (("A", "B", "B"), [("A", 1), ("B", 2)]),
        (("B", "C"), [("B", 1), ("C", 1)]),
        ((), []),
        (("", "B"), [("(no sku)", 1), ("B", 1)]),
    ):
        store.serve_body(lines(*skus))
        store.load()
        assert store.rows("order_item", "sku, quantity") == stored
        assert store.rows("order_header", "item_quantity") == [(sum(n for _, n in stored),)]
        assert len(store.rows("order_address")) == 1


def test_an_order_under_a_new_number_leaves_the_old_one(shop: Any) -> None:
    """The same id under a new number takes its rows with it."""
    store = shop()
    assert counts(store, [Served("1", "A"), Served("2", "B")]) == {"inserted": 2}
    assert counts(store, [Served("1", "C")]) == {"updated": 1}
    for table in ("order_header", "order_address", "order_item"):
        assert store.rows(table, "ordernumber") == [("B",), ("C",)]


def test_orders_may_swap_their_numbers(shop: Any) -> None:
    """Numbers are judged once all orders of a load have theirs."""
    store = shop()
    store.take([Served("1", "A"), Served("2", "B")])
    assert counts(store, [Served("1", "B"), Served("2", "A")]) == {"updated": 2}
    assert {order: row[0] for order, row in store.orders().items()} == {"1": "B", "2": "A"}


@pytest.mark.parametrize("at_once", [True, False], ids=["in one load", "load by load"])
def test_of_two_orders_with_one_number_the_first_placed_keeps_it(at_once: bool, shop: Any) -> None:
    """Whichever came first; then the smaller id, as numbers where they are digits."""
    rivals = {
        "placed": (Served("9", "", placed=1), Served("8", "", placed=2)),
        "same day": (Served("9", "", placed=1), Served("10", "", placed=1)),
        "no day": (Served("9", "", placed=1), Served("8", "", placed=None)),
        "no days": (Served("a", "", placed=None), Served("b", "", placed=None)),
    }
    store, keepers = shop(), {}
    pages: list[list[Served]] = [[], []]
    for case, (keeper, loser) in rivals.items():
        for turn, order in enumerate([(keeper, loser), (loser, keeper)]):
            number = f"{case} {turn}"
            keepers[number] = f"{keeper.id}{number}" if case == "no days" else keeper.id
            for page, served in zip(pages, order, strict=True):
                page.append(replace(served, number=number))
    pages = [[replace(s, id=f"{s.id}~{s.number}") for s in page] for page in pages]
    keepers = {n: f"{keeper.partition(n)[0]}~{n}" for n, keeper in keepers.items()}
    for some in [pages] if at_once else [[page] for page in pages]:
        store.take(*some)
    assert {row[0]: order for order, row in store.orders().items()} == keepers
    assert {reason for _, reason, *_ in store.rejects().values()} == {"number_reused"}
    assert len(store.rejects()) == len(keepers)


def test_who_has_no_number_waits_for_it(shop: Any) -> None:
    """The reject names the setting that helps; when the number is free, the order gets it."""
    store = shop()
    assert counts(store, [Served("1", "A"), Served("2", "A", 7)]) == {"inserted": 1, "rejected": 1}
    (reject,) = store.loader.rejects(store.name)
    assert (reject.reason, reject.ordernumber, reject.order_id) == ("number_reused", "A", "2")
    assert 'ordernumber = "{number}~{id}"' in reject.message
    assert '"n": 7' in reject.raw
    assert counts(store, [Served("1", "B")]) == {"updated": 1}
    assert store.rejects() == {}
    assert store.orders()["2"] == ("A", 7, 1)


def test_who_loses_a_number_that_he_held_waits_for_it_too(shop: Any) -> None:
    """A stored order that an earlier placed one takes the number of becomes a reject, whole."""
    store = shop()
    store.take([Served("2", "A", 7, placed=2)])
    assert counts(store, [Served("1", "A", placed=1)]) == {"inserted": 1}
    assert store.orders() == {"1": ("A", 1, 2)}
    (reject,) = store.loader.rejects(store.name)
    assert (reject.reason, reject.order_id, reject.page) == ("number_reused", "2", 1)
    assert '"n": 7' in reject.raw
    store.take([Served("1", "B", placed=1)])
    assert store.orders()["2"] == ("A", 7, 1)
    assert store.rejects() == {}


def test_a_version_that_waits_for_its_number_is_not_forgotten(shop: Any) -> None:
    """An older one that comes meanwhile is stale; when the number is free, the newest gets it."""
    store = shop()
    store.take([Served("7", "A"), Served("8", "A", 5, changed=2)])
    assert counts(store, [Served("8", "A", 4, changed=1)]) == {"stale": 1}
    assert store.rejects() == {"8": ("A", "number_reused", 1, 1)}
    store.take([Served("7", "B")])
    assert store.orders()["8"] == ("A", 5, 1)


def test_the_version_that_stood_is_the_one_that_waits(shop: Any) -> None:
    """Who loses his number waits as what he was, not as another version on the same page."""
    store = shop()
    store.take([Served("2", "A", 7, placed=2, changed=5), Served("2", "A", 6, placed=2, changed=3)])
    store.take([Served("1", "A", placed=1)])
    assert store.rejects() == {"2": ("A", "number_reused", 1, 0)}
    store.take([Served("1", "B", placed=1)])
    assert store.orders()["2"] == ("A", 7, 1)


def test_the_stored_version_waits_not_one_that_was_no_order(shop: Any) -> None:
    """Trash that came before the order is no version of it, however new it is."""
    store = shop()
    trash = Served("7", "A", 2, placed=1, changed=3, trash=True)
    store.take([trash, replace(trash, changed=2, trash=False)])
    store.take([Served("10", "A", placed=0)])
    assert store.rejects() == {"7": ("A", "number_reused", 1, 1)}


def test_the_setting_tells_orders_with_one_number_apart(shop: Any) -> None:
    """With ordernumber = "{number}~{id}" no number is used twice; a replay mends what was loaded."""
    store = shop()
    store.take([Served("1", "A"), Served("2", "A")])
    store.settings = type(store.settings)(
        api="tea.toml", base_url="http://shop.test", ordernumber="{number}~{id}"
    )
    assert store.replay() == 2
    assert {row[0] for row in store.orders().values()} == {"A~1", "A~2"}
    assert store.rejects() == {}


def test_a_bad_version_leaves_the_good_one(shop: Any) -> None:
    """What could not be shaped is a reject beside the version that stands."""
    store = shop()
    store.take([Served("1", "A", 3)])
    assert counts(store, [Served("1", "A", 4, bad=True)]) == {"rejected": 1}
    assert store.orders()["1"] == ("A", 3, 1)
    assert store.rejects()["1"][:2] == ("A", "quantity_invalid")


def test_the_same_bad_order_again_is_one_row(shop: Any) -> None:
    """Each time it counts; the row is the latest."""
    store = shop()
    bad = Served("1", "A", bad=True)
    assert counts(store, [bad, bad], [bad]) == {"rejected": 3}
    assert counts(store, [bad]) == {"rejected": 1}
    ((page, position),) = store.rows("orderpull_reject", "page, position")
    assert (page, position) == (3, 0)


def test_a_reject_leaves_when_a_later_version_loads(shop: Any) -> None:
    """Not by an earlier one: what is wrong with the later is still to be seen to."""
    store = shop()
    good, bad = Served("1", "A", 3), Served("1", "A", bad=True)
    store.take([good, bad])
    assert store.rejects()["1"][2] == 1
    store.take([good])
    assert store.rejects() == {}
    store.take([bad], [good])
    assert store.rejects() == {}
    store.take([good, bad], [Served("2", "B")])
    assert store.rejects()["1"][2] == 5


def test_an_older_version_that_comes_later_is_no_cure(shop: Any) -> None:
    """A version that is stale on arrival tells nothing of what the bad one would have brought."""
    store = shop()
    store.take([Served("1", "A", 3, changed=3)], [Served("1", "A", bad=True)])
    assert counts(store, [Served("1", "A", 2, changed=2)]) == {"stale": 1}
    assert store.rejects()["1"][2] == 2


def test_replay_changes_nothing(shop: Any) -> None:
    """Every page once more: rows, rejects and counts as they were."""
    store = shop()
    store.take(
        [
            Served("1", "A", 1, changed=1),
            Served("1", "A", 2, changed=2),
            Served("2", "B", bad=True),
        ],
        [Served("1", "A", 1, changed=1), Served("3", "C", 1), Served("3", "C", 2)],
    )
    store.take([Served("4", "C", 1), Served("3", "C", 2), Served("2", "B", bad=True)])
    before, runs = store.checksum(), store.rows("orderpull_page")
    pages = store.rows("order_header", "page, loaded_at")
    assert store.replay() == 0
    store.retry()
    assert store.checksum() == before
    assert store.rows("orderpull_page") == runs
    assert store.rows("order_header", "page, loaded_at") == pages


def test_a_mended_api_file_and_a_replay_update_rows(shop: Any) -> None:
    """What the mapping read wrongly is read anew, rejects and all; what it read well stays."""
    store = shop(api=parse_api(TEA.replace('sku = "sku"', 'sku = "code"'), "tea.toml"))
    store.take([Served("1", "A", 2)], [Served("1", "A", 1), Served("2", "B", 5)])
    assert store.rows("order_item", "sku, quantity") == [("(no sku)", 1), ("(no sku)", 5)]
    store.api = parse_api(TEA, "tea.toml")
    assert store.replay() == 2
    assert store.rows("order_item", "sku, quantity") == [("TEA", 1), ("TEA", 5)]
    assert store.replay() == 0


def test_a_mended_time_is_read_anew_too(shop: Any) -> None:
    """An order's own page, read again, is no older version of it, whatever the time is now."""
    wrong = parse_api(TEA.replace('modified_at = "changed"', 'modified_at = "placed"'), "tea.toml")
    store = shop(api=wrong)
    store.take([Served("1", "A", 1, placed=9, changed=1)])
    store.api = parse_api(TEA, "tea.toml")
    assert store.replay() == 1
    (time,) = store.rows("order_header", "modified_at")[0]
    assert time.isoformat() == "2026-01-02T00:00:00"
    store.api = parse_api(TEA.replace('modified_at = "changed"\n', ""), "tea.toml")
    assert store.replay() == 1
    assert store.rows("order_header", "modified_at") == [(None,)]


def test_a_mended_api_file_and_a_retry_load_rejects(shop: Any) -> None:
    """What could not be shaped can, once the mapping fits; older than what stands, it stays out."""
    store = shop(api=parse_api(TEA.replace('quantity = "n"', 'quantity = "sku"'), "tea.toml"))
    store.take([Served("1", "A", 2), Served("2", "B", 3)])
    assert set(store.rejects()) == {"1", "2"}
    store.api = parse_api(TEA, "tea.toml")
    store.retry()
    assert store.rejects() == {}
    assert {order: row[1] for order, row in store.orders().items()} == {"1": 2, "2": 3}


def test_a_newer_version_that_is_no_order_any_more_takes_the_sale_away(shop: Any) -> None:
    """It replaces the order, and does not count, until a newer one is an order again."""
    store = shop()
    order = Served("1", "A", 2, changed=2)
    trash = replace(order, trash=True, changed=4)
    assert counts(store, [order]) == {"inserted": 1}
    assert counts(store, [replace(trash, changed=1)]) == {"stale": 1}
    assert store.counted() == {"1"}
    assert counts(store, [trash]) == {"updated": 1}
    assert store.rows("order_header", "status, counted, page") == [("trash", False, 3)]
    assert store.rows("order_item", "quantity") == [(2,)]
    assert sold(store) == 0
    assert counts(store, [trash], [replace(order, changed=3)]) == {"unchanged": 1, "stale": 1}
    assert store.replay() == 0
    assert store.counted() == set()
    assert counts(store, [replace(order, changed=5)]) == {"updated": 1}
    assert store.counted() == {"1"}
    assert sold(store) == 2


def sold(store: History) -> int:
    """The pieces of the shop, by the rollups."""
    rows = store.rows("summary_day", "quantity")
    return sum(int(quantity) for (quantity,) in rows)


@pytest.mark.parametrize("at_once", [True, False], ids=["in one load", "load by load"])
def test_what_was_never_an_order_leaves_no_row(at_once: bool, shop: Any) -> None:
    """Neither a cart nor a broken cart, before or after another load; nor is it counted."""
    store = shop()
    cart = Served("1", "A", trash=True, changed=9)
    pages = [[cart], [replace(cart, bad=True)], [Served("2", "B")], [cart]]
    loads = [store.take(*pages)] if at_once else [store.take(page) for page in pages]
    assert sum(load.fetched for load in loads) == 1
    assert set(store.orders()) == {"2"}
    assert store.rejects() == {}
    assert counts(store, [Served("1", "A", changed=1)]) == {"inserted": 1}
    assert store.counted() == {"1", "2"}
    assert store.replay() == 0


def test_a_version_that_is_no_order_and_broken_is_a_reject_of_the_stored_order(shop: Any) -> None:
    store = shop()
    store.take([Served("1", "A", 3)])
    broken = Served("1", "A", trash=True, bad=True)
    assert counts(store, [broken]) == {"rejected": 1}
    assert store.rejects()["1"][:2] == ("A", "quantity_invalid")
    assert counts(store, [replace(broken, bad=False)]) == {"updated": 1}
    assert store.rejects() == {}


def test_a_version_that_waits_for_its_number_may_be_no_order_any_more(shop: Any) -> None:
    """It gets its number when that is free, and does not count."""
    store = shop()
    store.take([Served("7", "A", placed=1)], [Served("8", "A", 5, placed=2)])
    assert counts(store, [Served("8", "A", 5, placed=2, trash=True)]) == {"rejected": 1}
    assert store.replay() == 0
    assert store.rejects() == {"8": ("A", "number_reused", 3, 0)}
    store.take([Served("7", "B", placed=1)])
    assert store.orders()["8"] == ("A", 5, 3)
    assert store.counted() == {"7"}


def test_a_mended_condition_and_a_replay_take_sales_away(shop: Any) -> None:
    """What today's where leaves out was stored by the former one."""
    lenient = parse_api(TEA.replace("where", 'channel = "state" # where'), "tea.toml")
    store = shop(api=lenient)
    store.take([Served("1", "A", 2), Served("2", "B", trash=True)])
    assert store.counted() == {"1", "2"}
    store.api = parse_api(TEA, "tea.toml")
    store.replay()
    assert store.counted() == {"1"}
    assert store.replay() == 0


def test_ignore_keeps_what_is_no_order_any_more(shop: Any) -> None:
    """on_change = "ignore": an order that is known is unchanged, whole."""
    store = shop(on_change="ignore")
    assert counts(store, [Served("1", "A")], [Served("1", "A", trash=True)]) == {
        "inserted": 1,
        "unchanged": 1,
    }
    assert store.counted() == {"1"}
    assert store.take([Served("3", "C", trash=True)]).fetched == 0


def test_ignore_keeps_the_first(shop: Any) -> None:
    """on_change = "ignore": an order whose number or id is known is unchanged, whole."""
    store = shop(on_change="ignore")
    first = Served("1", "A", 1, changed=1)
    assert counts(store, [first, Served("1", "A", 2, changed=2)]) == {"inserted": 1, "unchanged": 1}
    assert counts(store, [Served("1", "B", 3, changed=3), Served("2", "A", 4)]) == {"unchanged": 2}
    assert store.orders() == {"1": ("A", 1, 1)}
    assert store.rejects() == {}


def test_ignore_judges_one_by_one(shop: Any) -> None:
    """Who loses one number by coming late may have another, within a load as across loads."""
    orders = [
        Served("1", "A"),
        Served("2", "A"),
        Served("2", "B"),
        Served("3", "B"),
        Served("3", "C"),
    ]
    expected = {"1": "A", "2": "B", "3": "C"}
    for loads in ([[orders]], [[[served]] for served in orders]):
        store = shop(on_change="ignore")
        for pages in loads:
            store.take(*pages)
        assert {order: row[0] for order, row in store.orders().items()} == expected


def test_ignore_lets_rejects_go_too(shop: Any) -> None:
    """A bad version of an order that is known is nothing to see to, whenever it comes."""
    store = shop(on_change="ignore")
    store.take([Served("1", "A")], [Served("1", "A", bad=True), Served("2", "B", bad=True)])
    assert set(store.rejects()) == {"2"}
    store.take([Served("1", "A", bad=True)], [Served("2", "B", 2)])
    assert store.rejects() == {}
    assert store.orders() == {"1": ("A", 1, 1), "2": ("B", 2, 4)}


def test_ignore_replays_batch_by_batch(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """After each batch of a replay, where a kill may end it, nothing is rejected again."""
    store = shop(on_change="ignore")
    pages = [[Served("1", "A")], [Served("1", "A", bad=True)], [Served("1", "A", 2, changed=2)]]
    store.take(*pages)
    monkeypatch.setattr("orderpull.loading.pages.BATCH_ORDERS", 1)
    found = [store.rejects() for _ in store.page_loader("replay").replay()]
    assert found == [{}, {}, {}]


def test_a_cleared_landing_stops_nothing(shop: Any) -> None:
    """Pages that rejects and stored orders came with are gone: new orders load all the same."""
    store = shop()
    store.take([Served("7", "A", placed=1), Served("8", "A", placed=2)])
    store.landing.file_of(1).unlink()
    assert counts(store, [Served("9", "B", placed=3)]) == {"inserted": 1}
    assert counts(store, [Served("6", "A", placed=0)]) == {"inserted": 1}
    assert set(store.orders()) == {"6", "9"}
    assert {number for number, *_ in store.rejects().values()} == {"A"}
    assert set(store.rejects()) == {"7", "8"}


def test_too_many_rejects_of_one_source_hold_up_no_other(shop: Any) -> None:
    """Of two that are loaded together one is over its limit: nothing of it is loaded."""
    good, bad = shop(), shop(index=1, reject_limit=0.1)
    good.serve([Served("1", "A")])
    bad.serve([Served(f"{n}", f"{n}", bad=n < 20) for n in range(100)])
    with pytest.raises(RejectLimitExceeded, match=f"20 of 100 orders of source '{bad.name}'"):
        good.load_with(bad)
    assert set(good.orders()) == {"1"}
    assert (bad.orders(), bad.rejects()) == ({}, {})
