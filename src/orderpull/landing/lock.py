"""Locks between processes. The operating system frees them when the holder ends or is killed."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_TRIES = 5
_SECONDS = 0.05


class LockHeld(Exception):
    """Another process holds the lock. :param pid: its process id, or "unknown"."""

    def __init__(self, pid: str) -> None:
        super().__init__(pid)
        self.pid = pid


@contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Hold the lock file *path*, with this process's id in it.

    :raises LockHeld: another process holds the lock.
    :raises OSError: the file cannot be used.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if not _lock(file):
            raise LockHeld(os.pread(file, 20, 0).decode(errors="replace").strip() or "unknown")
        os.ftruncate(file, 0)
        os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(file)


def is_locked(path: Path) -> bool:
    """True while a process holds the lock file *path*. :raises OSError: it cannot be opened."""
    try:
        file = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


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
