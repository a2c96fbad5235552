"""Cases of plain reading: all orders, odd orders, and what comes between runs."""

from dataclasses import replace

from orderpull.conform.mirror import Mirror
from orderpull.conform.outcome import (
    ORDERS,
    FailedError,
    NotTriedError,
    Outcome,
    can_cancel,
    changing,
    fewest,
    need_id_and_number,
    passed,
    refuse_once,
    refuse_silent,
    same,
    seen,
    well,
)
from orderpull.conform.target import Stage
from orderpull.conform.trial import trial
from orderpull.simulator.shop.movers import (
    cancel,
    edit_number,
    insert,
)
from orderpull.simulator.shop.oddities import LONG


def full_pull(stage: Stage) -> Outcome:
    """All orders, once."""
    with trial(stage, orders=ORDERS, odd=False) as t:
        well(t.run())
        found = seen(t, least=fewest(t))
        well(t.run())
        same(t)
        return found


def incremental(stage: Stage) -> Outcome:
    """A second run brings what changed since the first, and little more."""
    refuse_once(stage, "an order is handed out once")
    with trial(stage, orders=ORDERS, odd=False) as t:
        well(t.run())
        before = t.calls
        for change in (changing(t)(3), insert(2), cancel(1) if can_cancel(t) else insert(1)):
            change(t.shop.store)
        t.shop.clock.advance(1)
        second = well(t.run())
        same(t)
        if stage.api.cursor and second.counts.fetched >= ORDERS:
            raise FailedError(f"the second run read {second.counts.fetched} orders, all there are")
        return passed(f"{second.counts.fetched} orders read again", t.calls - before)


def empty_shop(stage: Stage) -> Outcome:
    """A shop without orders is no error."""
    with trial(stage, orders=0) as t:
        well(t.run())
        if t.held().orders:
            raise FailedError("there are orders though the shop has none")
        return passed("", t.calls, 1)


def odd_orders(stage: Stage) -> Outcome:
    """SKUs such as 00123, 1E5, NULL; blanks, letters, no lines, no address; cancelled; carts."""
    with trial(stage, orders=ORDERS) as t:
        well(t.run())
        found = seen(t)
        left_out = [] if not isinstance(t.shop, Mirror) else [
            words for known, words in (
                (t.shop.renderer.carts, "carts and drafts"),
                (t.shop.renderer.cancels, "cancelled orders"),
            ) if not known
        ]  # fmt: skip
        return replace(found, words=f"without {' and '.join(left_out)}" if left_out else "")


def many_lines(stage: Stage) -> Outcome:
    """An order of 60 lines is held with all of them."""
    with trial(stage, orders=ORDERS) as t:
        well(t.run())
        orders = t.shop.store.orders.values()
        long = next((order for order in orders if len(order.lines) >= LONG), None)
        if long is None:
            raise NotTriedError("the shop has no such order")
        held = t.held().orders[stage.name_of(t.shop, long)]["items"]
        wanted = stage.truth(t.shop)["orders"][stage.name_of(t.shop, long)]["items"]
        if held != wanted:
            raise FailedError(f"it has {sum(held.values())} pieces, not {sum(wanted.values())}")
        return passed(f"{t.shop.calls['child']} further calls" if stage.api.children else "")


def number_reused(stage: Stage) -> Outcome:
    """Two orders of one number: one waits as a reject, and by ordernumber both are held."""
    need_id_and_number(stage)
    with trial(stage, orders=ORDERS, odd=False, reused_numbers=1) as t:
        well(t.run())
        held = t.held()
        if held.rejects != {"number_reused": 1} or len(held.orders) != ORDERS - 1:
            raise FailedError(f"rejected were {held.rejects}, held {len(held.orders)} orders")
    with trial(stage, orders=ORDERS, odd=False, reused_numbers=1) as t:
        well(t.run(ordernumber="{number}~{id}"))
        if len(t.held().orders) != ORDERS or t.held().rejects:
            raise FailedError("with {number}~{id} one of them is still rejected")
        return passed("")


def number_edited(stage: Stage) -> Outcome:
    """An order that gets another number replaces itself."""
    need_id_and_number(stage)
    with trial(stage, orders=ORDERS, odd=False) as t:
        refuse_silent(t)
        well(t.run())
        if stage.name == "medusa":
            raise NotTriedError("numbers cannot be edited")
        edit_number(2)(t.shop.store)
        well(t.run())
        return seen(t)


def killed(stage: Stage) -> Outcome:
    """One process is killed after it kept a page, one before it committed; then a plain run."""
    with trial(stage, orders=ORDERS, odd=False) as t:
        for point in ("page-renamed:2", "before-commit:1"):
            if not t.killed(point):
                raise FailedError(f"{point} was not reached")
        result = t.run()
        well(result)
        return seen(t)
