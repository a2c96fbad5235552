"""Answers kept for as long as they are true: until the warehouse's ledger says something new."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from contextlib import ExitStack
from typing import Any, TypeVar

from orderpull.answers import from_orders
from orderpull.destinations import open_destination
from orderpull.destinations.protocol import Reader
from orderpull.settings import Settings

KEPT = 200
LOOKED_SECONDS = 1.0
"""How long the ledger's word holds before it is looked at again."""

CONNECTIONS = 4
"""How many questions a server is asked at once."""

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
    """The warehouse, as the pages ask it.

    A file is opened once for each edition of it, and asked one question at a time: DuckDB gives
    each all cores. A server is asked anew each time, a few at once.
    """

    def __init__(self, settings: Settings) -> None:
        self._destination = open_destination(
            settings.destination, settings.folder, settings.report.timezone
        )
        self._kept = Kept()
        self._reading = threading.Lock()
        self._open: ExitStack | None = None
        self._reader: tuple[Hashable, Reader] | None = None
        self._few = threading.BoundedSemaphore(CONNECTIONS)
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
        if self._destination.version() is None:
            with self._few, self._destination.reader() as reader:
                return read(reader)
        with self._reading:
            try:
                return read(self._current())
            except BaseException:
                self._close()
                raise

    def _current(self) -> Reader:
        """A reader of the current edition: the one that is open, or a new one."""
        edition = self._destination.version()
        if self._reader is None or self._reader[0] != edition:
            self._close()
            self._open = ExitStack()
            self._reader = edition, self._open.enter_context(self._destination.reader())
        return self._reader[1]

    def _close(self) -> None:
        self._reader = None
        if self._open is not None:
            self._open.close()

    def _now(self) -> Hashable:
        """The ledger's version, looked at not more than once a second."""
        with self._looking:
            at, version = self._version
            if time.monotonic() - at >= LOOKED_SECONDS:
                rows = self.read(lambda reader: reader.rows(from_orders.ledger_version()))
                version = tuple(rows[0].values())
                self._version = (time.monotonic(), version)
            return version
