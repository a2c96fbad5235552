"""The cases: what may happen while orders are pulled."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Self

from orderpull.conform import cases_move, cases_polite, cases_read
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
    """A case with a shop of its own. :param attempt: tries it on a target."""

    name: str
    sentence: str
    attempt: Callable[[Target], Outcome]

    def on(self, target: Target, pulled: PulledTrials | None = None) -> Outcome:  # noqa: ARG002
        """Return the outcome on *target*; errors of the run are part of it."""
        return _outcome(self.name, lambda: self.attempt(target))


@dataclass(frozen=True, slots=True)
class PulledCase:
    """A case that goes on from a first run. :param attempt: tries it on the trial.

    :param odd: the shop has odd orders.
    """

    name: str
    sentence: str
    attempt: Callable[[Trial], Outcome]
    odd: bool = False

    def on(self, target: Target, pulled: PulledTrials | None = None) -> Outcome:
        """Return the outcome on *target*; without *pulled* the first run is made for it alone."""
        if pulled is None:
            with PulledTrials() as own:
                return self.on(target, own)
        return _outcome(self.name, lambda: self._attempt(target, pulled))

    def _attempt(self, target: Target, pulled: PulledTrials) -> Outcome:
        with pulled.use(target, odd=self.odd) as shared:
            return self.attempt(shared)


def _outcome(name: str, attempt: Callable[[], Outcome]) -> Outcome:
    try:
        return replace(attempt(), case=name)
    except (NotTriedError, CannotRenderError) as reason:
        return Outcome(name, "not tried", str(reason))
    except (FailedError, OrderpullError) as fault:
        return Outcome(name, "failed", str(fault))


CASES: tuple[Case | PulledCase, ...] = (
    PulledCase("full pull", "all orders, once", cases_read.full_pull),
    PulledCase(
        "incremental", "a second run brings what changed, and little more", cases_read.incremental
    ),
    Case("moving shop", "orders change, go and come while pages are read", cases_move.moving_shop),
    Case("one instant", "more orders of one instant than a page holds", cases_move.one_instant),
    Case("killed", "SIGKILL twice, then a plain run", cases_read.killed),
    Case("token expires", "a token runs out midway", cases_polite.token_expires),
    Case("rate limit", "429, with the wait in the file's header and unit", cases_polite.rate_limit),
    Case("budget", "a budget of points told in the answers", cases_polite.budget),
    Case("error in JSON", "status 200, and an error all the same", cases_polite.error_in_json),
    Case("5xx", "the server breaks down over a page", cases_polite.server_errors),
    Case(
        "last page repeated",
        "behind the last page comes the last page",
        cases_polite.repeated_last_page,
    ),
    Case("empty shop", "no orders at all", cases_read.empty_shop),
    PulledCase(
        "odd orders",
        "odd SKUs and numbers, no lines, no address, carts",
        cases_read.odd_orders,
        odd=True,
    ),
    PulledCase("60 lines", "an order of 60 lines", cases_read.many_lines, odd=True),
    Case("number reused", "two orders of one number", cases_read.number_reused),
    PulledCase("number edited", "an order gets another number", cases_read.number_edited),
    PulledCase("deleted", "orders that the API lists no more", cases_move.deleted_orders),
    Case("export", "a first run by a file of all orders", cases_polite.export),
)
"""All cases, in the order of the report."""
