"""The result of a verification: differences by order number, and whether all is well."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from orderpull.errors import OrderpullError
from orderpull.sources.reconcile import MissingOrder

Kind = Literal["missing", "extra", "older", "different", "twice", "uncounted"]
"""Fault of an order, seen from the side that is nearer to the readers."""

Where = Literal["shop-tables", "landing-tables", "tables", "rollups"]
"""The comparison that found it."""

MAX_LISTED = 100_000
"""Differences of one comparison and source that are listed; further ones are noted."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One order that differs.

    :param order: its number; ``page 12`` for a landed page as a whole, ``run 7`` for a run, ``day
        2026-05-01 DE`` for a group of a rollup, ``SKU A`` for a title.
    :param detail: what differs, in words, without a value of the order.
    """

    order: str
    kind: Kind
    where: Where
    detail: str = ""

    def as_json(self) -> dict[str, str]:
        """The object that ``verify --json`` prints."""
        return {"order": self.order, "kind": self.kind, "where": self.where}


@dataclass
class SourceVerified:
    """The result for one source.

    :param checked: orders compared, by the comparison that compared most.
    :param calls: requests sent to the API.
    :param differences: those left, if something was repaired.
    :param repaired: orders, rejects and pages that a repair put right; None: no repair.
    :param notes: what a person should know of how far the comparisons reach.
    :param outdated: the rollups are to be built anew; until then readers count the orders.
    :param to_fetch: orders that a repair fetches from the shop, by id.
    :param error: what kept the source from being verified to its end.
    """

    checked: int = 0
    calls: int = 0
    differences: list[Difference] = field(default_factory=list)
    repaired: int | None = None
    notes: list[str] = field(default_factory=list)
    outdated: bool = False
    to_fetch: dict[str, MissingOrder] = field(default_factory=dict)
    error: OrderpullError | None = None

    @property
    def needs_repair(self) -> bool:
        """True if a repair has something to do."""
        return bool(self.differences) or self.outdated

    def compared(self, orders: int) -> None:
        """Record that a comparison has compared *orders*."""
        self.checked = max(self.checked, orders)

    def counts(self) -> Counter[tuple[Where, Kind]]:
        """The number of differences of each kind in each comparison."""
        return Counter((each.where, each.kind) for each in self.differences)

    def as_json(self) -> dict[str, Any]:
        """The object for this source in ``verify --json``."""
        answer: dict[str, Any] = {
            "checked": self.checked,
            "calls": self.calls,
            "differences": [each.as_json() for each in self.differences],
        }
        if self.repaired is not None:
            answer["repaired"] = self.repaired
        if self.error is not None:
            answer["error"] = str(self.error)
        return answer


@dataclass
class Verified:
    """The result for all sources.

    :param at: the time at which the verification began, UTC.
    :param since: orders that were landed or changed earlier were not compared; None: all were.
    """

    at: datetime
    since: datetime | None
    sources: dict[str, SourceVerified]
    seconds: float = 0.0

    @property
    def exit_code(self) -> int:
        """0: no difference; 1: a person must look; 128 + n: stopped by signal n."""
        errors = [each.error.exit_code for each in self.sources.values() if each.error]
        differ = any(each.differences for each in self.sources.values())
        return max([*errors, 1 if differ else 0])

    @property
    def ok(self) -> bool:
        """True if every source was verified and nothing differs."""
        return self.exit_code == 0

    def as_json(self) -> dict[str, Any]:
        """The object that ``verify --json`` prints."""
        sources = {name: source.as_json() for name, source in self.sources.items()}
        return {"ok": self.ok, "sources": sources}
