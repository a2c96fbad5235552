"""Read the containers of a source: find a page, and read ahead while pages are read in order."""

import threading
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from operator import attrgetter
from typing import Protocol

from orderpull.errors import CorruptPage, LandingError
from orderpull.landing.container import (
    TAIL_BYTES,
    Container,
    Entry,
    Index,
    checked,
    containers_of,
    decode_index,
    tail_size,
)

AHEAD_BYTES = 8 << 20
"""Bytes that are read at once while pages are read in order."""

CHECK_BYTES = 32 << 20
"""Bytes that are read at once to check a container."""

_KEPT = 2
"""Indexes that are kept in memory."""


class ContainerStore(Protocol):
    """The place of a source's containers."""

    def __str__(self) -> str:
        """Path or URL of the source's landing."""

    def sizes(self) -> Iterable[tuple[str, int]]:
        """Names of the files in the containers' folder, in order, and their sizes in bytes."""

    def read(self, container: Container, start: int, size: int) -> bytes | None:
        """At most *size* bytes from *start* on; the last *size* bytes if *start* is negative.

        :return: None if the container is not there any more.
        """

    def write(
        self,
        container: Container,
        parts: Sequence[bytes],
        is_whole: Callable[["ContainerStore"], bool],
    ) -> None:
        """Store *parts* durably as *container*, and let *is_whole* read it back.

        :raises LandingError: it cannot be stored, or is not whole; it is not there then.
        """

    def delete(self, container: Container) -> None:
        """Delete *container*; one that is missing already is no error."""


class Gone(LandingError):
    """A container was replaced or deleted since it was listed."""


class Containers:
    """The containers of one source. Their names and newest indexes are kept in memory.

    :param store: the place where they are.
    """

    def __init__(self, store: ContainerStore) -> None:
        self._store = store
        self._listed: list[Container] = []
        self._disjoint = True
        self._indexes: dict[Container, Index] = {}
        self._damaged: dict[Container, CorruptPage] = {}
        self._ahead: tuple[Container | None, int, bytes] = None, 0, b""
        self._next: tuple[Container | None, int] = None, 0
        self._lock = threading.RLock()

    def refresh(self) -> list[Container]:
        """List the containers, by their last pages."""
        listed = sorted(
            containers_of(name for name, _ in self._store.sizes()), key=attrgetter("last")
        )
        disjoint = all(a.last < b.first for a, b in pairwise(listed))
        with self._lock:
            self._listed, self._disjoint = listed, disjoint
            self._damaged.clear()
            for gone in set(self._indexes).difference(listed):
                del self._indexes[gone]
        return listed

    def holder(self, page: int) -> Container | None:
        """The container with *page*, as last listed; None: no container has it."""
        listed = self._listed
        if not self._disjoint:  # a kill has left two with the same pages
            holders = (each for each in listed if page in each.pages)
            return max(holders, key=attrgetter("generation"), default=None)
        at = bisect_left(listed, page, key=attrgetter("last"))
        return listed[at] if at < len(listed) and page in listed[at].pages else None

    def entry(self, page: int) -> Entry | None:
        """The entry of *page*; None if no container that was listed has it.

        :raises CorruptPage: the container is damaged.
        """
        with self._lock:
            container = self.holder(page)
            try:
                return self.index(container).at(page)[0] if container else None
            except Gone:
                return None

    def read(self, page: int) -> tuple[bytes, str] | None:
        """The file of *page*, and its container's path or URL; None if no container has it.

        :raises CorruptPage: the page or the container is damaged.
        """
        with self._lock:
            container = self.holder(page)
            try:
                return self._read(container, page) if container else None
            except Gone:
                return None

    def index(self, container: Container) -> Index:
        """The index of *container*. :raises CorruptPage: it is damaged."""
        with self._lock:
            if damage := self._damaged.get(container):
                raise CorruptPage(damage.message, damage.hint)
            if container not in self._indexes:
                try:
                    index = self.load(container)
                except CorruptPage as error:  # read once, not for each of its pages
                    self._damaged[container] = error
                    raise
                while len(self._indexes) >= _KEPT:
                    del self._indexes[next(iter(self._indexes))]
                self._indexes[container] = index
            return self._indexes[container]

    def load(self, container: Container) -> Index:
        """Read the index of *container*. :raises CorruptPage: it is damaged."""
        where = self.where(container)
        tail = self._bytes(container, -1, TAIL_BYTES)
        if (size := tail_size(tail, where)) > len(tail):
            tail = self._bytes(container, -1, size)
        return decode_index(container, tail, where)

    def files(self, container: Container) -> Iterator[tuple[Entry, bytes]]:
        """The pages of *container* with their files, read from the store in few requests.

        :raises CorruptPage: one has changed, or the container is damaged.
        """
        index, where = self.load(container), self.where(container)
        start, window = 0, b""
        for entry, end in zip(index.entries, index.ends, strict=True):
            offset = end - entry.size
            if end > start + len(window):
                size = self._until(index, entry, CHECK_BYTES)
                start, window = offset, self._bytes(container, offset, size)
            yield entry, checked(entry, window[offset - start : end - start], where)

    def where(self, container: Container) -> str:
        """Path or URL of *container*."""
        return f"{self._store}/{container.key}"

    def _read(self, container: Container, page: int) -> tuple[bytes, str]:
        index, where = self.index(container), self.where(container)
        entry, offset = index.at(page)
        held, start, window = self._ahead
        if held != container or not start <= offset <= start + len(window) - entry.size:
            in_order = self._next == (container, offset)
            size = self._until(index, entry, AHEAD_BYTES) if in_order else entry.size
            start, window = offset, self._bytes(container, offset, size)
            self._ahead = container, start, window
        self._next = container, offset + entry.size
        return checked(entry, window[offset - start : offset - start + entry.size], where), where

    def _until(self, index: Index, entry: Entry, most: int) -> int:
        """Bytes of the pages from that of *entry* on: as many as fit into *most*, at least one."""
        at = entry.meta.page - index.container.first
        start = index.ends[at] - entry.size
        last = max(at, bisect_left(index.ends, start + most + 1) - 1)
        return index.ends[last] - start

    def _bytes(self, container: Container, start: int, size: int) -> bytes:
        data = self._store.read(container, start, size)
        if data is None:
            raise Gone(f"{self.where(container)} is not there any more.", "Run again.")
        return data


def unlike(where: str) -> LandingError:
    """The error for a container at *where* that reads back differently."""
    return LandingError(
        f"{where} was written, and reads back differently. The pages stay as they were.",
        "Check the disk or the store; then run again.",
    )


def whole(store: ContainerStore, container: Container, expected: Index | None = None) -> bool:
    """True if each page of *container* reads back as it was stored.

    :param expected: the pages that were to be stored in it; None: those that its index names.
    """
    try:
        read = [entry for entry, _ in Containers(store).files(container)]
    except (CorruptPage, Gone):
        return False
    return expected is None or read == list(expected.entries)
