"""The cases: what may happen while orders are pulled, each tried on a shop of its own."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from orderpull.conform import cases_move, cases_polite, cases_read
from orderpull.conform.outcome import FailedError, NotTriedError, Outcome
from orderpull.conform.rendering import CannotRenderError
from orderpull.conform.target import Target
from orderpull.errors import OrderpullError


@dataclass(frozen=True, slots=True)
class Case:
    """One case. :param try_it: tries it, and returns what was seen."""

    name: str
    sentence: str
    attempt: Callable[[Target], Outcome]

    def on(self, target: Target) -> Outcome:
        """What becomes of it on *stage*."""
        try:
            return replace(self.attempt(target), case=self.name)
        except (NotTriedError, CannotRenderError) as reason:
            return Outcome(self.name, "not tried", str(reason))
        except (FailedError, OrderpullError) as fault:
            return Outcome(self.name, "failed", str(fault))


CASES = (
    Case("full pull", "all orders, once", cases_read.full_pull),
    Case(
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
    Case("odd orders", "odd SKUs and numbers, no lines, no address, carts", cases_read.odd_orders),
    Case("60 lines", "an order of 60 lines", cases_read.many_lines),
    Case("number reused", "two orders of one number", cases_read.number_reused),
    Case("number edited", "an order gets another number", cases_read.number_edited),
    Case("deleted", "orders that the API lists no more", cases_move.deleted_orders),
    Case("export", "a first run by a file of all orders", cases_polite.export),
)
"""All cases, in the order in which they are told."""
