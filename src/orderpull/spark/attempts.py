"""Attempts: the folders in which replays keep their files until they are committed.

The driver holds a lock on its folder. A folder without its lock is what a killed replay has left.
"""

import fcntl
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from orderpull.errors import ClusterError

WORK = ".orderpull-spark"
"""The usual name of the folder of attempts."""

_NAME = re.compile(r"[0-9a-f]{16}-[0-9a-f]{8}")


@dataclass(frozen=True)
class Orphan:
    """The folder that a killed replay has left. :param size: bytes."""

    path: Path
    files: int
    size: int


@contextmanager
def attempt(work: Path, run: str) -> Iterator[Path]:
    """A new folder in *work* for an attempt of *run*, deleted at the end.

    :raises ClusterError: it cannot be made.
    """
    path = work / f"{run}-{uuid.uuid4().hex[:8]}"
    try:
        path.mkdir(parents=True)
        lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise ClusterError(
            f"The folder {path} for the executors' files cannot be made: {error.strerror}.",
            "Name another one with --work; each machine of the cluster has to see it.",
        ) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(lock)
        _delete_empty(work)


def clean(work: Path) -> list[Orphan]:
    """Delete what killed replays have left in *work*, and return it."""
    orphans = []
    for path in sorted(work.iterdir()) if work.is_dir() else ():
        if not _NAME.fullmatch(path.name) or not path.is_dir():
            continue
        lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # a replay is going on
            continue
        else:
            sizes = [each.stat().st_size for each in path.rglob("*") if each.is_file()]
            shutil.rmtree(path)
            orphans.append(Orphan(path, len(sizes), sum(sizes)))
        finally:
            os.close(lock)
    _delete_empty(work)
    return orphans


def _delete_empty(work: Path) -> None:
    try:
        work.rmdir()
    except OSError:  # another attempt is in it
        return
