"""Passes over one list, until all its orders have been read although it moves between its pages.

An order that changes leaves its place and moves others. An API may also sort equal times
differently in each response. Where pages meet, orders are then repeated, and others missed.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from orderpull.sources.paging.flows import Pager

MAX_PASSES = 6
"""Most passes over a list that changes."""

MAX_TIE_PASSES = 12
"""Most passes over a list of constant length, whose orders only change places."""

NEAR = 6
"""Entries at both sides of a cut where a few equal times may be sorted alike twice by chance."""


@dataclass(slots=True)
class _Pass:
    """The facts about one pass.

    :param entries: versions read, with repetitions on other pages.
    :param distinct: versions read.
    :param kept: those that the pass before has read, too.
    :param new: those that no pass before has read.
    :param order: hash of all versions in their order.
    :param near: a version was on both sides of a cut, so that another may be missing there.
    :param cuts: number of entries after each page.
    """

    entries: int = 0
    distinct: int = 0
    kept: int = 0
    new: int = 0
    order: int = 0
    near: bool = False
    cuts: list[int] = field(default_factory=list)
    tail: list[int] = field(default_factory=list)

    @property
    def repeats(self) -> bool:
        """True if a version was on two pages."""
        return self.entries > self.distinct


class Passes:
    """The numbers of the passes over one list, for a ``for`` statement, and what they have read.

    After repetitions the list is cut into pages at other places, so that orders of equal time
    which were cut apart come within one page.

    :param ids: the fingerprints are of ids, by which an order that moves is a repetition, too.
    :param most: most passes over a list that changes.
    """

    def __init__(self, pager: Pager, *, ids: bool = False, most: int | None = None) -> None:
        self._pager, self._ids, self._most = pager, ids, most or MAX_PASSES
        self._last_read: dict[int, int] = {}
        self._number = self._alike = 0
        self._this = self._before = _Pass()

    def __iter__(self) -> Iterator[int]:
        try:
            while self._number < (MAX_TIE_PASSES if self.only_ties else self._most):
                self._number += 1
                self._before, self._this = self._this, _Pass()
                yield self._number
                self._alike += 1 if self._this.order == self._before.order else -self._alike
                if self._number > 1 or self._suspect:
                    self._pager.resize(elsewhere=self._this.repeats)
        finally:
            self._pager.resize(usual=True)

    def add(self, fingerprints: Iterable[int]) -> None:
        """Add the fingerprints of a page to this pass."""
        this, number, page = self._this, self._number, list(dict.fromkeys(fingerprints))
        this.near = this.near or not set(page[:NEAR]).isdisjoint(this.tail)
        this.tail = page[-NEAR:] or this.tail
        for version in page:
            last = self._last_read.get(version, 0)
            this.entries += 1
            this.order = hash((this.order, version))
            if last != number:
                self._last_read[version] = number
                this.distinct += 1
                this.kept += last == number - 1
                this.new += not last
        if not this.cuts or this.cuts[-1] != this.entries:
            this.cuts.append(this.entries)

    @property
    def versions(self) -> int:
        """Number of versions that all passes together have read."""
        return len(self._last_read)

    @property
    def only_ties(self) -> bool:
        """True if the list seems to have kept its orders, and only changed their places."""
        return 0 < self._before.entries == self._this.entries >= self.versions

    @property
    def moving(self) -> bool:
        """True if the last pass has read new versions, and not for ties alone."""
        return self._this.new > 0 and not self.only_ties

    @property
    def _suspect(self) -> bool:
        """True if this pass has repetitions of which the list itself may not be the reason."""
        return self._this.repeats if self._ids else self._this.near

    @property
    def complete(self) -> bool:
        """True if this pass proves that all orders have been read.

        It returned the same list as the pass before, not cut where that repeats a version; or the
        same versions without repetition; or nothing new, and three passes or more have together as
        many versions as the list has entries.
        """
        this, before = self._this, self._before
        if self._number == 1:
            return False
        cut_anew = this.cuts != before.cuts or self._alike >= self._most - 2
        same_list = this.order == before.order and (cut_anew or not self._suspect)
        same_versions = this.entries == this.distinct == this.kept == before.distinct
        settled = not this.new and self._number >= 3  # noqa: PLR2004 - an order may leave in one
        counted = settled and this.entries == before.entries == self.versions
        return same_list or same_versions or counted
