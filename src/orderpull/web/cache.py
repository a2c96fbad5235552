"""The cache of the pages, the API and the metrics: answers are reused until something is loaded.

A load, a retry and a finished run change the version of the warehouse's ledger.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import replace
from datetime import date, datetime
from typing import Any, Concatenate, ParamSpec, TypeVar
from zoneinfo import ZoneInfo

import msgspec

from orderpull.answers import ledger
from orderpull.countries import country_meant
from orderpull.destinations import open_destination
from orderpull.destinations.protocol import Reader
from orderpull.operate.report import rates_of
from orderpull.settings import Settings
from orderpull.web.context import QueryContext
from orderpull.web.freshness import Freshness, read_freshness
from orderpull.web.question import Question
from orderpull.web.totals import AbsentCountry

MAX_ANSWERS = 200
CHECK_SECONDS = 1.0
"""Shortest time between two reads of the ledger's version."""

CONNECTIONS = 4
"""Largest number of concurrent connections to a database server."""

Answer = TypeVar("Answer")
P = ParamSpec("P")
NextPull = Callable[[], datetime | None]
"""Start of the next pull (UTC): past during a pull, None if this process does not pull."""


class SingleFlightCache:
    """An LRU cache of the last *size* answers that computes each answer once.

    Concurrent requests for one key wait for a single computation. Failures are not cached.
    """

    def __init__(self, size: int = MAX_ANSWERS) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._answers: OrderedDict[Hashable, Future[Any]] = OrderedDict()

    def get(self, key: Hashable, compute: Callable[[], Answer]) -> Answer:
        """Return the answer for *key*, computing it if it is not cached."""
        with self._lock:
            future: Future[Answer] | None = self._answers.get(key)
            is_new = future is None
            if future is None:
                future = self._answers[key] = Future()
            self._answers.move_to_end(key)
            while len(self._answers) > self._size:
                self._answers.popitem(last=False)
        if is_new:
            self._compute(key, future, compute)
        return future.result()

    def _compute(
        self, key: Hashable, future: "Future[Answer]", compute: Callable[[], Answer]
    ) -> None:
        try:
            future.set_result(compute())
        except BaseException as error:
            with self._lock:
                if self._answers.get(key) is future:
                    del self._answers[key]
            future.set_exception(error)
            raise


class WarehouseCache:
    """The warehouse behind a cache.

    A DuckDB file is opened once for each version and read by one thread at a time, because DuckDB
    gives a query all cores. A server gets a new connection for each query, a few at a time.
    """

    def __init__(self, settings: Settings) -> None:
        self._destination = open_destination(
            settings.destination, settings.folder, settings.report.timezone
        )
        self._cache = SingleFlightCache()
        self._reading = threading.Lock()
        self._open: ExitStack | None = None
        self._reader: tuple[Hashable, Reader] | None = None
        self._slots = threading.BoundedSemaphore(CONNECTIONS)
        self._checking = threading.Lock()
        self._version: tuple[float, Hashable] = (float("-inf"), None)

    def get(self, key: Hashable, read: Callable[[Reader], Answer]) -> Answer:
        """Return the answer that *read* computes, from the cache if nothing was loaded since.

        :raises DestinationError: the warehouse cannot be read, or does not exist yet.
        """
        version = self._ledger_version()
        return self._cache.get((version, key), lambda: self.read(read))

    def remember(self, key: Hashable, compute: Callable[[], Answer]) -> Answer:
        """Return the answer of *compute*, from the cache if nothing was loaded since."""
        return self._cache.get((self._version[1], key), compute)

    def read(self, read: Callable[[Reader], Answer]) -> Answer:
        """Compute the answer of *read* now, without the cache."""
        if self._destination.version() is None:
            with self._slots, self._destination.reader() as reader:
                return read(reader)
        with self._reading:
            try:
                return read(self._current_reader())
            except BaseException:
                self._close()
                raise

    def _current_reader(self) -> Reader:
        """A reader of the current file: the open one, unless the file was replaced."""
        version = self._destination.version()
        if self._reader is None or self._reader[0] != version:
            self._close()
            self._open = ExitStack()
            self._reader = version, self._open.enter_context(self._destination.reader())
        return self._reader[1]

    def _close(self) -> None:
        self._reader = None
        if self._open is not None:
            self._open.close()

    def _ledger_version(self) -> Hashable:
        """The ledger's version, read at most once a second."""
        with self._checking:
            read_at, version = self._version
            if time.monotonic() - read_at >= CHECK_SECONDS:
                rows = self.read(lambda reader: reader.rows(ledger.ledger_version()))
                version = tuple(rows[0].values())
                self._version = (time.monotonic(), version)
            return version


class CachedQueries:
    """Queries to the warehouse, each answered from the cache until something is loaded.

    The calls block, so they run in threads.

    :param on_answer: called for each answer with True if it was read, False if it was cached.
    """

    def __init__(
        self, settings: Settings, on_answer: Callable[[bool], None], next_pull: NextPull
    ) -> None:
        self.next_pull = next_pull
        self.zone = ZoneInfo(settings.report.timezone)
        self.sources = tuple(settings.sources)
        self.rates = rates_of(settings)
        self.warehouse = WarehouseCache(settings)
        self._on_answer = on_answer

    def today(self) -> date:
        """The current day in ``report.timezone``."""
        return datetime.now(self.zone).date()

    def get(
        self,
        question: Question,
        read: Callable[Concatenate[QueryContext, P], Answer],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Answer:
        """Return the answer of *read* to *question*.

        :param read: a function of a module; it and the further arguments are the cache key.
        :raises DestinationError: the warehouse cannot be read.
        """
        today = self.today()
        was_read = False

        def read_now(reader: Reader) -> Answer:
            nonlocal was_read
            was_read = True
            return read(self.context(reader, question, today), *args, **kwargs)

        key = (read, args, *kwargs.items(), question, today)
        answer = self.warehouse.get(key, read_now)
        self._on_answer(was_read)
        return answer

    def context(self, reader: Reader, question: Question, today: date) -> QueryContext:
        """The context in which *question* is answered by *reader*."""
        remember = self.warehouse.remember
        return QueryContext(reader, question, today, self.zone, remember, rates=self.rates)

    def with_countries_meant(self, question: Question, language: str = "") -> Question:
        """Return *question* with each country as it is stored.

        :param language: language, such as ``de``, in which a country may be named.
        """
        if not any(question.countries):
            return question
        stored = self.get(Question(), QueryContext.stored_countries)
        meant = (each and country_meant(each, stored, language) for each in question.countries)
        return replace(question, countries=tuple(dict.fromkeys(meant)))

    def absent_countries(self, question: Question) -> list[AbsentCountry]:
        """The countries of *question* that no order has."""
        if not question.countries:
            return []
        rows = self.get(Question(countries=question.countries), QueryContext.absent_countries)
        return msgspec.convert(rows, list[AbsentCountry])

    def freshness(self, question: Question) -> Freshness:
        """The freshness and completeness of the sources of *question*."""
        return self.get(Question(sources=question.sources), read_freshness, self.sources)
