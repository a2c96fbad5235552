"""Outcomes of a case, and the checks that cases share."""

from dataclasses import dataclass
from math import ceil
from typing import Literal

from orderpull.conform.target import Target
from orderpull.conform.trial import Trial
from orderpull.pipeline import SourceResult
from orderpull.simulator.shop.movers import Action, cancel, modify
from orderpull.simulator.shop.store import Store
from orderpull.sources.spec.expression import paths

State = Literal["passed", "failed", "not tried"]
ORDERS = 45
MANY = 25
"""Orders of one instant: more than a page holds."""


class FailedError(Exception):
    """The case failed; the message says what differs."""


class NotTriedError(Exception):
    """The case cannot be tried; the message says why."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a case.

    :param detail: the difference, the reason for not trying, or an observation.
    :param calls: calls that returned orders. :param least: the fewest possible, if known.
    """

    case: str
    state: State
    detail: str = ""
    calls: int | None = None
    least: int | None = None


def change(count: int) -> Action:
    """Return an action that changes orders and their stamps; it cancels where edits are silent."""

    def act(store: Store) -> None:
        (cancel if store.shape.silent_edits else modify)(count)(store)

    return act


def assert_ok(result: SourceResult) -> SourceResult:
    """Return the result of a successful run. :raises FailedError: the run failed."""
    if result.error is not None:
        raise FailedError(str(result.error))
    return result


def assert_equal(t: Trial) -> None:
    """Compare the warehouse with the truth. :raises FailedError: they differ."""
    differences = t.differences()
    if differences:
        raise FailedError("; ".join(differences[:3]))


def assert_passed(t: Trial, least: int | None = None) -> Outcome:
    """Compare the warehouse with the truth; return the outcome with the calls so far.

    :raises FailedError: they differ.
    """
    assert_equal(t)
    return passed("", t.calls, least)


def passed(detail: str, calls: int | None = None, least: int | None = None) -> Outcome:
    """Return the outcome of a passed case."""
    return Outcome("", "passed", detail, calls, least)


def fewest(t: Trial) -> int:
    """Return the fewest calls that can return all orders and their children."""
    pages = 1 if t.target.api.paging.kind == "single" else ceil(len(t.shop.store.orders) / t.size)
    further = len(t.target.api.cursor.also) if t.target.api.cursor else 0
    return pages + further + t.shop.calls["child"]


def refuse_once(target: Target, why: str) -> None:
    """Skip a consume-once API. :raises NotTriedError: the API is one."""
    if target.api.consume_once:
        raise NotTriedError(why)


def need_id_and_number(target: Target) -> None:
    """Skip an API whose order number is the id. :raises NotTriedError: the API is one."""
    refuse_once(target, "what was handed out is gone")
    mapping = target.api.mapping
    if mapping.id is None or set(paths(mapping.id)) == set(paths(mapping.number)):
        raise NotTriedError("the number is the id")
