"""Rewrite, move and delete the pages of a source, in files of their own and in containers.

A page is never nowhere: a container is durable and was read back before the files that it replaces
are deleted. After a kill a page may be in two files. Readers count it once, and whoever rewrites
pages next puts that right.
"""

from abc import abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import pairwise
from operator import attrgetter

from orderpull.errors import CorruptPage, LandingError
from orderpull.failpoints import failpoint
from orderpull.landing.container import FOLDER, Container, Entry, Index, pages_of
from orderpull.landing.containers import whole
from orderpull.landing.page import PageMeta, decode_meta, encode
from orderpull.landing.stored_pages import StoredPages

_AT_ONCE = 64
"""Pages that are rewritten at once, at most: their bodies are in memory."""


class MovedPages(StoredPages):
    """The pages of a source, and what changes or moves them."""

    @contextmanager
    def rewriting(self) -> Iterator[None]:
        """Hold the lock for rewriting, moving and deleting pages; settle what a kill left."""
        with self._rewriting_lock():
            self._settle()
            yield

    def rewritten_together(self, numbers: Sequence[int]) -> Iterator[list[int]]:
        """Split page *numbers* into lists that one call of :meth:`rewrite` may take."""
        self._containers.refresh()
        before, together = None, list[int]()
        for number in numbers:
            holder = self._containers.holder(number)
            if together and (holder != before or holder is None or len(together) == _AT_ONCE):
                yield together
                together = []
            together.append(number)
            before = holder
        if together:
            yield together

    def rewrite(self, pages: Sequence[tuple[PageMeta, bytes]]) -> None:
        """Replace landed pages durably by others with the same numbers, each file atomically."""
        packed: dict[Container, dict[int, tuple[PageMeta, bytes]]] = {}
        for meta, body in pages:
            if container := self._containers.holder(meta.page):
                packed.setdefault(container, {})[meta.page] = meta, body
            else:
                self._rewrite_single(meta, body)
        for container, changed in packed.items():
            self._repack(container, container.pages, changed)

    def delete_pages(self, numbers: Sequence[int]) -> None:
        """Delete landed pages; those that are missing already are skipped."""
        gone = set(numbers)
        for container in self._containers.refresh():
            left = [page for page in container.pages if page not in gone]
            if len(left) < container.count:
                self._repack(container, left, {})
        self.delete_files([key for key, _ in self._single_files() if pages_of(key)[0] in gone])

    def drop_old_copies(self, page: int) -> list[str]:
        """Delete earlier contents of *page* that the store keeps; name what cannot be deleted."""
        container = self._containers.holder(page)
        entry = self._containers.entry(page)
        key = entry.key if entry else self._single_key(page)
        left = self._drop_versions(key, lambda each: each == key)
        if container is not None:
            left += self._drop_versions(f"{FOLDER}/", lambda each: page in pages_of(each))
        return left

    def pack(self, entries: Sequence[Entry], files: Iterable[bytes]) -> None:
        """Store *files* as a container, durably; read it back and check each page."""
        self._pack(entries, files, 1)

    def _settle(self) -> None:
        """Delete what a killed process had stored elsewhere already, after comparing it.

        :raises LandingError: a page is there twice, with different contents.
        """
        containers = self._containers.refresh()
        for old, new in pairwise(containers):
            if new.first <= old.last:
                self._settle_two(*sorted((old, new), key=attrgetter("generation")))
        containers = self._containers.refresh()
        double: list[str] = []
        for key, _ in self._single_files() if containers else ():
            (page,) = pages_of(key)
            if self._containers.holder(page) is None:
                continue
            try:
                file, packed = self.page_file(key), self._containers.read(page)
            except CorruptPage:  # the file of its own is the good one
                continue
            if file is not None and packed is not None and file.data != packed[0]:
                raise LandingError(
                    f"Page {page} of source {self.name!r} is there twice, with different contents: "
                    f"in {self}/{key} and in {packed[1]}.",
                    "A landing was restored over another one: move the wrong file away.",
                )
            double.append(key)
        if double:
            self.delete_files(double)

    def _settle_two(self, old: Container, new: Container) -> None:
        """Delete one of two containers with the same pages.

        A *new* one with all pages of the *old* one replaces it. One with some of them was written
        to delete the others, which is to be done again from the start.
        """
        if new.pages == old.pages and whole(self._store, new):
            self._store.delete(old)
        elif old.first <= new.first and new.last <= old.last and whole(self._store, old):
            self._store.delete(new)

    def _repack(
        self,
        container: Container,
        pages: Collection[int],
        changed: Mapping[int, tuple[PageMeta, bytes]],
    ) -> None:
        """Replace *container* by others with those of its *pages*, some of them *changed*."""
        kept: list[tuple[Entry, bytes]] = []
        for entry, data in self._containers.files(container):
            page = entry.meta.page
            if page in pages:
                new = self._changed(entry, *changed[page]) if page in changed else (entry, data)
                kept.append(new)
                if page + 1 not in pages:
                    entries, files = zip(*kept, strict=True)
                    self._pack(entries, files, container.generation + 1)
                    kept = []
        failpoint("container-replaced")
        self._store.delete(container)
        self._containers.refresh()

    def _changed(self, entry: Entry, meta: PageMeta, body: bytes) -> tuple[Entry, bytes]:
        data = b"".join(encode(meta, body, self.encryption))
        written, _ = decode_meta(data, meta.page, str(self))
        return Entry.of(written, data, entry.month, entry.pull), data

    def _pack(self, entries: Sequence[Entry], files: Iterable[bytes], generation: int) -> None:
        container = Container(entries[-1].meta.page, len(entries), generation)
        index = Index(container, entries)
        parts = [*files, index.encode()]
        self._store.write(container, parts, lambda store: whole(store, container, index))

    @abstractmethod
    def _rewriting_lock(self) -> AbstractContextManager[None]:
        """Hold the lock of :meth:`rewriting`."""

    @abstractmethod
    def _rewrite_single(self, meta: PageMeta, body: bytes) -> None:
        """Replace the file of one page atomically and durably."""

    @abstractmethod
    def _drop_versions(self, start: str, is_old: Callable[[str], bool]) -> list[str]:
        """Delete versions that the store keeps of replaced and deleted files.

        :param start: common beginning of their keys. :param is_old: chooses their keys.
        :return: a sentence for each that cannot be deleted.
        """
