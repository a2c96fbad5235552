"""Cases of plain reading: all orders, odd orders, and what comes between runs."""

from dataclasses import replace

from orderpull.conform.mirror import Mirror
from orderpull.conform.outcome import (
    ORDERS,
    FailedError,
    NotTriedError,
    Outcome,
    assert_equal,
    assert_ok,
    assert_passed,
    can_cancel,
    changing,
    fewest,
    need_id_and_number,
    passed,
    refuse_once,
    refuse_silent,
)
from orderpull.conform.target import Target
from orderpull.conform.trial import trial
from orderpull.simulator.shop.movers import (
    cancel,
    edit_number,
    insert,
)
from orderpull.simulator.shop.oddities import LONG


def full_pull(target: Target) -> Outcome:
    """All orders, once."""
    with trial(target, orders=ORDERS, odd=False) as t:
        assert_ok(t.run())
        found = assert_passed(t, least=fewest(t))
        assert_ok(t.run())
        assert_equal(t)
        return found


def incremental(target: Target) -> Outcome:
    """A second run brings what changed since the first, and little more."""
    refuse_once(target, "an order is handed out once")
    with trial(target, orders=ORDERS, odd=False) as t:
        assert_ok(t.run())
        before = t.calls
        for change in (changing(t)(3), insert(2), cancel(1) if can_cancel(t) else insert(1)):
            change(t.shop.store)
        t.shop.clock.advance(1)
        second = assert_ok(t.run())
        assert_equal(t)
        if target.api.cursor and second.counts.fetched >= ORDERS:
            raise FailedError(f"the second run read {second.counts.fetched} orders, all there are")
        return passed(f"{second.counts.fetched} orders read again", t.calls - before)


def empty_shop(target: Target) -> Outcome:
    """A shop without orders is no error."""
    with trial(target, orders=0) as t:
        assert_ok(t.run())
        if t.warehouse().orders:
            raise FailedError("there are orders though the shop has none")
        return passed("", t.calls, 1)


def odd_orders(target: Target) -> Outcome:
    """SKUs such as 00123, 1E5, NULL; blanks, letters, no lines, no address; cancelled; carts."""
    with trial(target, orders=ORDERS) as t:
        assert_ok(t.run())
        found = assert_passed(t)
        left_out = [] if not isinstance(t.shop, Mirror) else [
            detail for known, detail in (
                (t.shop.renderer.carts, "carts and drafts"),
                (t.shop.renderer.cancels, "cancelled orders"),
            ) if not known
        ]  # fmt: skip
        return replace(found, detail=f"without {' and '.join(left_out)}" if left_out else "")


def many_lines(target: Target) -> Outcome:
    """An order of 60 lines is held with all of them."""
    with trial(target, orders=ORDERS) as t:
        assert_ok(t.run())
        orders = t.shop.store.orders.values()
        long = next((order for order in orders if len(order.lines) >= LONG), None)
        if long is None:
            raise NotTriedError("the shop has no such order")
        loaded = t.warehouse().orders[target.name_of(t.shop, long)]["items"]
        wanted = target.truth(t.shop)["orders"][target.name_of(t.shop, long)]["items"]
        if loaded != wanted:
            raise FailedError(f"it has {sum(loaded.values())} pieces, not {sum(wanted.values())}")
        return passed(f"{t.shop.calls['child']} further calls" if target.api.children else "")


def number_reused(target: Target) -> Outcome:
    """Two orders of one number: one waits as a reject, and by ordernumber both are held."""
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


def number_edited(target: Target) -> Outcome:
    """An order that gets another number replaces itself."""
    need_id_and_number(target)
    with trial(target, orders=ORDERS, odd=False) as t:
        refuse_silent(t)
        assert_ok(t.run())
        if target.name == "medusa":
            raise NotTriedError("numbers cannot be edited")
        edit_number(2)(t.shop.store)
        assert_ok(t.run())
        return assert_passed(t)


def killed(target: Target) -> Outcome:
    """One process is killed after it kept a page, one before it committed; then a plain run."""
    with trial(target, orders=ORDERS, odd=False) as t:
        for point in ("page-renamed:2", "before-commit:1"):
            if not t.killed(point):
                raise FailedError(f"{point} was not reached")
        result = t.run()
        assert_ok(result)
        return assert_passed(t)
