"""Local files of a landing in a bucket: responses in flight.

::

    <cache>/orderpull/machine                            random name of this folder
    <cache>/orderpull/<landing>/.lock                    held while a process of this machine pulls
    <cache>/orderpull/<landing>/in-flight/<seq>.part     a request sent, its response so far

``<cache>`` is ``$XDG_CACHE_HOME`` or ``~/.cache``. If that cannot be written, as in AWS Lambda, the
root is ``orderpull-<uid>`` in the folder for temporary files. Only the user can read the folder.
"""

import os
import socket
import tempfile
import uuid
from contextlib import suppress
from pathlib import Path

from orderpull.landing.lock import folder_lock

_BOOT = Path("/proc/sys/kernel/random/boot_id")


class LocalCache:
    """The local cache folder of one source's landing.

    :param identity: id of the landing.
    :raises OSError: no folder can be written.
    """

    def __init__(self, identity: str) -> None:
        self.root = _root()
        self.folder = self.root / identity
        self.lock = self.folder / ".lock"
        self.in_flight = self.folder / "in-flight"

    def prepare(self) -> None:
        """Create the folders."""
        self.in_flight.mkdir(mode=0o700, parents=True, exist_ok=True)

    @property
    def owner(self) -> str:
        """Id shared by exactly those processes that see each other's locks in this folder.

        A copy of the folder on another machine or container has another id, because the id includes
        boot and device. After a reboot the id changes, too.
        """
        file = self.root / "machine"
        with folder_lock(self.root):
            if not file.exists():
                file.write_text(uuid.uuid4().hex, encoding="ascii")
            name = file.read_text(encoding="ascii")
        boot = _BOOT.read_text("ascii").strip() if _BOOT.exists() else socket.gethostname()
        return f"{name}/{boot}/{self.root.stat().st_dev}"


def _root() -> Path:
    """The first folder that this user owns and can write.

    :raises OSError: no folder qualifies.
    """
    cache_home = os.environ.get("XDG_CACHE_HOME", "")
    folders = [Path(cache_home) / "orderpull"] if Path(cache_home).is_absolute() else []
    with suppress(RuntimeError):  # the user has no home folder
        folders.append(Path.home() / ".cache" / "orderpull")
    folders.append(Path(tempfile.gettempdir()) / f"orderpull-{os.getuid()}")
    for folder in folders:
        if _is_ours(folder):
            return folder
    raise PermissionError(13, "no folder for files under way can be written", str(folders[-1]))


def _is_ours(folder: Path) -> bool:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        mine = folder.stat().st_uid == os.geteuid() and not folder.is_symlink()
    except OSError:
        return False
    return mine and os.access(folder, os.W_OK | os.X_OK)
