"""Cases of orders: read whole, in parts, odd, and while they are changed, deleted and added."""

from contextlib import suppress
from dataclasses import replace

from orderpull.conform.mirror import Mirror
from orderpull.conform.naive import NaiveClient
from orderpull.conform.outcome import (
    MANY,
    ORDERS,
    FailedError,
    NotTriedError,
    Outcome,
    assert_equal,
    assert_ok,
    assert_passed,
    change,
    fewest,
    need_id_and_number,
    passed,
    refuse_once,
)
from orderpull.conform.rendering import BAD_AMOUNT
from orderpull.conform.target import Target
from orderpull.conform.trial import Trial, trial
from orderpull.errors import OrderpullError
from orderpull.simulator.shop.movers import cancel, delete, edit_number, insert
from orderpull.simulator.shop.order import LONG, in_state

LONG_AGO = 3 * 86400
"""Seconds: longer than any file's overlap, and shorter than the trials' first run looks back."""

AT_ONCE = 1e-9
"""Days after which everything is read again: the next run does so."""

IMPORTED = 40 * 86400.0
"""Age in seconds of the stamp of an imported order."""

MOVES = {1: change(2), 2: [change(5), delete(1), insert(2)]}
"""Changes of the moving shop, by the page after which they happen."""


def full_pull(t: Trial) -> Outcome:
    """Check a first run, and that a second one changes nothing."""
    outcome = assert_passed(t, least=fewest(t))
    assert_ok(t.run())
    assert_equal(t)
    return outcome


def incremental(t: Trial) -> Outcome:
    """Change, add and cancel orders; the next run reads these and little more."""
    refuse_once(t.target, "an order is handed out once")
    before = t.calls
    cancels = not isinstance(t.shop, Mirror) or t.shop.renderer.cancels
    for act in (change(3), insert(2), cancel(1) if cancels else insert(1)):
        act(t.shop.store)
    t.shop.clock.advance(1)
    second = assert_ok(t.run())
    assert_equal(t)
    if t.target.api.cursor and second.counts.fetched >= ORDERS:
        raise FailedError(f"the second run read {second.counts.fetched} orders, all there are")
    return passed(f"{second.counts.fetched} orders read again", t.calls - before)


def empty_shop(target: Target) -> Outcome:
    """Read an empty shop without an error."""
    with trial(target, orders=0) as t:
        assert_ok(t.run())
        if t.warehouse().orders:
            raise FailedError("there are orders though the shop has none")
        return passed("", t.calls, 1)


def odd_orders(t: Trial) -> Outcome:
    """Check SKUs such as 00123 and NULL, orders without lines or address, cancelled ones, carts."""
    outcome = assert_passed(t)
    if not isinstance(t.shop, Mirror):
        return outcome
    kinds = {
        "carts and drafts": t.shop.renderer.carts,
        "cancelled orders": t.shop.renderer.cancels,
    }
    missing = " and ".join(kind for kind, is_rendered in kinds.items() if not is_rendered)
    return replace(outcome, detail=missing and f"without {missing}")


def many_lines(t: Trial) -> Outcome:
    """Check that an order of 60 lines is loaded with all of them."""
    orders = t.shop.store.orders.values()
    long = next((order for order in orders if len(order.lines) >= LONG), None)
    if long is None:
        raise NotTriedError("the shop has no such order")
    order_id = t.target.name_of(t.shop, long)
    loaded = t.warehouse().orders[order_id]["items"]
    expected = t.target.truth(t.shop)["orders"][order_id]["items"]
    if loaded != expected:
        raise FailedError(f"it has {sum(loaded.values())} pieces, not {sum(expected.values())}")
    return passed(f"{t.shop.calls['child']} further calls" if t.target.api.children else "")


def number_reused(target: Target) -> Outcome:
    """Reject one of two orders with one number; load both with another ordernumber."""
    need_id_and_number(target)
    with trial(target, orders=ORDERS, odd=False, reused_numbers=1) as t:
        assert_ok(t.run())
        warehouse = t.warehouse()
        if warehouse.rejects != {"number_reused": 1} or len(warehouse.orders) != ORDERS - 1:
            raise FailedError(
                f"rejected were {warehouse.rejects}, held {len(warehouse.orders)} orders"
            )
    with trial(target, orders=ORDERS, odd=False, reused_numbers=1) as t:
        assert_ok(t.run(ordernumber="{number}~{id}"))
        if len(t.warehouse().orders) != ORDERS or t.warehouse().rejects:
            raise FailedError("with {number}~{id} one of them is still rejected")
        return passed("")


def bad_amount(target: Target) -> Outcome:
    """Reject an order whose amounts are no numbers; load it when they are mended."""
    mapping = target.api.mapping
    if target.name != "mirror":
        raise NotTriedError("tried on the mirror")
    if not mapping.amounts() and mapping.main.amount is None:
        raise NotTriedError("no amounts are mapped")
    with trial(target, orders=ORDERS, odd=False) as t:
        order = next(each for each in t.shop.store.orders.values() if each.counted and each.lines)
        order.marks.add(BAD_AMOUNT)
        assert_ok(t.run())
        total = isinstance(t.shop, Mirror) and t.shop.renderer.has_total_alone
        expected = {"total_invalid" if total else "amount_invalid": 1}
        warehouse = t.warehouse()
        if warehouse.rejects != expected or len(warehouse.orders) != ORDERS - 1:
            raise FailedError(
                f"rejected were {warehouse.rejects}, held {len(warehouse.orders)} orders"
            )
        order.marks.discard(BAD_AMOUNT)
        t.shop.store.touch(order)
        t.shop.clock.advance(1)
        assert_ok(t.run())
        assert_equal(t)
        return passed("")


