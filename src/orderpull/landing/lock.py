"""Locks between processes. The operating system frees them when the holder ends or is killed.

The holder writes who it is into the file, and empties the file at the end. A file with a text that
nobody holds was therefore left by a killed process.
"""

import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from orderpull import clock

_TRIES = 5
_SECONDS = 0.05
_LONGEST = 4096


class Holder(Struct, frozen=True):
    """The process that holds, or held, a lock.

    :param pid: its process id; None: unknown.
    :param since: UTC, without zone.
    """

    pid: int | None = None
    host: str = ""
    since: datetime | None = None

    def __str__(self) -> str:
        return f"pid {self.pid or 'unknown'}"


@dataclass(frozen=True, slots=True)
class LockState:
    """The state of a lock.

    :param held: a process holds it. :param holder: who; if it is not held: who was killed.
    """

    held: bool
    holder: Holder | None = None


class LockHeld(Exception):
    """Another process holds the lock."""

    def __init__(self, holder: Holder) -> None:
        super().__init__(str(holder))
        self.holder = holder


@contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Hold the lock file *path*, with this process's name in it.

    :raises LockHeld: another process holds the lock.
    :raises OSError: the file cannot be used.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if not _lock(file):
            raise LockHeld(_read(file) or Holder())
        os.ftruncate(file, 0)
        me = Holder(os.getpid(), socket.gethostname(), clock.now())
        os.pwrite(file, msgspec.json.encode(me), 0)
        try:
            yield
        finally:
            os.ftruncate(file, 0)
    finally:
        os.close(file)


def look_at(path: Path) -> LockState:
    """The state of the lock file *path*. :raises OSError: it cannot be opened."""
    try:
        file = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return LockState(held=False)
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return LockState(held=True, holder=_read(file) or Holder())
    else:
        return LockState(held=False, holder=_read(file))
    finally:
        os.close(file)


def is_locked(path: Path) -> bool:
    """True while a process holds the lock file *path*. :raises OSError: it cannot be opened."""
    return look_at(path).held


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Hold an exclusive lock on *folder* itself, after waiting for the process that has it."""
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)


def _lock(file: int) -> bool:
    """Try to lock *file*; a few tries outlast a process that only runs :func:`is_locked`."""
    for attempt in range(_TRIES):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if attempt + 1 < _TRIES:
                time.sleep(_SECONDS)
        else:
            return True
    return False


def _read(file: int) -> Holder | None:
    """The name in a lock file; None if it is empty or cannot be read."""
    try:
        return msgspec.json.decode(os.pread(file, _LONGEST, 0), type=Holder)
    except msgspec.DecodeError:
        return None
