"""The loop: waits until a run is due, runs, tells how it went, and waits again.

It goes on in a thread of its own: alone in a process, or beside the pages. The pages read the
warehouse's snapshot and the loader holds the warehouse, so neither waits for the other.
"""

import threading
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime, timedelta

from orderpull import clock, notify, pipeline
from orderpull.errors import Interrupted, OrderpullError
from orderpull.pipeline import RunResult
from orderpull.schedule import state
from orderpull.schedule.plan import plan_of
from orderpull.schedule.trigger import Rhythm
from orderpull.settings import Settings
from orderpull.sources.http.limits import Stop


class Schedule:
    """Runs all sources in a *rhythm*, one run at a time, in a thread of its own.

    A run that takes longer than the time to the next one is followed by one more at once, or by
    none, as ``schedule.missed`` says; never by as many as were missed.

    :param tell: is told what failed; the next run tries again.
    """

    def __init__(
        self, settings: Settings, rhythm: Rhythm, tell: Callable[[OrderpullError], None]
    ) -> None:
        settings.chosen()
        self._settings = settings
        self._rhythm = rhythm
        self._tell = tell
        self._stop = Stop()
        self._thread = threading.Thread(target=self._go, name="schedule")
        self._desk = state.Desk(settings)
        self._alone = ExitStack()
        self._next: datetime | None = clock.now()

    def start(self) -> None:
        """Begin. :raises ScheduleBusy: there is another schedule of these settings."""
        self._alone.enter_context(self._desk.alone())
        self._note = state.fresh(str(self._rhythm), self._desk.read())
        self._plan = plan_of(
            self._rhythm,
            self._settings.schedule.missed,
            self._settings.schedule.jitter,
            last=self._note.began,
        )
        self._thread.start()

    def next_pull(self) -> datetime | None:
        """When the next run begins (UTC); past, while one goes on."""
        return self._next

    def stop(self, signal: int) -> None:
        """Ask for the end; a run that goes on ends after the page in hand."""
        self._stop.ask(signal)

    def wait(self) -> None:
        """Wait until the run that goes on has ended."""
        # The system may hand a signal to any thread, and DuckDB has some; what is to be done about
        # it is done by this one, when it next wakes.
        while self._thread.is_alive():
            self._thread.join(1.0)

    def _go(self) -> None:
        with self._alone:
            while self._is_due():
                self._plan.begin()
                self._note.began, self._note.ended, self._note.next = clock.now(), None, None
                self._desk.write(self._note)
                result = self._run()
                self._plan.end()
                self._note.ended, self._note.exit_code = clock.now(), result.exit_code
                notify.after_run(self._settings, result)

    def _is_due(self) -> bool:
        """Wait until a run is due; false if a stop was asked for instead."""
        while not self._stop.asked:
            left = self._plan.left()
            self._next = clock.now() + timedelta(seconds=max(0.0, left))
            if left <= 0:
                return True
            self._note.next = self._next
            self._desk.write(self._note)
            # Looked at again and again: clocks may be set meanwhile, and machines sleep.
            self._stop.wait(min(left, state.BEAT_SECONDS))
        self._desk.write(self._note)
        return False

    def _run(self) -> RunResult:
        """One run; whatever goes wrong is told, and does not end the schedule."""
        try:
            result = pipeline.run(self._settings, stop=self._stop)
        except OrderpullError as error:
            result = RunResult(error=error)
        except Exception as error:  # noqa: BLE001 - the pages go on, and so does the next run
            told = OrderpullError(
                f"A scheduled run failed: {type(error).__name__}.",
                "It is tried again; `orderpull run -v` shows where.",
            )
            result = RunResult(error=told)
        for each in (result.error, *(source.error for source in result.sources.values())):
            if each is not None and not isinstance(each, Interrupted):
                self._tell(each)
        return result
