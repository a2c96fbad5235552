"""The cases: what may happen while orders are pulled."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Self

from orderpull.conform import cases_orders as orders
from orderpull.conform import cases_polite as polite
from orderpull.conform.outcome import ORDERS, FailedError, NotTriedError, Outcome, assert_ok
from orderpull.conform.rendering import CannotRenderError
from orderpull.conform.target import Target
from orderpull.conform.trial import Trial, trial
from orderpull.errors import OrderpullError


class PulledTrials:
    """Trials after a first run that loaded all orders; cases share them to save that run."""

    def __init__(self) -> None:
        self._trials: dict[bool, Trial] = {}
        self._stacks: dict[bool, ExitStack] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for odd in list(self._stacks):
            self._close(odd=odd)

    @contextmanager
    def use(self, target: Target, *, odd: bool) -> Iterator[Trial]:
        """Give the trial on a shop with or without *odd* orders.

        An error closes the trial, so that the next case gets a new one. An error of the simulator
        replaces the error of the run that it caused.
        """
        try:
            yield self._trials.get(odd) or self._pull(target, odd=odd)
        except NotTriedError:
            raise
        except Exception:
            self._close(odd=odd)
            raise

    def _pull(self, target: Target, *, odd: bool) -> Trial:
        stack = self._stacks[odd] = ExitStack()
        pulled = stack.enter_context(trial(target, orders=ORDERS, odd=odd))
        assert_ok(pulled.run())
        self._trials[odd] = pulled
        return pulled

    def _close(self, *, odd: bool) -> None:
        self._trials.pop(odd, None)
        self._stacks.pop(odd).close()


@dataclass(frozen=True, slots=True)
class Case:
    """A case. :param attempt: tries it on a target, perhaps on a trial that others share."""

    name: str
    sentence: str
    attempt: Callable[[Target, PulledTrials], Outcome]

    def on(self, target: Target, pulled: PulledTrials | None = None) -> Outcome:
        """Return the outcome on *target*; errors of the run are part of it.

        Without *pulled*, a case that goes on from a first run makes that run for itself.
        """
        if pulled is None:
            with PulledTrials() as own:
                return self.on(target, own)
        try:
            return replace(self.attempt(target, pulled), case=self.name)
        except (NotTriedError, CannotRenderError) as reason:
            return Outcome(self.name, "not tried", str(reason))
        except (FailedError, OrderpullError) as fault:
            return Outcome(self.name, "failed", str(fault))


def _own(name: str, sentence: str, attempt: Callable[[Target], Outcome]) -> Case:
    """Return a case with a shop of its own."""
    return Case(name, sentence, lambda target, _: attempt(target))


def _pulled(
    name: str, sentence: str, attempt: Callable[[Trial], Outcome], *, odd: bool = False
) -> Case:
    """Return a case that goes on from a first run. :param odd: the shop has odd orders."""

    def on_shared(target: Target, pulled: PulledTrials) -> Outcome:
        with pulled.use(target, odd=odd) as shared:
            return attempt(shared)

    return Case(name, sentence, on_shared)


CASES: tuple[Case, ...] = (
    _pulled("full pull", "all orders, once", orders.full_pull),
    _pulled("incremental", "a second run brings what changed, and little more", orders.incremental),
    _own("moving shop", "orders change, go and come while pages are read", orders.moving_shop),
    _own("moved up", "orders are deleted while the first run reads", orders.moved_up),
    _own("one instant", "more orders of one instant than a page holds", orders.one_instant),
    _own("ties", "equal times are sorted anew in each response", orders.ties),
    _own("killed", "SIGKILL twice, then a plain run", orders.killed),
    _own("token expires", "a token runs out midway", polite.token_expires),
    _own("rate limit", "429, with the wait in the file's header and unit", polite.rate_limit),
    _own("budget", "a budget of points told in the answers", polite.budget),
    _own("error in JSON", "status 200, and an error all the same", polite.error_in_json),
    _own("5xx", "the server breaks down over a page", polite.server_errors),
    _own("broken order", "orders for which alone the API fails", polite.broken_order),
    _own(
        "last page repeated", "behind the last page comes the last page", polite.repeated_last_page
    ),
    _own("empty shop", "no orders at all", orders.empty_shop),
    _pulled(
        "odd orders",
        "odd SKUs and numbers, no lines, no address, carts",
        orders.odd_orders,
        odd=True,
    ),
    _pulled("60 lines", "an order of 60 lines", orders.many_lines, odd=True),
    _own("number reused", "two orders of one number", orders.number_reused),
    _own("bad amount", "an order whose amounts are no numbers", orders.bad_amount),
    _pulled(
        "placed late",
        "what becomes an order long after its last change",
        orders.placed_late,
        odd=True,
    ),
    _pulled("number edited", "an order gets another number", orders.number_edited),
    _pulled("no longer an order", "an order turns into a draft or test", orders.set_aside),
    _pulled("deleted", "orders that the API lists no more", orders.deleted_orders),
    _own("imported", "orders that are listed with an old stamp", orders.imported_orders),
    _own("export", "a first run by a file of all orders", polite.export),
    _own("endless export", "the file of all orders never comes", polite.endless_export),
)
"""All cases, in the order of the report."""
