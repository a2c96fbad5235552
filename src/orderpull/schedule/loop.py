"""Loop of the schedule: wait until a run is due, run, notify, repeat.

The loop has its own thread, either alone in a process or beside the pages. The pages read the
warehouse's snapshot while a run loads, so that neither blocks the other.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta

from orderpull import clock, notify, pipeline
from orderpull.errors import Interrupted, OrderpullError
from orderpull.forget.unfinished import finish_erasures
from orderpull.loading.compact import compact
from orderpull.pipeline import RunResult
from orderpull.schedule.plan import Plan, plan_of
from orderpull.schedule.state import HEARTBEAT_SECONDS, StateFile, initial_state
from orderpull.schedule.trigger import (
    Trigger,
    compact_trigger,
    digest_trigger,
    verify_trigger,
)
from orderpull.settings import Settings
from orderpull.sources.accounts import accounts_read_again
from orderpull.sources.http.limits import Stop
from orderpull.verify import verify


class ScheduleListener:
    """Callbacks of a schedule, from its thread. These ignore them."""

    def on_next(self, instant: datetime) -> None:
        """Note the start of the next run (UTC)."""

    def on_run(self, result: RunResult) -> None:
        """Note the *result* of a run."""


class Schedule:
    """Run all sources at each time of a *trigger*, one run at a time, in a background thread.

    If a run lasts beyond the next time, ``schedule.missed`` decides: one run follows at once, or
    the schedule waits for the time after.

    At the times of ``verify.cron`` the sources are verified, and at those of ``digest.cron`` the
    digest is sent, between two runs. A digest that could not be sent is tried again after each run.
    At those of ``landing.compact_cron`` landed pages are compacted.

    :param on_error: is called with each error of a run; the next run tries again.
    """

    def __init__(
        self,
        settings: Settings,
        trigger: Trigger,
        on_error: Callable[[OrderpullError], None],
        listener: ScheduleListener | None = None,
    ) -> None:
        settings.chosen()
        self._verify_trigger = verify_trigger(settings)
        self._digest_trigger = digest_trigger(settings)
        self._compact_trigger = compact_trigger(settings)
        self._settings = settings
        self._trigger = trigger
        self._on_error = on_error
        self._listener = listener or ScheduleListener()
        self._stop = Stop()
        self._thread = threading.Thread(target=self._loop, name="schedule")
        self._file = StateFile(settings)
        self._lock = ExitStack()
        self._next: datetime | None = clock.now()
        self._digest_owed = False

    def start(self, on_ready: Callable[[], None] = lambda: None) -> None:
        """Start the thread.

        :param on_ready: called once nothing stands in the way, before the thread begins.
        :raises ScheduleBusy: another schedule of these settings runs.
        :raises ScheduleError: the schedule's folder cannot be written.
        """
        self._lock.enter_context(self._file.lock())
        self._state = initial_state(str(self._trigger), self._file.read())
        self._plan = self._plan_of(self._trigger, self._state.began)
        self._jobs = list(self._jobs_beside())
        on_ready()
        self._thread.start()

    def next_pull(self) -> datetime | None:
        """Return the start of the next run (UTC); during a run, the start of that run."""
        return self._next

    def stop(self, signal: int) -> None:
        """Request the end; a run in progress ends after its current page."""
        self._stop.set(signal)

    def wait(self) -> None:
        """Block until the thread has ended."""
        # Only the main thread runs Python's signal handlers, and only while it executes bytecode.
        # Another thread (DuckDB has some) may receive the signal: so this one wakes every second.
        while self._thread.is_alive():
            self._thread.join(1.0)

    def _loop(self) -> None:
        with self._lock:
            while self._wait_until_due():
                self._plan.begin()
                self._state.began, self._state.ended = clock.now(), None
                self._state.next = None
                self._file.write(self._state)
                result = self._run()
                self._plan.end()
                self._state.ended, self._state.exit_code = clock.now(), result.exit_code
                notify.after_run(self._settings, result)
                if self._digest_owed:
                    self._send_digest()

    def _plan_of(self, trigger: Trigger, last: datetime | None) -> Plan:
        """Return the plan of *trigger*. :param last: when it last was followed (UTC)."""
        schedule = self._settings.schedule
        return plan_of(trigger, schedule.missed, schedule.jitter, last=last)

    def _jobs_beside(self) -> Iterator[tuple[Plan, Callable[[], None]]]:
        """Yield the jobs beside the runs, each with its plan."""
        if self._verify_trigger:
            yield self._plan_of(self._verify_trigger, self._state.verified), self._verify
        if self._compact_trigger:
            yield self._plan_of(self._compact_trigger, self._state.compacted), self._compact
        if self._digest_trigger:
            from orderpull.digest import delivery

            try:
                last = delivery.last_state(self._settings).tried
                self._digest_owed = delivery.is_owed(self._settings)
            except OrderpullError as error:
                self._on_error(error)
                last = None
            yield self._plan_of(self._digest_trigger, last), self._send_digest

    def _wait_until_due(self) -> bool:
        """Wait until a run is due, and do the jobs beside; return False at a requested stop."""
        is_announced = False
        while not self._stop.requested:
            left = self._plan.left()
            self._next = clock.now() + timedelta(seconds=max(0.0, left))
            if left <= 0:
                return True
            if not is_announced:
                self._listener.on_next(self._next)
                is_announced = True
            self._state.next = self._next
            self._file.write(self._state)
            if due := next(((plan, do) for plan, do in self._jobs if plan.left() <= 0), None):
                plan, do = due
                plan.begin()
                do()
                plan.end()
                continue
            # Read the clocks again at each heartbeat: they may be set, and machines sleep.
            self._stop.wait(min(left, HEARTBEAT_SECONDS, *(plan.left() for plan, _ in self._jobs)))
        self._file.write(self._state)
        return False

    def _verify(self) -> None:
        """Verify once. Every error is reported, and the schedule continues."""
        self._state.verifying = self._state.verified = clock.now()
        self._file.write(self._state)
        try:
            verified = verify.by_settings(self._settings, self._stop)
        except OrderpullError as error:
            self._on_error(error)
        except Exception as error:  # noqa: BLE001 - as for a run
            name = type(error).__name__
            self._on_error(OrderpullError(f"A scheduled verification failed: {name}."))
        else:
            for source in verified.sources.values():
                if source.error is not None and not isinstance(source.error, Interrupted):
                    self._on_error(source.error)
            notify.after_verify(self._settings, verified)
        finally:
            self._state.verifying = None

    def _compact(self) -> None:
        """Compact once. Every error is reported, and the schedule continues."""
        self._state.compacted = clock.now()
        self._file.write(self._state)
        try:
            done = compact(self._settings, stop=self._stop)
        except OrderpullError as error:
            self._on_error(error)
        except Exception as error:  # noqa: BLE001 - as for a run
            name = type(error).__name__
            self._on_error(OrderpullError(f"A scheduled compaction failed: {name}."))
        else:
            for failure in done.errors.values():
                if not isinstance(failure, Interrupted):
                    self._on_error(failure)

    def _send_digest(self) -> None:
        """Send the digest once. Every error is reported, and the schedule continues."""
        from orderpull.digest.delivery import deliver

        self._digest_owed = True
        try:
            delivery = deliver(self._settings, once=True)
        except OrderpullError as error:
            self._on_error(error)
        except Exception as error:  # noqa: BLE001 - as for a run
            name = type(error).__name__
            self._on_error(OrderpullError(f"A scheduled digest failed: {name}."))
        else:
            self._digest_owed = any(outcome == "failed" for _, outcome in delivery.outcomes)
            if delivery.error is not None:
                self._on_error(delivery.error)

    def _read_accounts_again(self) -> None:
        """Read the list of accounts again; if it cannot be read, the last one counts."""
        try:
            self._settings = accounts_read_again(self._settings)
        except OrderpullError as error:
            self._on_error(error)

    def _run(self) -> RunResult:
        """Run once. Every error is reported, and the schedule continues."""
        self._read_accounts_again()
        try:
            result = pipeline.run(self._settings, stop=self._stop)
            finish_erasures(self._settings, result)
            result.note_refused(self._settings.accounts.refused)
        except OrderpullError as error:
            result = RunResult(error=error)
        except Exception as error:  # noqa: BLE001 - the pages go on, and so does the next run
            failure = OrderpullError(
                f"A scheduled run failed: {type(error).__name__}.",
                "It is tried again; `orderpull run -v` shows where.",
            )
            result = RunResult(error=failure)
        self._listener.on_run(result)
        for each in (result.error, *(source.error for source in result.sources.values())):
            if each is not None and not isinstance(each, Interrupted):
                self._on_error(each)
        return result
