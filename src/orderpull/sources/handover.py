"""Hand decoded pages from the pull over to the loader of the same process, in memory.

A page is handed over after it is durable. What does not fit, or was not decoded, is read from the
landing, so that nothing depends on the hand-over.
"""

import io
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import BinaryIO

from orderpull.sources.compact import CompactDecoder, CompactPage
from orderpull.sources.spec.api import Api

LIMIT = 72 << 20
"""Most bytes that wait for the loader, lines and texts of odd orders: about those of a batch."""

SEGMENT = 4 << 20
"""Bytes of lines after which another file is begun."""

PATIENCE = 30.0
"""Seconds that a pull waits, at most, for a loader that is behind."""


class Handover:
    """Decoded pages of all sources that wait for the loader.

    Their lines are in files in memory, if the system has such files, so that the heap does not grow
    and shrink by them.

    :param limit: most bytes. A page beyond it waits while the loader is at work: that costs less
        than to decode it again. Else it is left out, because the loader takes older pages first.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = self._left = limit
        self._loading = False
        self._pages: dict[tuple[str, int], tuple[Api, CompactPage, _Segment, int, int]] = {}
        self._segment: _Segment | None = None
        self._changed = threading.Condition()

    def put(self, source: str, page: int, api: Api, compact: CompactPage) -> None:
        """Hand over a landed page, decoded by the mapping of *api*."""
        size = _size(compact)
        with self._changed:
            if size <= self._limit:
                self._changed.wait_for(lambda: size <= self._left or not self._loading, PATIENCE)
            if size <= self._left:
                self._left -= size
                if self._segment is None or self._segment.size >= SEGMENT:
                    self._segment = _Segment()
                at = self._segment.add(compact.lines)
                rest = replace(compact, lines=b"")
                self._pages[source, page] = api, rest, self._segment, at, len(compact.lines)

    def take(self, source: str, page: int, api: Api) -> CompactPage | None:
        """Take a page out; None if it is not here, or was decoded by another *api*."""
        with self._changed:
            if (source, page) not in self._pages:
                return None
            decoded_by, rest, segment, at, length = self._pages.pop((source, page))
            compact = replace(rest, lines=segment.take(at, length))
            if segment is self._segment and not segment.pages:
                self._segment = None
            self._left += _size(compact)
            self._changed.notify_all()
        return compact if decoded_by is api else None

    def close(self) -> None:
        """Forget all pages."""
        for source, page in list(self._pages):
            self.take(source, page, self._pages[source, page][0])

    @contextmanager
    def loading(self) -> Iterator[None]:
        """Tell, within the context, that the loader takes pages out."""
        self._tell(loading=True)
        try:
            yield
        finally:
            self._tell(loading=False)

    def _tell(self, *, loading: bool) -> None:
        with self._changed:
            self._loading = loading
            self._changed.notify_all()


def _size(compact: CompactPage) -> int:
    return len(compact.lines) + sum(map(len, compact.odd.values()))


def _file() -> BinaryIO:
    """A file in memory, outside of the heap if the system has such files."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("pages"), "w+b")
    return io.BytesIO()


@dataclass(eq=False, slots=True)
class _Segment:
    """A file with the lines of several pages, closed once the last of them is taken.

    :ivar pages: number of pages in it.
    """

    size: int = 0
    pages: int = 0
    file: BinaryIO = field(default_factory=_file)

    def add(self, lines: bytes) -> int:
        """Add the *lines* of a page; return their offset."""
        at = self.size
        self.file.seek(at)
        self.file.write(lines)
        self.size += len(lines)
        self.pages += 1
        return at

    def take(self, at: int, size: int) -> bytes:
        """The lines of a page."""
        self.file.seek(at)
        lines = self.file.read(size)
        self.pages -= 1
        if not self.pages:
            self.file.close()
        return lines


def pull_decoder(api: Api, extra: list[str]) -> CompactDecoder | None:
    """The decoder of an API's pages for the pull; None if its pages are not landed as they come.

    :param extra: further paths to decode.
    """
    if api.functions.page is not None or api.children:
        return None
    try:
        return CompactDecoder(api, extra)
    except ValueError:
        return None
