"""Questions put to the warehouse, for pages, programs and monitoring alike."""

from collections.abc import Callable
from datetime import date, datetime
from typing import TypeVar
from zoneinfo import ZoneInfo

from orderpull.settings import Settings
from orderpull.web import freshness, periods
from orderpull.web.cache import Warehouse
from orderpull.web.overview import Asked
from orderpull.web.question import Question

Found = TypeVar("Found")
NextPull = Callable[[], datetime | None]
"""When the next pull begins (UTC); past, while one goes on; None if this process does not pull."""


class Desk:
    """Answers questions, each read once for as long as its answer is true.

    Reading waits for the warehouse, so it is done in threads.

    :param told: is told of each answer whether it had to be read.
    """

    def __init__(
        self, settings: Settings, told: Callable[[bool], None], next_pull: NextPull
    ) -> None:
        self.next_pull = next_pull
        self.zone = ZoneInfo(settings.report.timezone)
        self.sources = tuple(settings.sources)
        self.warehouse = Warehouse(settings)
        self._told = told

    def today(self) -> date:
        """The day that it is in ``report.timezone``."""
        return periods.today(self.zone)

    def ask(self, name: str, question: Question, read: Callable[[Asked], Found]) -> Found:
        """What *read* finds of *question*. :param name: tells *read* from every other.

        :raises DestinationError: the warehouse cannot be read.
        """
        today = self.today()
        was_read = False

        def noted(asked: Asked) -> Found:
            nonlocal was_read
            was_read = True
            return read(asked)

        found = self.warehouse.ask(
            (name, question, today),
            lambda reader: noted(Asked(reader, question, today, self.zone)),
        )
        self._told(was_read)
        return found

    def standing(self, question: Question) -> freshness.Standing:
        """How fresh and how whole the answers about *question*'s sources are."""
        return self.ask(
            "standing",
            Question(sources=question.sources),
            lambda asked: freshness.read_standing(asked.reader, asked.chosen, self.sources),
        )
