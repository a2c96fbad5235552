"""A rendered shop many times over: years of orders for the disk space of one million."""

from array import array
from pathlib import Path

from bench.workload import STEP, Rows, iso


class Repeated:
    """The orders of *folder*, *copies* times, sorted by time of change.

    Each copy has ids, order numbers and times of change of its own; the last one has those that
    were rendered last in time, and is the one of which orders change.

    :param changed: as it is after the change.
    """

    def __init__(self, folder: Path, *, changed: bool, copies: int) -> None:
        rows, later = Rows(folder / "orders"), Rows(folder / "changed")
        self._size = len(rows.orders)
        gone = set(later.orders) if changed else set()
        self._at = array("Q")
        self.times = array("Q")
        for copy in range(copies):
            earlier = (copies - 1 - copy) * self._size * STEP
            for n, index in enumerate(rows.orders):
                if copy < copies - 1 or index not in gone:
                    self._at.append(copy * self._size + n)
                    self.times.append(rows.times[n] - earlier)
        self._rows, self._later = rows, later
        self._last = copies - 1
        self._unchanged = len(self._at)
        if changed:
            self.times.extend(later.times)

    def page(self, first: int, last: int) -> bytes:
        """The orders from place *first* to before *last*, as a JSON array."""
        last = min(last, len(self.times))
        return b"[%b]" % b",".join(self._text(place) for place in range(first, last))

    def _text(self, place: int) -> bytes:
        copy, n = (
            divmod(self._at[place], self._size)
            if place < self._unchanged
            else (self._last, place - self._unchanged)
        )
        rows = self._rows if place < self._unchanged else self._later
        index, text = rows.orders[n], bytes(rows.text(n))
        for old, new in (
            (b'"orderId":%d,' % index, b'"orderId":%d,' % (copy * self._size + index)),
            (b"ON-%08d" % index, b"ON-%08d" % (copy * self._size + index)),
            (_modified(rows.times[n]), _modified(self.times[place])),
        ):
            text = text.replace(old, new, 1)
        return text


def _modified(seconds: int) -> bytes:
    return b'"modifiedDate":"%b"' % iso(seconds).encode()
