"""What can become of a case, and what all cases need to find it out."""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import Literal

from orderpull.conform.mirror import Mirror
from orderpull.conform.target import Target
from orderpull.conform.trial import Trial
from orderpull.pipeline import SourceResult
from orderpull.simulator.shop.movers import cancel, modify
from orderpull.simulator.shop.store import Store
from orderpull.sources.spec.expression import paths

Action = Callable[[Store], None]
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
    """What became of a case.

    :param words: what differs, or why it was not tried, or what was seen.
    :param calls: calls that brought orders. :param least: the fewest possible; None: not known.
    """

    case: str
    state: State
    detail: str = ""
    calls: int | None = None
    least: int | None = None


def changing(t: Trial) -> Callable[[int], Action]:
    """What changes orders, and their stamps."""
    return cancel if t.shop.shape.silent_edits else modify


def can_cancel(t: Trial) -> bool:
    """Whether orders can be cancelled."""
    return not isinstance(t.shop, Mirror) or t.shop.renderer.cancels


def assert_ok(result: SourceResult) -> SourceResult:
    """The result of a run that went well. :raises FailedError: it did not."""
    if result.error is not None:
        raise FailedError(str(result.error))
    return result


def assert_equal(t: Trial) -> None:
    """Make sure that the warehouse holds the truth. :raises FailedError: it does not."""
    found = t.differences()
    if found:
        raise FailedError("; ".join(found[:3]))


def assert_passed(t: Trial, least: int | None = None) -> Outcome:
    """It passed if the warehouse holds the truth; with the calls so far. Raises like same."""
    assert_equal(t)
    return passed("", t.calls, least)


def passed(detail: str, calls: int | None = None, least: int | None = None) -> Outcome:
    """It passed."""
    return Outcome("", "passed", detail, calls, least)


def fewest(t: Trial) -> int:
    """The fewest calls that can bring all orders, and what belongs to them."""
    pages = 1 if t.target.api.paging.kind == "single" else ceil(len(t.shop.store.orders) / t.size)
    return pages + t.shop.calls["child"]


def token_calls(target: Target) -> int:
    """Calls that come before the first for orders."""
    token = target.api.auth.token
    return int(token is not None and "token" not in target.credentials())


def overlap_of(target: Target) -> float:
    """Seconds that each run reads again."""
    cursor = target.api.cursor
    return cursor.overlap if cursor else 0.0


def refuse_once(target: Target, why: str) -> None:
    """Leave a consume-once API out. :raises NotTriedError: it is one."""
    if target.api.consume_once:
        raise NotTriedError(why)


def refuse_silent(t: Trial) -> None:
    """Leave a platform out whose edits do not show. :raises NotTriedError: it is one."""
    if t.shop.shape.silent_edits:
        raise NotTriedError("edits do not show in the time of change")


def need_id_and_number(target: Target) -> None:
    """Leave an API out whose number is the id. :raises NotTriedError: it is one."""
    refuse_once(target, "what was handed out is gone")
    mapping = target.api.mapping
    if mapping.id is None or set(paths(mapping.id)) == set(paths(mapping.number)):
        raise NotTriedError("the number is the id")
