"""What this machine keeps for a landing that is elsewhere: answers under way, pages being read.

::

    <cache>/orderpull/machine                            a name for this folder, made up once
    <cache>/orderpull/<landing>/.lock                    held while a process of this machine pulls
    <cache>/orderpull/<landing>/in-flight/<seq>.part     a request sent, its answer as far as it is
    <cache>/orderpull/<landing>/pages-<any>/             pages that a process reads now

``<cache>`` is ``$XDG_CACHE_HOME`` or ``~/.cache``; where that cannot be written, as in AWS Lambda,
it is ``orderpull-<uid>`` in the folder for temporary files. Only the user may look inside.
"""

import fcntl
import os
import shutil
import socket
import tempfile
import uuid
import weakref
from contextlib import suppress
from pathlib import Path

from orderpull.landing.lock import folder_lock

_BOOT = Path("/proc/sys/kernel/random/boot_id")


class LocalCache:
    """The part of it that one landing of one source has.

    :param identity: of that landing.
    :raises OSError: there is no place for it, in any method.
    """

    def __init__(self, identity: str) -> None:
        self.root = _root()
        self.folder = self.root / identity

    @property
    def lock(self) -> Path:
        """The file whose lock tells processes of this machine apart."""
        return self.folder / ".lock"

    @property
    def in_flight(self) -> Path:
        """The folder of requests in flight."""
        return self.folder / "in-flight"

    def prepare(self) -> None:
        """Make the folders."""
        self.in_flight.mkdir(mode=0o700, parents=True, exist_ok=True)

    @property
    def owner(self) -> str:
        """What is the same for all processes that this folder's locks tell apart, and only those.

        A copy of the folder on another machine or in another container is another owner, and so is
        the same one once the machine was started anew.
        """
        file = self.root / "machine"
        with folder_lock(self.root):
            if not file.exists():
                file.write_text(uuid.uuid4().hex, encoding="ascii")
            name = file.read_text(encoding="ascii")
        boot = _BOOT.read_text("ascii").strip() if _BOOT.exists() else socket.gethostname()
        return f"{name}/{boot}/{self.root.stat().st_dev}"


class PageCopies:
    """A folder with the pages that this process reads now; it goes with the process.

    One that was killed leaves it; the next process that makes its own takes that away.
    """

    def __init__(self, cache: LocalCache) -> None:
        cache.prepare()
        with folder_lock(cache.folder):
            for left in cache.folder.glob("pages-*"):
                _remove_if_left(left)
            self.folder = Path(tempfile.mkdtemp(prefix="pages-", dir=cache.folder))
            self._lock = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        weakref.finalize(self, _remove, self.folder, self._lock)

    def path(self, name: str) -> Path:
        """The file for a page, there or not."""
        return self.folder / name

    def clear(self) -> None:
        """Take all pages away."""
        for path in self.folder.iterdir():
            path.unlink()


def _root() -> Path:
    """The first folder that is ours alone and can be written. :raises OSError: there is none."""
    named = os.environ.get("XDG_CACHE_HOME", "")
    places = [Path(named) / "orderpull"] if Path(named).is_absolute() else []
    with suppress(RuntimeError):  # a user without a home
        places.append(Path.home() / ".cache" / "orderpull")
    places.append(Path(tempfile.gettempdir()) / f"orderpull-{os.getuid()}")
    for place in places:
        if _is_ours(place):
            return place
    raise PermissionError(13, "no folder for files under way can be written", str(places[-1]))


def _is_ours(folder: Path) -> bool:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        mine = folder.stat().st_uid == os.geteuid() and not folder.is_symlink()
    except OSError:
        return False
    return mine and os.access(folder, os.W_OK | os.X_OK)


def _remove_if_left(folder: Path) -> None:
    """Remove *folder* unless the process that made it is still there."""
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
    else:
        _remove(folder, file)


def _remove(folder: Path, lock: int) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    os.close(lock)
