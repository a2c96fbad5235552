"""Bytes to the disk: all of them, and durable."""

import os
from pathlib import Path


def write_all(file: int, data: bytes) -> None:
    """Write *data* to the open *file*: one write may take less than it is given."""
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def sync_folder(folder: Path) -> None:
    """Make the names in *folder* durable: a file's own fsync says nothing of its name."""
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
