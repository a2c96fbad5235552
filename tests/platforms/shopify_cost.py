"""What a query costs on Shopify, and the leaky bucket that the points come from.

The manual tells that a connection costs by its `first`; Shopify's staff, that it is scaled by a
logarithm, with formulas of their own (community.shopify.dev, How to calculate GraphQL cost
estimates, 2025). Answers in public agree with a factor of twice the natural logarithm: a product's
`variants(first: 250) { nodes { inventoryItem { id } } }` cost 25 points.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime

    from orderpull.simulator.shop.times import Clock
    from tests.platforms.graphql_request import Field

CONNECTION_COST = 2
MUTATION_COST = 10


def requested_cost(fields: list[Field], *, is_mutation: bool = False, linear: bool = False) -> int:
    """Return what a query may cost: an object 1, a connection 2 and its nodes as many times.

    That is `first` times if `linear`, as the manual says, else by the logarithm of `first`.
    """
    if is_mutation:
        return MUTATION_COST * len(fields)
    return sum(_cost(field, linear=linear) for field in fields)


def _cost(field: Field, *, linear: bool) -> int:
    if not field.type:
        return 0
    if not field.type.endswith("Connection"):
        return 1 + requested_cost(field.fields, linear=linear)
    nodes = 1 + sum(requested_cost(node.fields, linear=linear) for node in node_fields(field))
    first = field.arguments.get("first") or 0
    return CONNECTION_COST + (first if linear else _scaled(first)) * nodes


def _scaled(first: int) -> int:
    return math.floor(2 * math.log(max(2, first))) if first else 0


def node_fields(connection: Field) -> list[Field]:
    """Return the fields through which a connection selects its nodes."""
    edges = [edge for field in connection.fields if field.name == "edges" for edge in field.fields]
    return [field for field in connection.fields if field.name == "nodes"] + [
        field for field in edges if field.name == "node"
    ]


def actual_cost(data: Any) -> int:
    """Return the cost of a response: each object 1, edges and page information 0."""
    if isinstance(data, list):
        return sum(actual_cost(element) for element in data)
    if not isinstance(data, dict):
        return 0
    free = {"node", "edges", "nodes", "endCursor"} & data.keys()
    return (0 if free else 1) + sum(actual_cost(value) for value in data.values())


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
