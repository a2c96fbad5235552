"""The shop behind every platform: its orders, what happens to them, and the truth about them."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from orderpull.simulator import goods, truth
from orderpull.simulator.shop import movers
from orderpull.simulator.shop.generic import Generic
from orderpull.simulator.shop.order import LONG, ODDITIES
from orderpull.simulator.shop.store import SETTLED, Shape, Store
from orderpull.simulator.shop.times import NOON, Clock
from tests.simulator.direct_requests import versions

if TYPE_CHECKING:
    from orderpull.simulator.shop.movers import Action
    from orderpull.simulator.shop.order import Quantity, State, StoreOrder

ASIDE: tuple[State, ...] = ("cart", "draft", "test")


def store(
    orders: int = 200,
    seed: int = 3,
    precision: str = "s",
    quantity: Quantity = "ordered",
    **switches: Any,
) -> Store:
    shape = Shape(lambda n: f"N{n}", precision=precision, aside=ASIDE, quantity=quantity)
    return Store(shape, Clock(), orders=orders, seed=seed, **switches)


def test_the_same_seed_makes_the_same_shop() -> None:
    assert store().truth() == store().truth() != store(seed=4).truth()
    assert versions(store()) == versions(store())
    assert len(store().truth()["orders"]) == 200 - len(ASIDE)
    assert store(0).truth() == {"orders": {}, "aside": {}, "deleted": {}}


def test_all_has_settled_before_the_first_call_and_nothing_is_changed_before_it_came() -> None:
    for order in store(precision="us").orders.values():
        assert order.created <= order.modified <= NOON - SETTLED
    assert len({order.modified for order in store(odd=False).orders.values()}) > 150


def test_every_oddity_is_there_even_in_a_small_shop() -> None:
    assert set(store(21).odd) == {*ODDITIES, *ASIDE}
    shop = store()
    orders = shop.truth()["orders"] | shop.truth()["aside"]
    odd = {name: orders[told] for name, told in shop.odd.items()}
    assert odd["no-lines"]["items"] == {}
    assert sum(odd["long"]["items"].values()) > len(odd["long"]["items"]) == 55 < LONG
    assert odd["repeated-sku"]["items"] == {"TWICE-1": 1 + 3 + 1, "ONCE-1": 2}
    assert odd["no-sku"]["items"] == {"(no sku)": 1 + 2 + 3, "WITH-1": 1}
    assert {"00123", "123", "1E5", "1e5"} < set(odd["like-numbers"]["items"])
    assert {"TRAIL", "TRAIL "} < set(odd["blanks"]["items"])
    letters = set(odd["letters"]["items"])
    assert {"abc-1", "ABC-1"} < letters
    assert len({unicodedata.normalize("NFC", sku) for sku in letters}) == len(letters) - 1
    assert odd["entities"]["name"] == "Marks &amp; Spencer"
    for nowhere in ("no-address", "blank-address", "digital"):
        columns = ("country", "line1", "line2", "name", "postalcode", "stateprovince", "city")
        assert {odd[nowhere][column] for column in columns} == {None}
    assert odd["cancelled"]["counted"] is False
    assert odd["cancelled"]["items_current"] == dict.fromkeys(odd["cancelled"]["items"], 0)
    assert odd["removed-line"]["items_current"] == {"KEPT-1": 1, "REMOVED-1": 0, "FEWER-1": 2}
    assert [odd[state]["state"] for state in ASIDE] == list(ASIDE)


def test_money_adds_up_and_pieces_that_come_back_were_sold() -> None:
    shop = store()
    orders = list(shop.orders.values())
    for which in ("ordered", "current"):
        for order in orders:
            amounts = [order.amount_of(line, which) for line in order.lines]
            tax = 0 if order.tax_included else order.tax(which)
            assert order.total(which) == sum(amounts) + order.shipping + tax
            assert min([0, *amounts]) == 0 <= order.refunded < max(order.total(), 1)
    for order in orders:
        whole = sum(order.amount_of(line, "ordered") for line in order.lines)
        assert whole == order.cents - order.discounted
        assert all(0 <= line.returned <= line.current <= line.quantity for line in order.lines)
    rows = list(shop.truth()["orders"].values())
    assert {row["currency"] for row in rows} == {"USD", "EUR", "GBP"}
    assert {row["channel"] for row in rows} == {"web", "pos", "amazon", "instagram", None}
    for column in ("discount", "shipping", "tax", "refunded"):
        assert 15 < sum(row[column] > 0 for row in rows) < 190
    returned = [row for row in rows if any(row["returned"].values())]
    assert 10 < len(returned) < 30
    assert all(set(row["amounts"]) == set(row["titles"]) == set(row["items"]) for row in rows)


def test_customers_come_back_as_the_same_ones() -> None:
    rows = list(store().truth()["orders"].values())
    known = [row["customer"] for row in rows if row["customer"] is not None]
    assert 100 < len(set(known)) < len(known) - 50
    assert 0 < len(rows) - len(known) < 20
    assert 20 < sum("guest" in customer for customer in known) < 80


def test_titles_are_of_the_first_line_that_has_one() -> None:
    shop = store()
    odd = {name: shop.truth()["orders"].get(told) for name, told in shop.odd.items()}
    repeated = odd["repeated-sku"]
    assert repeated is not None
    assert repeated["titles"]["TWICE-1"] not in (None, " ", "Another")
    assert repeated["amounts"]["TWICE-1"] + repeated["amounts"]["ONCE-1"] == 7 * 1999 - 107
    assert goods.title_of("TEE-BLK-M") == "Heavy T-Shirt - Black / M"
    cut = truth.title_column(goods.title_of("LONG-" + "x" * 250))
    assert cut is not None
    assert len(cut) == 255


def test_removals_leave_fewer_pieces_and_returns_as_many() -> None:
    shop = store(quantity="current")
    before = shop.truth()["orders"]
    served(shop, 30)
    movers.send_back(10)(shop)
    movers.remove(10)(shop)
    after = shop.truth()["orders"]
    for order in list(shop.orders.values())[:30]:
        row, was = after.get(shop.id(order)), before.get(shop.id(order))
        if row is None or was is None:
            continue
        assert row["items_ordered"] == was["items_ordered"]
        assert row["refunded"] >= was["refunded"]
        if row["returned"] != was["returned"]:
            assert row["items_current"] == was["items_current"]


def test_numbers_are_unique_unless_they_are_to_be_reused() -> None:
    assert len({order.number for order in store().orders.values()}) == 200
    assert len({order.number for order in store(reused_numbers=4).orders.values()}) == 196
    assert len(store(reused_numbers=4).orders) == 200


@pytest.mark.parametrize("precision", ["s", "ms", "us"])
def test_stamps_are_as_fine_as_the_platform_keeps_them(precision: str) -> None:
    unit = {"s": 1_000_000, "ms": 1000, "us": 1}[precision]
    stamps = {order.modified.microsecond for order in store(precision=precision).orders.values()}
    assert all(stamp % unit == 0 for stamp in stamps)
    assert precision == "s" or any(stamp % (unit * 1000) for stamp in stamps)


def test_some_orders_were_changed_at_one_instant() -> None:
    stamps = [order.modified for order in store(same_stamp=30).orders.values()]
    assert max(stamps.count(stamp) for stamp in set(stamps)) >= 28


def served(shop: Store, count: int) -> list[StoreOrder]:
    orders = list(shop.orders.values())[:count]
    shop.note_served(orders)
    shop.clock.advance(60)
    return orders


MODIFY = [
    (movers.modify(3), timedelta()),
    (movers.modify(3, late=90), timedelta(seconds=90)),
    (movers.change_sku(3), timedelta()),
    (movers.edit_number(3), timedelta()),
    (movers.cancel(3), timedelta()),
]


@pytest.mark.parametrize(("move", "late"), MODIFY)
def test_a_change_strikes_the_first_served_and_moves_their_stamps(
    move: Action, late: timedelta
) -> None:
    shop = store()
    before = shop.truth()["orders"]
    orders = served(shop, 10)
    move(shop)
    stamp = shop.clock.now - late
    assert [order.modified for order in orders[:3]] == [stamp] * 3
    assert all(order.modified < NOON - SETTLED + timedelta(1) for order in orders[3:])
    after = shop.truth()["orders"]
    assert {told for told in after if after[told] != before[told]} == {"1", "2", "3"}
    move(shop)
    assert [order.version for order in orders[:7]] == [2] * 6 + [1]


def test_a_silent_change_leaves_the_stamp() -> None:
    shop = store()
    before, stamps = shop.truth()["orders"], versions(shop)
    served(shop, 10)
    movers.modify(2, silently=True)(shop)
    after = shop.truth()["orders"]
    assert {told for told in after if after[told] != before[told]} == {"1", "2"}
    assert {told: v[0] for told, v in versions(shop).items()} == {
        told: v[0] for told, v in stamps.items()
    }
    assert versions(shop)["1"][1] == 2


def test_orders_come_late_are_added_deleted_and_placed() -> None:
    shop = store()
    served(shop, 10)
    movers.insert(2, late=90)(shop)
    movers.insert(1)(shop)
    stamps = [order.modified for order in list(shop.orders.values())[-3:]]
    now = shop.clock.now
    assert stamps == [now - timedelta(seconds=90)] * 2 + [now]
    movers.delete(2)(shop)
    truth = shop.truth()
    assert set(truth["deleted"]) == {"1", "2"}
    assert not {"1", "2"} & set(truth["orders"])
    movers.modify(1)(shop)
    assert versions(shop)["3"][1] == 2
    cart = shop.orders[int(shop.odd["cart"])]
    cart.state = "placed"
    shop.touch(cart)
    assert shop.truth()["orders"][shop.odd["cart"]]["counted"]
    movers.modify(1, served=False)(shop)
    assert versions(shop)["203"] == (now, 2)


def test_what_is_not_served_can_be_struck_too() -> None:
    shop = store(orders=30)
    served(shop, 28)
    movers.delete(2, served=False)(shop)
    assert set(shop.truth()["deleted"]) == {"29", "30"}


def test_the_clock_moves_with_each_call_or_with_the_machine() -> None:
    clock = Clock(datetime(2026, 1, 1, tzinfo=UTC), step=2.5)
    clock.tick()
    assert clock.now == datetime(2026, 1, 1, 0, 0, 2, 500_000, tzinfo=UTC)
    clock.set(NOON)
    assert clock.now == NOON
    assert abs(Clock(NOON - timedelta(365_0), live=True).now - datetime.now(UTC)) < timedelta(1)
    with pytest.raises(ValueError, match="needs a zone"):
        Clock(datetime(2026, 1, 1))


def test_wrong_switches_are_named() -> None:
    with pytest.raises(TypeError, match="generic has no switch exclusive"):
        Generic(exclusive=True)  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="must be 0 or more"):
        Generic(orders=-1)
    for switch in ({"paging": "pages"}, {"end": "x"}, {"dates": "iso8601"}, {"auth": "oauth"}):
        with pytest.raises(ValueError, match=r"none of|must be one of"):
            Generic(**switch)  # type: ignore[arg-type]
