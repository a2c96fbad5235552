"""A file of lines for DuckDB to read, in memory if the system has such files."""

import os
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Self

_LEAST = 1 << 20


class LineFile:
    """A file of lines, deleted at the end of the context. A kill leaves none that is in memory.

    :ivar path: its path.
    :ivar longest: an upper bound of the bytes in a line; 0 without lines.
    """

    def __init__(self) -> None:
        self.longest = 0
        self._closing = ExitStack()
        if hasattr(os, "memfd_create"):
            self._file = os.fdopen(os.memfd_create("lines"), "wb")
            self.path = f"/proc/self/fd/{self._file.fileno()}"
        if not hasattr(os, "memfd_create") or not Path(self.path).exists():
            number, self.path = tempfile.mkstemp(prefix="orderpull-", suffix=".ndjson")
            self._closing.callback(Path(self.path).unlink)
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
