"""Cases of moving orders: they are changed, deleted and added while they are read."""

from contextlib import suppress
from dataclasses import replace

from orderpull.conform.naive import NaiveClient
from orderpull.conform.outcome import (
    MANY,
    ORDERS,
    Action,
    FailedError,
    NotTriedError,
    Outcome,
    assert_equal,
    assert_ok,
    assert_passed,
    changing,
    overlap_of,
    passed,
    refuse_once,
)
from orderpull.conform.target import Target
from orderpull.conform.trial import Trial, trial
from orderpull.errors import OrderpullError
from orderpull.simulator.shop.movers import (
    cancel,
    commit_late,
    delete,
    insert,
    modify,
)


class _Moves:
    """The changes of the shop while it is read."""

    def __init__(self, target: Target) -> None:
        self.silent = target.name == "vendure"

    @property
    def small(self) -> list[Action]:
        """Changes after the first page."""
        return [cancel(2) if self.silent else modify(2)]

    @property
    def all(self) -> list[Action]:
        """Changes after the second page."""
        return [cancel(5) if self.silent else modify(5), delete(1), insert(2)]


def moving_shop(target: Target) -> Outcome:
    """Change, delete, add and commit orders late while the pages are read."""
    refuse_once(target, "what was handed out is gone")
    with trial(target, orders=ORDERS, moves={1: _Moves(target).small, 2: _Moves(target).all}) as t:
        assert_ok(t.run())
        late = overlap_of(target) / 2
        if late:
            commit_late(1, late)(t.shop.store)
        changing(t)(2)(t.shop.store)
        t.shop.clock.advance(1)
        assert_ok(t.run())
        outcome = assert_passed(t)
    return replace(outcome, detail=f"a plain page walk loses {_lost_by_walking(target)}")


def one_instant(target: Target) -> Outcome:
    """Read more orders of one instant than a page holds, one of them changed at the last moment."""
    if target.api.cursor is None:
        raise NotTriedError("there is no cursor")
    with trial(target, orders=2 * MANY, odd=False, same_stamp=MANY) as t:
        assert_ok(t.run(overlap=0))
        assert_equal(t)
        newest = max(order.modified for order in t.shop.store.orders.values())
        order = next(iter(t.shop.store.orders.values()))
        t.shop.store.touch(order)
        order.lines[0].quantity = order.lines[0].current = 77
        order.modified = newest
        assert_ok(t.run(overlap=0))
        return assert_passed(t)


def deleted_orders(t: Trial) -> Outcome:
    """Mark orders as deleted that the API no longer lists."""
    if t.target.api.reconcile is None:
        raise NotTriedError("there is no [reconcile]")
    before = t.calls
    store = t.shop.store
    for order in sorted(store.orders.values(), key=lambda each: each.created)[2:4]:
        store.delete(order)  # not the oldest: a partial list would not show that it is missing
    assert_ok(t.run(reconcile="1d"))
    assert_equal(t)
    loaded = t.warehouse().orders
    if any(loaded[order_id]["counted"] for order_id in t.target.truth(t.shop)["deleted"]):
        raise FailedError("deleted orders still count")
    return passed("", t.calls - before)


def _lost_by_walking(target: Target) -> str:
    """Count the orders that a plain page walk loses in the same shop."""
    with trial(target, orders=ORDERS, moves={1: _Moves(target).small, 2: _Moves(target).all}) as t:
        client = NaiveClient(t)
        with suppress(OrderpullError):
            client.run()
            client.run()
        lost = len(client.lost())
        return f"{lost} of {len(target.truth(t.shop)['orders'])}" if lost else "none"