def placed_late(t: Trial) -> Outcome:
    """Make an order of a cart, or of what was in no list, long after its last change.

    Where the file says that its time of change does not move, it does not.
    """
    refuse_once(t.target, "an order is handed out once")
    before, store = t.calls, t.shop.store
    cart = next((order for order in store.orders.values() if order.state == "cart"), None)
    store.place(cart or store.insert(late=LONG_AGO))
    t.shop.clock.advance(1)
    cursor = t.target.api.cursor
    again = {"full_reread_days": AT_ONCE} if cursor and cursor.silent and not cursor.also else {}
    assert_ok(t.run(**again))
    assert_equal(t)
    return passed("a cart" if cart else "", t.calls - before)


def number_edited(t: Trial) -> Outcome:
    """Give two orders another number; each replaces itself."""
    need_id_and_number(t.target)
    shape = t.shop.shape
    if shape.fixed_numbers:
        raise NotTriedError("numbers cannot be edited")
    before = t.calls
    edit_number(2)(t.shop.store)
    assert_ok(t.run(**({"full_reread_days": AT_ONCE} if shape.silent_edits else {})))
    assert_equal(t)
    return passed("", t.calls - before)


def killed(target: Target) -> Outcome:
    """Kill a run after it landed a page and another before its commit; then run to the end."""
    with trial(target, orders=ORDERS, odd=False) as t:
        for point in ("page-renamed:2", "before-commit:1"):
            if not t.killed(point):
                raise FailedError(f"{point} was not reached")
        result = t.run()
        assert_ok(result)
        return assert_passed(t)


def moving_shop(target: Target) -> Outcome:
    """Change, delete, add and commit orders late while the pages are read."""
    refuse_once(target, "what was handed out is gone")
    with trial(target, orders=ORDERS, moves=MOVES) as t:
        assert_ok(t.run())
        if target.api.cursor and target.api.cursor.overlap:
            insert(1, late=target.api.cursor.overlap / 2)(t.shop.store)
        change(2)(t.shop.store)
        t.shop.clock.advance(1)
        assert_ok(t.run())
        outcome = assert_passed(t)
    return replace(outcome, detail=f"a plain page walk loses {_lost_by_walking(target)}")


def moved_up(target: Target) -> Outcome:
    """Delete orders that were read; those behind them move up, past the next page."""
    refuse_once(target, "what was handed out is gone")
    with trial(target, orders=ORDERS, odd=False, moves={2: delete(2), 3: delete(1)}) as t:
        assert_ok(t.run())
        return assert_passed(t)


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


def set_aside(t: Trial) -> Outcome:
    """Turn a sale into a draft or test, and back; in between it does not count."""
    refuse_once(t.target, "an order is handed out once")
    if not t.shop.shape.aside:
        raise NotTriedError("the list holds nothing but orders")
    before = t.calls
    store = t.shop.store
    order = next(order for order in reversed(store.orders.values()) if order.counted)
    order_id = t.target.name_of(t.shop, order)
    placed = order.placed
    for state in (t.shop.shape.aside[-1], "placed"):
        in_state(state)(order)
        order.placed = placed if state == "placed" else order.placed
        store.touch(order)
        t.shop.clock.advance(1)
        changed = assert_ok(t.run()).counts.updated
        assert_equal(t)
        if changed != 1 or t.warehouse().orders[order_id]["counted"] != order.counted:
            raise FailedError(f"an order that became {state} was not updated accordingly")
    return passed("", t.calls - before)


def imported_orders(target: Target) -> Outcome:
    """Fetch orders that are listed and that no run reads, because their stamps are old."""
    if target.api.reconcile is None:
        raise NotTriedError("there is no [reconcile]")
    with trial(target, orders=ORDERS, odd=False) as t:
        assert_ok(t.run())
        before = t.calls
        insert(3, late=IMPORTED)(t.shop.store)
        t.shop.clock.advance(1)
        for point in ("missing-noted", "page-renamed:2"):
            if not t.killed(point, reconcile="1d"):
                raise FailedError(f"{point} was not reached")
        assert_ok(t.run())
        assert_equal(t)
        return passed("", t.calls - before)


def ties(target: Target) -> Outcome:
    """Read orders of equal times that each response sorts differently."""
    refuse_once(target, "an order is handed out once")
    if target.name != "mirror":
        raise NotTriedError("tried on the mirror")
    with trial(target, orders=2 * MANY, odd=False, same_stamp=MANY, sorts_anew=True) as t:
        first = assert_ok(t.run())
        assert_equal(t)
        if target.api.cursor and not first.cursor:
            raise FailedError("no cursor was reached")
        calls = t.calls
        assert_ok(t.run())
        assert_equal(t)
        return passed("", calls)


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
    with trial(target, orders=ORDERS, moves=MOVES) as t:
        client = NaiveClient(t)
        with suppress(OrderpullError):
            client.run()
            client.run()
        lost = len(client.lost())
        return f"{lost} of {len(target.truth(t.shop)['orders'])}" if lost else "none"
