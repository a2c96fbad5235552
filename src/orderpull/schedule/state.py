"""State of a schedule on disk: a lock file, so that one schedule runs, and a state file.

::

    <folder>/schedule.lock     held while a schedule runs
    <folder>/schedule.json     state of the schedule, rewritten every 30 seconds

``<folder>`` is ``schedule.folder`` of the settings, by default ``.orderpull`` beside them.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct

from orderpull import clock
from orderpull.errors import ScheduleBusy, ScheduleError
from orderpull.landing.lock import LockHeld, file_lock, is_locked
from orderpull.settings import Settings

LOCK_FILE, STATE_FILE = "schedule.lock", "schedule.json"
HEARTBEAT_SECONDS = 30.0
STALLED_AFTER = timedelta(minutes=3)
"""A waiting schedule without a heartbeat for this long has stalled."""


class ScheduleState(Struct, rename={"heartbeat": "beat", "trigger": "rhythm"}):
    """State of a schedule. Times are UTC, without zone.

    :ivar since: start of the schedule.
    :ivar trigger: the trigger as text.
    :ivar heartbeat: time of the last write.
    :ivar next: start of the next run; None during a run.
    :ivar began: start of the last run.
    :ivar ended: end of the last run; None during a run.
    :ivar exit_code: exit code of the last run that ended.
    :ivar verifying: start of the verification that goes on; None: none does.
    :ivar verified: start of the last verification.
    :ivar compacted: start of the last compaction.
    """

    pid: int
    since: datetime
    trigger: str
    heartbeat: datetime
    next: datetime | None = None
    began: datetime | None = None
    ended: datetime | None = None
    exit_code: int | None = None
    verifying: datetime | None = None
    verified: datetime | None = None
    compacted: datetime | None = None


class StateFile:
    """Lock file and state file of a schedule, in one folder."""

    def __init__(self, settings: Settings) -> None:
        self.folder = settings.folder / settings.schedule.folder

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the lock: one schedule of these settings runs on this machine.

        :raises ScheduleBusy: another schedule holds the lock.
        :raises ScheduleError: the folder cannot be written.
        """
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with file_lock(self.folder / LOCK_FILE):
                yield
        except LockHeld as lock:
            raise ScheduleBusy(
                f"Another schedule ({lock.holder}) runs with these settings.",
                "Let that one run, or end it first.",
            ) from None
        except OSError as error:
            raise ScheduleError(
                f"The schedule's folder {self.folder} cannot be used: {error.strerror or error}.",
                "Give it the right to write there, or set folder in [schedule].",
            ) from None

    def read(self) -> ScheduleState | None:
        """Return the last state; None if the file is missing or unreadable."""
        try:
            return msgspec.json.decode((self.folder / STATE_FILE).read_bytes(), type=ScheduleState)
        except (OSError, msgspec.DecodeError):
            return None

    def write(self, state: ScheduleState) -> None:
        """Replace the state file. An error is logged, because runs matter more than their state."""
        state.heartbeat = clock.now()
        temporary = self.folder / f"{STATE_FILE}.tmp"
        try:
            temporary.write_bytes(msgspec.json.encode(state))
            temporary.replace(self.folder / STATE_FILE)
        except OSError as error:
            logging.getLogger("orderpull.schedule").warning(
                "the schedule's state cannot be written: %s", error.strerror
            )

    def status(self) -> "ScheduleStatus | None":
        """Return the schedule's status; None if no schedule ever ran here."""
        state = self.read()
        if state is None:
            return None
        try:
            return ScheduleStatus(is_locked(self.folder / LOCK_FILE), state)
        except OSError:
            return ScheduleStatus(running=False, state=state)


class ScheduleStatus(Struct, frozen=True):
    """Status of a schedule, seen from another process.

    :param running: True while a process holds the schedule's lock.
    """

    running: bool
    state: ScheduleState

    def as_json(self) -> dict[str, Any]:
        """Return the object that ``status --json`` prints."""
        state = self.state
        return {
            "running": self.running,
            "pid": state.pid if self.running else None,
            "since": state.since if self.running else None,
            "rhythm": state.trigger,
            "last_began": state.began,
            "last_ended": state.ended,
            "last_exit_code": state.exit_code,
            "next": state.next if self.running else None,
            "heard_of": state.heartbeat,
        }

    def is_stalled(self, now: datetime) -> bool:
        """Return True if the schedule runs, waits, and has missed its heartbeats."""
        waiting = self.state.next is not None and self.state.verifying is None
        return self.running and waiting and now - self.state.heartbeat > STALLED_AFTER


def initial_state(trigger: str, previous: ScheduleState | None) -> ScheduleState:
    """Return the state of a schedule that starts, with the last run of the *previous* one."""
    now = clock.now()
    state = ScheduleState(os.getpid(), now, trigger, now)
    if previous:
        state.began, state.ended = previous.began, previous.ended
        state.exit_code = previous.exit_code
        state.verified, state.compacted = previous.verified, previous.compacted
    return state
