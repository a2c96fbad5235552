"""Draws from a list in which some things are likelier than others."""

from bisect import bisect
from collections.abc import Iterable
from itertools import accumulate
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Weighted(Generic[Item]):
    """Items with weights; the weights need not add up to anything."""

    def __init__(self, pairs: Iterable[tuple[Item, float]]) -> None:
        """Take (item, weight) pairs; at least one weight must be positive."""
        listed = list(pairs)
        self._items = [item for item, _ in listed]
        self._cumulative = list(accumulate(weight for _, weight in listed))
        self._total = self._cumulative[-1]

    def at(self, point: float) -> Item:
        """Return the item at `point`, a number from 0 (included) to 1 (excluded)."""
        return self._items[bisect(self._cumulative, point * self._total)]
