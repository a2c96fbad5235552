"""Waiting that is noted and takes no time, so that trials of politeness are quick and exact."""

import threading

from orderpull.sources.http.limits import Stop


class VirtualWait(Stop):
    """A stop that nobody asks for, before which nothing is really waited.

    :ivar each: seconds that were to be waited, one after the other.
    """

    def __init__(self) -> None:
        super().__init__()
        self.each: list[float] = []

    @property
    def total(self) -> float:
        """All of it, in seconds."""
        return sum(self.each)

    def child(self, slots: threading.Semaphore | None = None) -> "VirtualWait":  # noqa: ARG002
        """Itself: there is one list of waits, and nobody who waits holds a seat."""
        return self

    def wait(self, seconds: float) -> bool:
        """Note that *seconds* were to be waited."""
        self.each.append(max(0.0, seconds))
        return False
