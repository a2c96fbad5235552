"""Disks that are full, and folders that may not be written: real ones, where this machine lets us."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def unwritable(folder: Path) -> Iterator[None]:
    """Take the right to write away, for root too."""
    if os.geteuid():
        folder.chmod(0o555)
        yield
        folder.chmod(0o755)
        return
    done = subprocess.run(["chattr", "+i", str(folder)], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"root may write everywhere, and chattr cannot: {done.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", str(folder)], check=True)


@contextmanager
def mounted(folder: Path, *options: str) -> Iterator[Path]:
    """A file system mounted at *folder* for a while."""
    done = subprocess.run(["mount", *options, str(folder)], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"nothing may be mounted here: {done.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        # Lazily: a file still open in it must not keep it mounted where pytest cleans up.
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
