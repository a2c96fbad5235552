"""What a query costs on Shopify, and the leaky bucket that the points come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.platforms.shopify_schema import SCHEMA

if TYPE_CHECKING:
    from datetime import datetime

    from orderpull.simulator.shop.clock import Clock
    from tests.platforms.graphql import Field

CONNECTION_COST = 2
MUTATION_COST = 10


def requested_cost(fields: list[Field], of: str = "Query") -> int:
    """Return what a query may cost: an object 1, a connection 2 and `first` times its nodes."""
    if of == "Mutation":
        return MUTATION_COST * len(fields)
    return sum(_cost(field, of) for field in fields)


def _cost(field: Field, of: str) -> int:
    if field.name == "__typename":
        return 0
    kind = SCHEMA[field.on if field.on in SCHEMA else of][field.name].of
    if kind is None:
        return 0
    if not kind.endswith("Connection"):
        return 1 + requested_cost(field.fields, kind)
    first = field.arguments.get("first")
    return CONNECTION_COST + (first if isinstance(first, int) else 0) * _node_cost(field, kind)


def _node_cost(field: Field, kind: str) -> int:
    node = kind.removesuffix("Connection")
    cost = 0
    for chosen in field.fields:
        if chosen.name == "nodes":
            cost += requested_cost(chosen.fields, node)
        if chosen.name == "edges":
            inside = [one.fields for one in chosen.fields if one.name == "node"]
            cost += sum(requested_cost(fields, node) for fields in inside)
    return 1 + cost


def actual_cost(told: Any) -> int:
    """Return what an answer cost: each object in it 1, edges and page information nothing."""
    if isinstance(told, list):
        return sum(actual_cost(one) for one in told)
    if not isinstance(told, dict):
        return 0
    free = "node" in told or "edges" in told or "nodes" in told or "endCursor" in told
    return (0 if free else 1) + sum(actual_cost(one) for one in told.values())


class Bucket:
    """Points that are spent by queries and come back with time."""

    def __init__(self, clock: Clock, size: float, restored: float) -> None:
        """Fill it: `size` points at most, `restored` a second."""
        self.size = size
        self.restored = restored
        self._clock = clock
        self._points = size
        self._at: datetime = clock.now

    @property
    def points(self) -> float:
        """How many points there are now."""
        passed = (self._clock.now - self._at).total_seconds()
        return min(self.size, self._points + max(passed, 0) * self.restored)

    def spend(self, points: float) -> None:
        """Take points out; there may be too few of them for a moment."""
        self._points, self._at = self.points - points, self._clock.now

    def wait(self, points: float) -> float:
        """Return how many seconds it takes until so many points are there."""
        return max(points - self.points, 0) / self.restored

    def status(self) -> dict[str, float]:
        """Return what an answer tells of the bucket."""
        return {
            "maximumAvailable": float(self.size),
            "currentlyAvailable": int(max(self.points, 0)),
            "restoreRate": float(self.restored),
        }
