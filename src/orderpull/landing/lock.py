"""Locks between processes: they end with the process that holds them, however it ends."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_TRIES = 5
_SECONDS = 0.05


class LockHeld(Exception):
    """Another process holds the lock. :param pid: its process id, as far as it is known."""

    def __init__(self, pid: str) -> None:
        super().__init__(pid)
        self.pid = pid


@contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Hold the lock *path*, and write this process's id into it.

    :raises LockHeld: another process holds it.
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
    """Whether a process holds the lock *path* now. :raises OSError: that cannot be told."""
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
    """Be the only process in here, waiting for another to leave; *folder* itself is the lock."""
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)


def _lock(file: int) -> bool:
    """Whether this process got the lock; one who only looks at it is waited for."""
    for tried in range(_TRIES):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if tried + 1 < _TRIES:
                time.sleep(_SECONDS)
        else:
            return True
    return False
