"""A file of lines for DuckDB to read, in memory if the system has such files."""

import os
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from orderpull.scratch import ScratchFolder

_LEAST = 1 << 20
_OPEN_FILES = "/proc/self/fd"


class LineFile:
    """A file of lines, deleted at the end of the context. A kill leaves none that is in memory.

    :ivar path: its path.
    :ivar longest: an upper bound of the bytes in a line; 0 without lines.
    """

    def __init__(self) -> None:
        self.longest = 0
        self._closing = ExitStack()
        if hasattr(os, "memfd_create") and Path(_OPEN_FILES).is_dir():
            number = os.memfd_create("lines")
            self.path = f"{_OPEN_FILES}/{number}"
        else:
            folder = self._closing.enter_context(ScratchFolder())
            self.path = str(folder.path / "lines.ndjson")
            number = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600)
        self._file = os.fdopen(number, "wb")
        self._closing.callback(self._file.close)

    def __enter__(self) -> Self:
        return self

    def write(self, lines: bytes) -> None:
        """Add *lines*."""
        if lines:
            self._file.write(lines)
            self._file.flush()
            self.longest = max(self.longest, len(lines), _LEAST)

    def __exit__(self, *_: object) -> None:
        """Delete the file."""
        self._closing.close()
