"""Compaction: put the loaded pages of a source, each in a file of its own, into few containers.

A container is made when its pages have 128 MB, or when their month is over; with ``keep_days``,
when their day is over, so that old pages are deleted by the container. Pages that wait, and the
newest page, stay as they are. Keys of an encrypted landing are not needed.
"""

import logging
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import datetime
from itertools import groupby, islice
from typing import Any

import msgspec
from msgspec import Struct

from orderpull import clock
from orderpull.errors import CorruptPage
from orderpull.failpoints import failpoint
from orderpull.landing.container import FULL_BYTES, Entry
from orderpull.landing.encryption import PLAIN
from orderpull.landing.page import decode, decode_meta
from orderpull.landing.protocol import PageFile, SourceLanding, StoredFile

log = logging.getLogger("orderpull.landing")

NOTE = "compacted.json"

_FEWEST = 2
"""Pages from which a container pays."""


class Compacted(Struct, frozen=True):
    """The last compaction of a source, as a note beside its pages.

    :param at: its end, UTC. :param pages: pages in containers then.
    :param containers: number of the containers.
    """

    at: datetime
    pages: int
    containers: int


@dataclass
class Compaction:
    """The result for one source.

    :param pages: pages that were moved. :param containers: containers that hold them now.
    :param bytes: bytes of those pages. :param damaged: damaged pages, which stay as they are.
    :param waiting: pages that wait to be loaded. :param not_due: loaded pages whose container is
        neither full nor over. :param compacted_before: pages that were in containers before.
    """

    pages: int = 0
    containers: int = 0
    bytes: int = 0
    damaged: list[int] = field(default_factory=list)
    waiting: int = 0
    not_due: int = 0
    compacted_before: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return the object of ``landing compact --json`` for this source."""
        return asdict(self)


class Compactor:
    """Compacts the pages of one source.

    :param loaded: true for the number of a page that is loaded.
    :param daily: a container holds pages of one day alone.
    :param all_pages: compact also pages whose container is neither full nor over.
    """

    def __init__(
        self,
        landing: SourceLanding,
        loaded: Callable[[int], bool],
        *,
        daily: bool = False,
        all_pages: bool = False,
    ) -> None:
        self._landing = landing
        self._loaded = loaded
        self._daily = daily
        self._all = all_pages
        self.result = Compaction()

    def plan(self) -> list[list[StoredFile]]:
        """The files that become a container each, by one listing; days are not known yet."""
        packed = self._landing.stored(packed=True)
        singles = self._landing.stored(packed=False)
        self.result = Compaction(compacted_before=sum(len(file.pages) for file in packed))
        older, newest = singles[:-1], singles[-1:]
        self.result.waiting += sum(not self._loaded(file.pages[0]) for file in newest)
        groups: list[list[StoredFile]] = []
        for run in _runs(self._movable(older, packed)):
            for group in _filled(run):
                is_due = self._all or sum(file.size for file in group) >= FULL_BYTES
                if len(group) >= _FEWEST and (is_due or self._is_over(group[-1])):
                    groups.append(group)
                else:
                    self.result.not_due += len(group)
        return groups

    def run(self) -> Iterator[Compaction]:
        """Compact, and yield after each container.

        :raises LandingBusy: another process rewrites pages of the source.
        :raises LandingError: a container cannot be stored; what was moved before stays moved.
        """
        if not self._landing.identity:
            return  # nothing was ever landed
        with self._landing.rewriting():
            for group in self.plan():
                for entries, files in self._read(group):
                    self._landing.pack(entries, [file.data for file in files])
                    failpoint("container-checked")
                    self._landing.delete_files([file.key for file in files])
                    self.result.pages += len(files)
                    self.result.bytes += sum(len(file.data) for file in files)
                    self.result.containers += 1
                    del entries, files  # before the next ones are read
                    yield self.result
            self._note()

    def _movable(
        self, files: Iterable[StoredFile], packed: Sequence[StoredFile]
    ) -> Iterator[StoredFile | None]:
        """The *files* of loaded pages; None in place of another, which ends a container."""
        firsts = [file.pages[0] for file in packed]
        for file in files:
            page = file.pages[0]
            before = bisect_right(firsts, page) - 1
            is_packed = before >= 0 and page in packed[before].pages
            is_loaded = self._loaded(page)
            self.result.waiting += not is_loaded
            yield file if is_loaded and not is_packed else None

    def _is_over(self, file: StoredFile) -> bool:
        """True if the month of *file* is over; if days count, they are looked at later."""
        return self._daily or file.key[:7] < clock.now().strftime("%Y-%m")

    def _read(self, group: Sequence[StoredFile]) -> Iterator[tuple[list[Entry], list[PageFile]]]:
        """Read the files of *group*; yield them in parts without a damaged or missing page."""
        with ThreadPoolExecutor(self._landing.at_once) as threads:
            read = threads.map(self._landing.page_file, [file.key for file in group])
            pages = [
                (self._entry(stored.pages[0], file), file)
                for stored, file in zip(group, read, strict=True)
            ]
        for (is_good, day), part in groupby(pages, self._kind):
            whole = [(entry, file) for entry, file in part if entry and file]
            if not is_good or (self._daily and day >= f"{clock.now():%Y-%m-%d}" and not self._all):
                self.result.not_due += len(whole)
            elif len(whole) >= _FEWEST:
                yield [entry for entry, _ in whole], [file for _, file in whole]

    def _kind(self, page: tuple[Entry | None, PageFile | None]) -> tuple[bool, str]:
        """True for a page that may be moved, and its day if containers are made by day."""
        entry, _ = page
        return entry is not None, entry.meta.received_at[:10] if entry and self._daily else ""

    def _entry(self, page: int, file: PageFile | None) -> Entry | None:
        """The entry of a *page* that is whole; None if it is damaged or was deleted."""
        if file is None:
            return None
        where = f"{self._landing}/{file.key}"
        try:
            meta, _ = decode_meta(file.data, page, where)
            if meta.encrypted is None:
                decode(file.data, page, where, PLAIN)
        except CorruptPage as error:
            log.warning("source=%s page=%d stays as it is: %s", self._landing.name, page, error)
            self.result.damaged.append(page)
            return None
        return Entry.of(meta, file.data, file.key.partition("/")[0], file.pull)

    def _note(self) -> None:
        """Note beside the pages how many are in containers, unless the last compaction did."""
        files = self._landing.stored(packed=True)
        pages, noted = sum(len(file.pages) for file in files), compacted(self._landing)
        if (noted.pages, noted.containers) != (pages, len(files)) if noted else files:
            failpoint("compaction-ended")
            note = Compacted(clock.now(), pages, len(files))
            self._landing.keep_note(NOTE, msgspec.json.encode(note))


def _runs(files: Iterable[StoredFile | None]) -> Iterator[list[StoredFile]]:
    """Split *files* where a page is missing, at None, and where a month begins."""
    run: list[StoredFile] = []
    for file in files:
        if run and (
            file is None
            or file.pages[0] != run[-1].pages[-1] + 1
            or file.key[:7] != run[-1].key[:7]
        ):
            yield run
            run = []
        if file is not None:
            run.append(file)
    if run:
        yield run


def _filled(run: Sequence[StoredFile]) -> Iterator[list[StoredFile]]:
    """Split *run* into the files of one container each; the last one may not be full."""
    left = iter(run)
    while group := list(islice(left, 1)):
        size = group[0].size
        while size < FULL_BYTES and (file := next(left, None)) is not None:
            group.append(file)
            size += file.size
        yield group


def compacted(landing: SourceLanding) -> Compacted | None:
    """The last compaction of *landing*; None if it was never compacted."""
    return landing.note_as(NOTE, Compacted)
