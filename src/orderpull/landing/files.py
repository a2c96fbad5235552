"""Durable writes to the disk."""

import os
from pathlib import Path


def write_all(file: int, data: bytes) -> None:
    """Write all of *data* to the open *file*; ``os.write`` may write less in one call."""
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def sync_folder(folder: Path) -> None:
    """Make the names in *folder* durable; an fsync of a file does not include its name."""
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
