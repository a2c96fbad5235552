"""Pulling on a schedule, beside the pages, in the same process.

The pages read the warehouse's snapshot and the loader holds the warehouse, so neither waits for the
other.
"""

import random
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from orderpull import clock, pipeline
from orderpull.errors import Interrupted, OrderpullError
from orderpull.settings import Settings
from orderpull.sources.limits import Stop

JITTER = 0.05
JITTER_AT_MOST = 30.0
"""Seconds; so that many machines that were started at once do not ask an API at once for ever."""


class Schedule:
    """Pulls all sources at once, and then every *interval*, in a thread of its own.

    A run that takes longer than the interval is followed by the next one at once; two never
    overlap.

    :param tell: is told what failed; the next run tries again.
    """

    def __init__(
        self, settings: Settings, interval: timedelta, tell: Callable[[OrderpullError], None]
    ) -> None:
        settings.chosen()
        self._settings = settings
        self._interval = interval.total_seconds()
        self._tell = tell
        self._stop = Stop()
        self._thread = threading.Thread(target=self._go, name="schedule")
        self._next: datetime | None = clock.now()

    def start(self) -> None:
        """Begin with the first run."""
        self._thread.start()

    def next_pull(self) -> datetime | None:
        """When the next run begins (UTC); past, while one goes on."""
        return self._next

    def stop(self, signal: int) -> None:
        """Ask for the end; a run that goes on ends after the page in hand."""
        self._stop.ask(signal)

    def wait(self) -> None:
        """Wait until the run that goes on has ended."""
        if self._thread.ident is not None:
            self._thread.join()

    def _go(self) -> None:
        while not self._stop.asked:
            began = time.monotonic()
            self._run()
            spread = min(self._interval * JITTER, JITTER_AT_MOST)
            wait = self._interval + random.uniform(0, spread)  # noqa: S311 - jitter is no secret
            left = max(0.0, began + wait - time.monotonic())
            self._next = clock.now() + timedelta(seconds=left)
            self._stop.wait(left)

    def _run(self) -> None:
        """One run; whatever goes wrong is told, and does not end the schedule."""
        try:
            result = pipeline.run(self._settings, stop=self._stop)
        except OrderpullError as error:
            self._tell(error)
        except Exception as error:  # noqa: BLE001 - the pages go on, and so does the next run
            self._tell(
                OrderpullError(
                    f"A scheduled run failed: {type(error).__name__}.",
                    "It is tried again; `orderpull run -v` shows where.",
                )
            )
        else:
            errors = [result.error, *(source.error for source in result.sources.values())]
            for each in errors:
                if each is not None and not isinstance(each, Interrupted):
                    self._tell(each)
