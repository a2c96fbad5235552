"""Four hundred orders, read by every way of paging while they move: none is lost.

Each scene is read once more by a plain page walk, which loses orders wherever pages go by places in
the list: so the scenes are such that something can be lost.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from orderpull.conform import trial as trials
from orderpull.conform.naive import NaiveClient
from orderpull.conform.trial import Trial, trial
from orderpull.simulator.shop.generic import Paging
from orderpull.simulator.shop.movers import delete, insert, modify
from orderpull.simulator.shop.store import Store
from tests.conform.generic import PAGINGS, GenericTarget

ORDERS = 400
COUNTED = {"page", "offset"}
"""Pagings that go by places in the list; the platform's cursors go by the last order."""

STRATEGIES = {"reseek": "modified", "window_verify": "id"}
"""What the platform sorts by, where the file says so."""

Move = Callable[[Store], None]


SCENE: dict[int, list[Move]] = {
    2: [modify(7), insert(2)],
    4: [delete(3), insert(2, late=60)],
    7: [modify(70), delete(1, served=False)],
}
"""What happens after which page, most of it to orders that were served already.

First fewer orders are changed than a page holds, and later more than that.
"""


def target(folder: Path, paging: Paging, strategy: str) -> GenericTarget:
    """The platform, sorted as *strategy* needs it."""
    cursor = f'precision = "s"\nstrategy = "{strategy}"'
    return GenericTarget(folder, paging, cursor, switches={"sort": STRATEGIES[strategy]})


@pytest.mark.slow
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("paging", PAGINGS)
def test_no_order_is_lost(paging: Paging, strategy: str, tmp_path: Path) -> None:
    """One run while they move, one afterwards: every order is held as it is now."""
    with trial(target(tmp_path, paging, strategy), orders=ORDERS, moves=SCENE) as t:
        assert t.run().error is None
        t.shop.clock.advance(1)
        assert t.run().error is None
        assert t.differences() == []
        assert len(t.warehouse().orders) >= ORDERS - 10


@pytest.mark.slow
@pytest.mark.parametrize("paging", sorted(COUNTED))
def test_a_plain_walk_loses_them(paging: Paging, tmp_path: Path) -> None:
    """The same, page after page: at least as many orders as moved are never seen as they are."""
    with trial(target(tmp_path, paging, "reseek"), orders=ORDERS, moves=SCENE) as t:
        client = NaiveClient(t)
        client.run()
        t.shop.clock.advance(1)
        client.run()
        assert len(client.lost()) >= 70


BOUNDS = [(True, True), (True, False), (False, True), (False, False)]


def settled(t: Trial) -> None:
    """Two runs without an overlap, the second after orders were changed in the cursor's instant."""
    first = t.run(overlap=0)
    assert first.error is None
    assert t.differences() == []
    reached = datetime.fromisoformat(str(first.cursor))
    for order in list(t.shop.store.orders.values())[5:9]:
        t.shop.store.edit(order)
        order.modified = reached.replace(microsecond=0)
    assert t.run(overlap=0).error is None
    assert t.differences() == []


@pytest.mark.slow
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(("lower", "upper"), BOUNDS, ids=str)
def test_no_order_on_an_edge_is_lost(
    lower: bool, upper: bool, strategy: str, tmp_path: Path
) -> None:
    """Windows of a few days meet on stamps of orders; each side may leave its very instant out."""
    cursor = f'precision = "s"\nwindow = 3\nstrategy = "{strategy}"'
    cursor += "" if lower else "\ninclusive = false"
    switches = {"sort": STRATEGIES[strategy], "lower_inclusive": lower, "upper_inclusive": upper}
    made = GenericTarget(tmp_path, "page", cursor, switches=switches)
    with trial(made, orders=120, odd=False, same_stamp=30) as t:
        begin = (t.shop.clock.now - trials.SINCE).replace(microsecond=0)
        for edge, order in enumerate(list(t.shop.store.orders.values())[:12]):
            order.modified = begin + timedelta(days=3 * (edge + 1))
        settled(t)


@pytest.mark.slow
@pytest.mark.parametrize("dates", ["iso", "unix", "rfc2822"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_no_order_is_lost_in_other_times(strategy: str, dates: str, tmp_path: Path) -> None:
    """Whole seconds, in each form that is told without a clock on a wall."""
    cursor = f'precision = "s"\nformat = "{dates}"\nstrategy = "{strategy}"'
    order = f'time_format = "{dates}"'
    switches = {"sort": STRATEGIES[strategy], "dates": dates}
    made = GenericTarget(tmp_path, "offset", cursor, order, switches)
    with trial(made, orders=120, odd=False, same_stamp=30) as t:
        settled(t)


ZONES = {
    "America/Los_Angeles": [
        datetime(2026, 3, 8, 10, tzinfo=UTC),
        datetime(2026, 11, 1, 9, tzinfo=UTC),
    ],
    "Europe/Berlin": [datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)],
    "Australia/Lord_Howe": [
        datetime(2026, 4, 4, 15, tzinfo=UTC),
        datetime(2026, 10, 3, 15, 30, tzinfo=UTC),
    ],
}
"""When clocks are changed there, in spring and in autumn; on Lord Howe Island by half an hour."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("zone", "form"), [(zone, "naive") for zone in ZONES] + [("Europe/Berlin", "sql")]
)
@pytest.mark.parametrize("night", [0, 1], ids=["spring", "autumn"])
def test_no_order_is_lost_when_clocks_are_changed(
    zone: str, night: int, form: str, tmp_path: Path
) -> None:
    """Orders every four minutes through such a night, read up to midst of it and on from there."""
    cursor = (
        f'precision = "s"\nformat = "{form}"\ntimezone = "{zone}"\n'
        'overlap = 7200\nstrategy = "window_verify"'
    )
    dates = {"naive": "iso-naive", "sql": "sql"}[form]
    switches = {"sort": "id", "dates": dates, "timezone": zone}
    made = GenericTarget(tmp_path, "page", cursor, f'timezone = "{zone}"', switches)
    change = ZONES[zone][night]
    before, after = (change + timedelta(minutes=m) for m in (-1, 1))
    assert (
        before.astimezone(ZoneInfo(zone)).utcoffset()
        != after.astimezone(ZoneInfo(zone)).utcoffset()
    )
    with trial(made, orders=90, odd=False, now=change - timedelta(minutes=20)) as t:
        orders = list(t.shop.store.orders.values())
        for place, order in enumerate(orders):
            order.modified = change + timedelta(minutes=4 * (place - 45))
        later = orders[40:]
        for order in later:
            del t.shop.store.orders[order.key]
        assert t.run().error is None
        assert t.differences() == []
        for order in later:
            t.shop.store.orders[order.key] = order
            if order.key % 20 == 0 or order is later[-1]:
                t.shop.clock.set(order.modified + timedelta(seconds=1))
                assert t.run().error is None
        assert t.differences() == []
