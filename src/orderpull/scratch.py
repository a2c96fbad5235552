"""Private temporary folders, which the next process can tell from those that a kill has left.

A process holds a lock on each of its folders. A folder without its lock is left over.
"""

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self
from weakref import finalize

_PREFIX = "orderpull-"
_OURS = re.compile(re.escape(_PREFIX) + r"[a-z0-9_]{8}")


class ScratchFolder:
    """A folder for the user alone, deleted by :meth:`close` or at the end of the context.

    :ivar path: its path.
    """

    def __init__(self) -> None:
        while True:
            self.path = Path(tempfile.mkdtemp(prefix=_PREFIX))
            lock = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self.path.exists():  # else another process took it for left over, before the lock
                break
            os.close(lock)
        self.close = finalize(self, _delete, self.path, lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()


def delete_left_over() -> int:
    """Delete the folders that killed processes of this user have left, and count them."""
    deleted = 0
    for path in _left_over():
        with suppress(OSError):
            shutil.rmtree(path)
            deleted += 1
    return deleted


def left_over() -> list[Path]:
    """The folders that killed processes of this user have left."""
    return list(_left_over())


def _left_over() -> Iterator[Path]:
    """Each folder left over, locked while it is yielded."""
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):  # it is in use, or another process deletes it
            if not _OURS.fullmatch(path.name) or path.lstat().st_uid != os.geteuid():
                continue
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield path
            finally:
                os.close(lock)


def _delete(path: Path, lock: int) -> None:
    shutil.rmtree(path, ignore_errors=True)
    os.close(lock)
