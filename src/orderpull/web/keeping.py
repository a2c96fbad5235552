"""Answers kept for as long as they are true: until the warehouse's ledger says something new."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any, TypeVar

from orderpull import views
from orderpull.destinations import open_destination
from orderpull.destinations.protocol import Reader
from orderpull.settings import Settings

KEPT = 200
LOOKED_SECONDS = 1.0
"""How long the ledger's word holds before it is looked at again."""

Found = TypeVar("Found")


class Kept:
    """What was computed for a key, for the last *most* keys.

    Who asks for what is being computed waits for it; a failure is kept for nobody.
    """

    def __init__(self, most: int = KEPT) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._found: OrderedDict[Hashable, Future[Any]] = OrderedDict()

    def get(self, key: Hashable, compute: Callable[[], Found]) -> Found:
        """What *compute* gives, computed once."""
        with self._lock:
            future: Future[Found] | None = self._found.get(key)
            mine = future is None
            if future is None:
                future = self._found[key] = Future()
            self._found.move_to_end(key)
            while len(self._found) > self._most:
                self._found.popitem(last=False)
        if mine:
            self._compute(key, future, compute)
        return future.result()

    def _compute(
        self, key: Hashable, future: "Future[Found]", compute: Callable[[], Found]
    ) -> None:
        try:
            future.set_result(compute())
        except BaseException as error:
            with self._lock:
                if self._found.get(key) is future:
                    del self._found[key]
            future.set_exception(error)
            raise


class Warehouse:
    """The warehouse, asked through a reader that is opened for each new question.

    One at a time: a process that always has an old snapshot open would go on to see it.
    """

    def __init__(self, settings: Settings) -> None:
        self._destination = open_destination(settings.destination, settings.folder)
        self._kept = Kept()
        self._reading = threading.Lock()
        self._looking = threading.Lock()
        self._version: tuple[float, Hashable] = (float("-inf"), None)

    def ask(self, key: Hashable, read: Callable[[Reader], Found]) -> Found:
        """What *read* finds; as it was found before, if nothing was loaded since.

        :raises DestinationError: the warehouse cannot be read, or there is nothing yet.
        """
        version = self._now()
        return self._kept.get((version, key), lambda: self.read(read))

    def read(self, read: Callable[[Reader], Found]) -> Found:
        """What *read* finds now."""
        with self._reading, self._destination.reader() as reader:
            return read(reader)

    def _now(self) -> Hashable:
        """The ledger's version, looked at not more than once a second."""
        with self._looking:
            at, version = self._version
            if time.monotonic() - at >= LOOKED_SECONDS:
                rows = self.read(lambda reader: reader.rows(views.ledger_version()))
                version = tuple(rows[0].values())
                self._version = (time.monotonic(), version)
            return version
