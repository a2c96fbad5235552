"""The containers of a source in a folder of this machine."""

import errno
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from orderpull.failpoints import failpoint
from orderpull.landing.container import FOLDER, Container
from orderpull.landing.containers import ContainerStore, unlike
from orderpull.landing.files import landing_errors, replace_file, sync
from orderpull.landing.protocol import IN_FLIGHT

_STEPS = {
    "page-half-written": "container-half-written",
    "page-written": "container-written",
    "page-renamed": "container-stored",
}
"""Fail points of a container, by those of a page."""


class FolderContainers(ContainerStore):
    """The containers below *folder*, which is that of the source's landing.

    :param source: the source's name, for messages.
    """

    def __init__(self, folder: Path, source: str) -> None:
        self._top = folder
        self._folder = folder / FOLDER
        self._source = source

    def __str__(self) -> str:
        return str(self._top)

    def sizes(self) -> list[tuple[str, int]]:
        """Names of the files in the folder, in order, and their sizes in bytes."""
        with landing_errors(self._source, self._top):
            return file_sizes(self._folder)

    def read(self, container: Container, start: int, size: int) -> bytes | None:
        """At most *size* bytes from *start* on; the last *size* bytes if *start* is negative."""
        with landing_errors(self._source, self._top), suppress(FileNotFoundError):
            return _read(self._folder / container.name, start, size)
        return None

    def write(
        self,
        container: Container,
        parts: Sequence[bytes],
        is_whole: Callable[[ContainerStore], bool],
    ) -> None:
        """Store *parts* durably; only what *is_whole* has read back from the disk gets its name."""
        path = self._folder / container.name
        temporary = self._top / IN_FLIGHT / f"{container.name}.tmp"

        def reached(step: str) -> None:
            failpoint(_STEPS[step])
            if step == "page-written" and not is_whole(
                _Written(self._top, self._source, temporary)
            ):
                raise unlike(f"{self}/{container.key}")

        with landing_errors(self._source, self._top):
            if not self._folder.exists():
                self._folder.mkdir()
                sync(self._top)
            if path.exists():
                raise FileExistsError(errno.EEXIST, f"{container.key} is there already")
            replace_file(path, *parts, temporary=temporary, reached=reached)

    def delete(self, container: Container) -> None:
        """Delete *container*; one that is missing already is no error."""
        with landing_errors(self._source, self._top):
            (self._folder / container.name).unlink(missing_ok=True)
            sync(self._folder)


class _Written(FolderContainers):
    """A container that was written to *path* and has not its name yet."""

    def __init__(self, folder: Path, source: str, path: Path) -> None:
        super().__init__(folder, source)
        self._path = path

    def read(self, container: Container, start: int, size: int) -> bytes | None:
        """The bytes as the disk has them, where the system can be asked to forget its copy."""
        del container
        return _read(self._path, start, size, from_disk=True)


def file_sizes(folder: Path) -> list[tuple[str, int]]:
    """Names of the files in *folder*, in order, and their sizes in bytes; [] without folder."""
    sizes: list[tuple[str, int]] = []
    with suppress(FileNotFoundError):
        for entry in os.scandir(folder):
            with suppress(FileNotFoundError):  # it was deleted meanwhile
                sizes.append((entry.name, entry.stat().st_size))
    return sorted(sizes)


def _read(path: Path, start: int, size: int, *, from_disk: bool = False) -> bytes:
    """At most *size* bytes of *path*. Parameters as :meth:`ContainerStore.read`."""
    with path.open("rb") as file:
        if from_disk and hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        end = file.seek(0, os.SEEK_END)
        file.seek(max(0, end - size) if start < 0 else start)
        return file.read(size)
