"""Virtual waiting: waits are recorded and take no time, so trials are quick and exact."""

import threading

from orderpull.sources.http.limits import Stop


class VirtualWait(Stop):
    """A stop token that never stops; its waits end at once.

    :ivar each: the seconds of each wait, in order.
    """

    def __init__(self) -> None:
        super().__init__()
        self.each: list[float] = []

    @property
    def total(self) -> float:
        """The sum of all waits, in seconds."""
        return sum(self.each)

    def child(self, slots: threading.Semaphore | None = None) -> "VirtualWait":  # noqa: ARG002
        """Return this object: all sources share one list of waits."""
        return self

    def wait(self, seconds: float) -> bool:
        """Record a wait of *seconds*."""
        self.each.append(max(0.0, seconds))
        return False
