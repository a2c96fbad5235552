"""Cases of orders that move: they change, go and come while they are read."""

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
    changing,
    overlap_of,
    refuse_once,
    same,
    seen,
    well,
)
from orderpull.conform.target import Stage
from orderpull.conform.trial import trial
from orderpull.errors import OrderpullError
from orderpull.simulator.shop.movers import (
    cancel,
    commit_late,
    delete,
    insert,
    modify,
)


class _Moves:
    """What happens to the shop while it is read."""

    def __init__(self, stage: Stage) -> None:
        self.silent = stage.name == "vendure"

    @property
    def small(self) -> list[Action]:
        """After the first page."""
        return [cancel(2) if self.silent else modify(2)]

    @property
    def all(self) -> list[Action]:
        """After the second."""
        return [cancel(5) if self.silent else modify(5), delete(1), insert(2)]


def moving_shop(stage: Stage) -> Outcome:
    """Orders are changed, deleted, added and written late while the pages are read."""
    refuse_once(stage, "what was handed out is gone")
    with trial(stage, orders=ORDERS, moves={1: _Moves(stage).small, 2: _Moves(stage).all}) as t:
        well(t.run())
        late = overlap_of(stage) / 2
        if late:
            commit_late(1, late)(t.shop.store)
        changing(t)(2)(t.shop.store)
        t.shop.clock.advance(1)
        well(t.run())
        found = seen(t)
    return replace(found, words=f"a plain page walk loses {_lost_by_walking(stage)}")


def one_instant(stage: Stage) -> Outcome:
    """Orders of one instant fill more than a page; some are changed in the very last of it."""
    if stage.api.cursor is None:
        raise NotTriedError("there is no cursor")
    with trial(stage, orders=2 * MANY, odd=False, same_stamp=MANY) as t:
        well(t.run(overlap=0))
        same(t)
        newest = max(order.modified for order in t.shop.store.orders.values())
        order = next(iter(t.shop.store.orders.values()))
        t.shop.store.touch(order)
        order.lines[0].quantity = order.lines[0].current = 77
        order.modified = newest
        well(t.run(overlap=0))
        return seen(t)


def deleted_orders(stage: Stage) -> Outcome:
    """What the API lists no more is marked as deleted."""
    if stage.api.reconcile is None:
        raise NotTriedError("there is no [reconcile]")
    with trial(stage, orders=ORDERS, odd=False) as t:
        well(t.run())
        store = t.shop.store
        for order in sorted(store.orders.values(), key=lambda each: each.created)[2:4]:
            store.delete(order)  # not the oldest: a list that is partial would not tell of them
        well(t.run(reconcile="1d"))
        found = seen(t)
        held = t.held().orders
        gone = stage.truth(t.shop)["deleted"]
        if any(held[told]["counted"] for told in gone):
            raise FailedError("deleted orders still count")
        return found


def _lost_by_walking(stage: Stage) -> str:
    """How many orders a plain page walk loses in the same shop."""
    with trial(stage, orders=ORDERS, moves={1: _Moves(stage).small, 2: _Moves(stage).all}) as t:
        client = NaiveClient(t)
        with suppress(OrderpullError):
            client.run()
            client.run()
        lost = len(client.lost())
        return f"{lost} of {len(stage.truth(t.shop)['orders'])}" if lost else "none"
