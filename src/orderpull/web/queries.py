"""Cached queries, shared by the pages, the API and the metrics."""

from collections.abc import Callable
from datetime import date, datetime
from typing import TypeVar
from zoneinfo import ZoneInfo

from orderpull.settings import Settings
from orderpull.web import periods
from orderpull.web.cache import WarehouseCache
from orderpull.web.freshness import Freshness, read_freshness
from orderpull.web.overview import QueryContext
from orderpull.web.question import Question

Answer = TypeVar("Answer")
NextPull = Callable[[], datetime | None]
"""Start of the next pull (UTC): past during a pull, None if this process does not pull."""


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
        self.warehouse = WarehouseCache(settings)
        self._on_answer = on_answer

    def today(self) -> date:
        """The current day in ``report.timezone``."""
        return periods.today(self.zone)

    def get(self, name: str, question: Question, read: Callable[[QueryContext], Answer]) -> Answer:
        """Return the answer of *read* to *question*.

        :param name: cache key of *read*.
        :raises DestinationError: the warehouse cannot be read.
        """
        today = self.today()
        was_read = False

        def read_now(context: QueryContext) -> Answer:
            nonlocal was_read
            was_read = True
            return read(context)

        answer = self.warehouse.get(
            (name, question, today),
            lambda reader: read_now(QueryContext(reader, question, today, self.zone)),
        )
        self._on_answer(was_read)
        return answer

    def freshness(self, question: Question) -> Freshness:
        """The freshness and completeness of the sources of *question*."""
        return self.get(
            "freshness",
            Question(sources=question.sources),
            lambda context: read_freshness(context.reader, context.where.sources, self.sources),
        )
