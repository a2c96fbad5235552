"""Durable writes to the disk, and its errors as sentences."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from orderpull.errors import LandingError


def write_all(file: int, data: bytes) -> None:
    """Write all of *data* to the open *file*; ``os.write`` may write less in one call."""
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def replace_file(
    path: Path,
    *parts: bytes,
    temporary: Path | None = None,
    mode: int = 0o644,
    reached: Callable[[str], None] = lambda _: None,
) -> None:
    """Write *parts* to *path* atomically and durably; after an error *path* is as it was.

    :param temporary: where they are written first, on the same disk; None: beside *path*.
    :param reached: called with the name of each step that is done; an error in it ends the write.
    :raises OSError: they cannot be written.
    """
    temporary = temporary or path.with_name(f".{path.name}.tmp")
    try:
        file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        try:
            for part in parts:
                write_all(file, part)
                reached("page-half-written")
            os.fsync(file)
        finally:
            os.close(file)
        reached("page-written")
        temporary.rename(path)
    except Exception:
        with suppress(OSError):
            temporary.unlink()
        raise
    reached("page-renamed")
    sync(path.parent)


def sync(path: Path) -> None:
    """Make the bytes of a file durable, or the names in a folder: a file's bytes alone are not."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


@contextmanager
def landing_errors(source: str, folder: Path) -> Iterator[None]:
    """Raise system errors as :class:`LandingError`.

    :param source: name of the source whose landing is in *folder*.
    """
    try:
        yield
    except OSError as error:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        raise LandingError(
            f"The landing of source {source!r} in {folder} cannot be used: "
            f"{error.strerror or error}.",
            "Make room on the disk." if full else "Check the folder and its rights.",
        ) from error
