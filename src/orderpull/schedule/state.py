"""What a schedule keeps on the disk: a lock, so that there is one, and a note on how it does.

::

    <folder>/schedule.lock     held while a schedule runs
    <folder>/schedule.json     how it does; written anew every half minute

``<folder>`` is ``schedule.folder`` of the settings, ``.orderpull`` beside them.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from orderpull import clock
from orderpull.errors import ScheduleBusy, ScheduleError
from orderpull.landing.lock import Held, held, is_held
from orderpull.settings import Settings

LOCK, NOTE = "schedule.lock", "schedule.json"
BEAT_SECONDS = 30.0
SILENT = timedelta(minutes=3)
"""A schedule that waits and has written nothing for so long does not run any more."""


class Note(Struct):
    """How a schedule does. Times are UTC, without zone.

    :ivar since: when it was started.
    :ivar rhythm: how often it runs, in words.
    :ivar beat: when this was written.
    :ivar next: when the next run begins; None while one goes on.
    :ivar began: when the last run began. :ivar ended: when it ended; None while it goes on.
    :ivar exit_code: of the last run that ended.
    """

    pid: int
    since: datetime
    rhythm: str
    beat: datetime
    next: datetime | None = None
    began: datetime | None = None
    ended: datetime | None = None
    exit_code: int | None = None


class Desk:
    """The folder where a schedule keeps lock and note."""

    def __init__(self, settings: Settings) -> None:
        self.folder = settings.folder / settings.schedule.folder

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Be the only schedule of these settings on this machine.

        :raises ScheduleBusy: there is another one.
        :raises ScheduleError: the folder cannot be written.
        """
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with held(self.folder / LOCK):
                yield
        except Held as holder:
            raise ScheduleBusy(
                f"Another schedule (pid {holder.pid}) runs with these settings.",
                "Let that one run, or end it first.",
            ) from None
        except OSError as error:
            raise ScheduleError(
                f"The schedule's folder {self.folder} cannot be used: {error.strerror or error}.",
                "Give it the right to write there, or set folder in [schedule].",
            ) from None

    def read(self) -> Note | None:
        """The last note; None if there is none that can be read."""
        try:
            return msgspec.json.decode((self.folder / NOTE).read_bytes(), type=Note)
        except (OSError, msgspec.DecodeError):
            return None

    def write(self, note: Note) -> None:
        """Put *note* in the place of the last one. What goes wrong is logged: runs matter more."""
        note.beat = clock.now()
        temporary = self.folder / f"{NOTE}.tmp"
        try:
            temporary.write_bytes(msgspec.json.encode(note))
            temporary.replace(self.folder / NOTE)
        except OSError as error:
            logging.getLogger("orderpull.schedule").warning(
                "the schedule's note cannot be written: %s", error.strerror
            )

    def standing(self) -> "Standing | None":
        """How the schedule does now; None if there never was one."""
        note = self.read()
        if note is None:
            return None
        try:
            return Standing(is_held(self.folder / LOCK), note)
        except OSError:
            return Standing(running=False, note=note)


class Standing(Struct, frozen=True):
    """A schedule as others see it. :param running: whether its process is there."""

    running: bool
    note: Note

    def as_json(self) -> dict[str, Any]:
        """As ``status --json`` shows it."""
        note = self.note
        return {
            "running": self.running,
            "pid": note.pid if self.running else None,
            "since": note.since if self.running else None,
            "rhythm": note.rhythm,
            "last_began": note.began,
            "last_ended": note.ended,
            "last_exit_code": note.exit_code,
            "next": note.next if self.running else None,
            "heard_of": note.beat,
        }

    def silent(self, now: datetime) -> bool:
        """Whether it is there, waits, and yet has said nothing for too long."""
        pulling = self.note.next is None
        return self.running and not pulling and now - self.note.beat > SILENT


def fresh(rhythm: str, before: Note | None) -> Note:
    """The note of a schedule that begins. :param before: that of the one before it."""
    now = clock.now()
    note = Note(os.getpid(), now, rhythm, now)
    if before:
        note.began, note.ended, note.exit_code = before.began, before.ended, before.exit_code
    return note


def folder_of(settings: Settings) -> Path:
    """Where a schedule of these settings keeps what it has to remember."""
    return Desk(settings).folder
