"""The pages of a source, each in a file of its own or in a container with others.

A folder and a bucket differ in how they read and write a file. How a page is found is here, once
for both; ``moved_pages.py`` moves it.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterable
from itertools import chain
from typing import TypeVar

from orderpull.errors import CorruptPage
from orderpull.landing.container import Container
from orderpull.landing.containers import Containers, ContainerStore
from orderpull.landing.page import PageMeta, decode, file_name, page_numbers
from orderpull.landing.protocol import PlacedPage, SourceLanding, StoredFile

Result = TypeVar("Result")


class StoredPages(SourceLanding):
    """The pages of a source, in files that a subclass reads and writes."""

    def __init__(self, store: ContainerStore) -> None:
        self._store = store
        self._containers = Containers(store)

    # ------------------------------------------------------------------------- finding and reading

    def pages(self, after: int = 0) -> list[int]:
        """Numbers of the landed pages above *after*, ascending."""
        single = self._single_pages(after)
        # The newest page is never in a container: without single pages there is none above *after*,
        # unless somebody deleted it.
        if single == list(range(after + 1, after + 1 + len(single))) and (
            single or not self._has_containers()
        ):
            return single
        packed = (each.pages for each in self._containers.refresh() if each.last > after)
        numbers = {page for page in chain.from_iterable(packed) if page > after}
        return sorted(numbers.union(single)) if numbers else single

    def has(self, page: int) -> bool:
        """True if the landing still holds page number *page*."""
        return self._find(page, lambda _: True, self._has_single) is not None

    def read(self, page: int) -> tuple[PageMeta, bytes]:
        """Metadata and body of page number *page*, after checking the hash."""
        data, where = self._needed(page, self._containers.read, self._single)
        return decode(data, page, where, self.encryption)

    def meta(self, page: int) -> PageMeta:
        """Metadata of page number *page*, without reading its body."""
        return self._needed(page, self._packed_meta, self._single_meta)

    def landed_by(self, page: int) -> str | None:
        """Id of the pull that landed *page*; None if the page is missing."""
        return self._find(page, self._packed_pull, self._single_pull)

    def stored(self, *, packed: bool | None = None) -> list[StoredFile]:
        """The files with landed pages, by the number of the first."""
        files: list[StoredFile] = []
        if packed is not True:
            for key, size in self._single_files():
                (page,) = page_numbers([key.rpartition("/")[2]])
                files.append(StoredFile(key, range(page, page + 1), size))
        if packed is not False:
            for name, size in self._store.sizes():
                if container := Container.of(name):
                    files.append(StoredFile(container.key, container.pages, size, packed=True))
        return sorted(files, key=lambda file: (file.pages[0], file.packed))

    def placed(self, file: StoredFile) -> list[PlacedPage]:
        """The pages in *file*, with offset and size in it."""
        container = Container.of(file.key.rpartition("/")[2]) if file.packed else None
        if container is None:
            return [PlacedPage(self._single_head(file), 0, file.size)]
        index = self._containers.index(container)
        return [
            PlacedPage(entry.meta, end - entry.size, entry.size)
            for entry, end in zip(index.entries, index.ends, strict=True)
        ]

    def where(self, page: int) -> str:
        """Path, relative to the source's landing, of the file with *page*, as last listed."""
        container = self._containers.holder(page)
        return container.key if container else file_name(page)

    # ----------------------------------------------------------------------------------- the parts

    def _find(
        self,
        page: int,
        packed: Callable[[int], Result | None],
        single: Callable[[int], Result | None],
    ) -> Result | None:
        """The result for *page* in a container, or in a file of its own.

        Files are listed again before None: another process may have moved the page meanwhile.
        """
        for list_again in (False, True):
            if list_again and self._has_containers():
                self._containers.refresh()
            if self._containers.holder(page) is not None:
                try:
                    result = packed(page)
                except CorruptPage:  # the same page may still be there in a file of its own
                    result = single(page)
                    if result is None:
                        raise
                if result is not None:
                    return result
            if (result := single(page)) is not None:
                return result
        return None

    def _needed(
        self,
        page: int,
        packed: Callable[[int], Result | None],
        single: Callable[[int], Result | None],
    ) -> Result:
        """The result as by :meth:`_find`. :raises LandingError: *page* is missing."""
        result = self._find(page, packed, single)
        if result is None:
            raise self._missing(page)
        return result

    def _packed_meta(self, page: int) -> PageMeta | None:
        entry = self._containers.entry(page)
        return entry.meta if entry else None

    def _packed_pull(self, page: int) -> str | None:
        entry = self._containers.entry(page)
        return entry.pull if entry else None

    def _single_head(self, file: StoredFile) -> PageMeta:
        return self._needed(file.pages[0], self._packed_meta, self._single_meta)

    def _has_containers(self) -> bool:
        """False if the last listing of the months showed that there is no container."""
        return True

    @abstractmethod
    def _single_pages(self, after: int) -> list[int]:
        """Numbers above *after* of the pages with a file of their own, ascending."""

    @abstractmethod
    def _single_files(self) -> Iterable[tuple[str, int]]:
        """Key and size of each page with a file of its own, in the order of their numbers."""

    @abstractmethod
    def _has_single(self, page: int) -> bool | None:
        """True if *page* has a file of its own, else None."""

    @abstractmethod
    def _single(self, page: int) -> tuple[bytes, str] | None:
        """The file of *page* alone, and its path or URL; None if there is no such file."""

    @abstractmethod
    def _single_meta(self, page: int) -> PageMeta | None:
        """Metadata in the file of *page* alone; None if there is no such file."""

    @abstractmethod
    def _single_pull(self, page: int) -> str | None:
        """Id of the pull that landed *page*; None if it has no file of its own."""

    @abstractmethod
    def _single_key(self, page: int) -> str:
        """Key of the file of *page* alone. :raises LandingError: there is no such file."""
