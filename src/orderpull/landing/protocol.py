"""The interface of a landing, and the parts that its implementations share."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

import msgspec

from orderpull.errors import InvalidNote, LandingBusy, LandingError
from orderpull.landing.container import Entry
from orderpull.landing.encryption import Encryption
from orderpull.landing.inflight import InFlightRequest
from orderpull.landing.lock import LockState
from orderpull.landing.page import PageMeta, restore_hint

IDENTITY, CURSOR, LOADED = "landing.json", "cursor.json", "loaded.json"
"""Names of the notes beside a source's pages."""

LOCK, IN_FLIGHT = ".lock", "in-flight"
"""Names of the lock, and of the folder for requests whose response is no page yet."""

REWRITING = ".rewriting"
"""Name of the lock of the process that rewrites, moves or deletes landed pages."""

RECENT_MONTHS = 2

Content = TypeVar("Content")
"""The content of a note."""

ONE_PULLER = "Let it finish; one puller at a time keeps orders whole."
"""Hint for a source that another process pulls."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file or object with landed pages.

    :param key: its path, relative to the source's landing. :param pages: their numbers.
    :param size: bytes. :param packed: it is a container, with an index.
    """

    key: str
    pages: range
    size: int
    packed: bool = False


@dataclass(frozen=True, slots=True)
class PageFile:
    """The file of one page.

    :param key: its path, relative to the source's landing.
    :param pull: id of the pull that landed it; '' in a folder.
    """

    key: str
    data: bytes
    pull: str = ""


@dataclass(frozen=True, slots=True)
class PlacedPage:
    """A page in a :class:`StoredFile`.

    :param offset: of its first byte. :param size: bytes.
    """

    meta: PageMeta
    offset: int
    size: int


class Landing(Protocol):
    """The pages of all sources, in one folder or bucket.

    :param encryption: how their bodies are encrypted.
    """

    encryption: Encryption

    def __str__(self) -> str: ...

    def source(self, name: str) -> "SourceLanding":
        """The landing of one source."""

    def names(self) -> list[str]:
        """Names of the files and folders directly below; a folder's ends with ``/``."""

    def clock(self) -> datetime | None:
        """The time (UTC) by the store's own clock; None: the store uses this machine's."""

    def check(self, name: str) -> None:
        """Prove that a page of source *name* could be stored now.

        :raises LandingError: it could not; the message says why.
        """


class SourceLanding(Protocol):
    """The pages of one source.

    Every method raises :class:`LandingError` if the folder or bucket cannot be used.

    :param name: the source's name.
    :param encryption: how the bodies are encrypted.
    :param at_once: number of files that are best read at once.
    """

    name: str
    encryption: Encryption
    at_once: int = 1

    def __str__(self) -> str:
        """The folder or URL, for messages."""

    def prepare(self) -> None:
        """Create the folders and the identity, and prove that pages can be stored durably."""

    def pulling(self) -> AbstractContextManager[None]:
        """Hold the lock of this source, so that no other process pulls it.

        :raises LandingBusy: another process holds the lock.
        """

    def rewriting(self) -> AbstractContextManager[None]:
        """Hold the lock for rewriting, moving and deleting landed pages; settle what a kill left.

        :raises LandingBusy: another process holds the lock.
        :raises LandingError: a page is there twice, with different contents.
        """

    def lock_state(self) -> LockState:
        """The process that pulls this source now, or was killed while pulling it."""

    def being_pulled(self) -> bool:
        """True while a process pulls this source."""
        return self.lock_state().held

    def names(self, *, recent: bool = False) -> Iterator[str]:
        """Paths of all files, relative to the folder or prefix.

        :param recent: of the months with pages, only the newest :data:`RECENT_MONTHS`.
        """

    def pages(self, after: int = 0) -> list[int]:
        """Numbers of the landed pages above *after*, ascending."""

    def stored(self, *, packed: bool | None = None) -> list[StoredFile]:
        """The files with landed pages, by the number of the first: a few requests for thousands.

        After a kill a page may be in two of them.

        :param packed: containers alone, or pages with a file of their own alone; None: both.
        """

    def placed(self, file: StoredFile) -> list[PlacedPage]:
        """The pages in *file*, with offset and size in it, by one or two requests.

        :raises CorruptPage: the file is damaged.
        """

    def next_page(self, at_least: int = 1) -> int:
        """The number of the next page: one above the newest, and *at_least* or more."""
        newer = self.pages(after=at_least - 1)
        return newer[-1] + 1 if newer else at_least

    def where(self, page: int) -> str:
        """Path, relative to the source's landing, of the file with *page*, as last listed."""

    def has(self, page: int) -> bool:
        """True if the landing still holds page number *page*."""

    def read(self, page: int) -> tuple[PageMeta, bytes]:
        """Metadata and body of page number *page*, after checking the hash.

        :raises CorruptPage: the file has changed since it was landed.
        :raises KeyMissing: it is encrypted, and this machine has no key for it.
        """

    def meta(self, page: int) -> PageMeta:
        """Metadata of page number *page*, without reading its body.

        :raises CorruptPage: the file belongs to another page.
        """

    def begin_request(self, page: int, request: str, reserve: int = 0) -> InFlightRequest:
        """Record durably that *request* is about to be sent; its response becomes *page*.

        :param reserve: bytes of disk space to allocate now for the response.
        :raises LandingError: the record or the space could not be written.
        """

    def requests_in_flight(self) -> list[InFlightRequest]:
        """Requests of a killed process whose responses did not become pages."""

    def land(self, meta: PageMeta, body: bytes) -> None:
        """Store a page durably.

        :raises LandingError: the page is not stored, or has another number than in *meta*.
        """

    def note(self, name: str) -> bytes | None:
        """Content of the note *name* beside the pages; None if the note is missing."""

    def note_as(self, name: str, kind: type[Content]) -> Content | None:
        """The note *name* as *kind*; None if it is missing or invalid."""
        try:
            return self.needed_note(name, kind)
        except InvalidNote:
            return None

    def needed_note(self, name: str, kind: type[Content]) -> Content | None:
        """The note *name* as *kind*; None if it is missing. :raises InvalidNote: it is invalid."""
        data = self.note(name)
        try:
            return None if data is None else msgspec.json.decode(data, type=kind)
        except msgspec.DecodeError:
            raise self._unreadable(name) from None

    def keep_note(self, name: str, data: bytes) -> None:
        """Write the note *name* atomically and durably."""

    def keep_first(self, name: str, data: bytes) -> bytes:
        """Write the note *name* unless it exists; return what it holds then."""

    def rewritten_together(self, numbers: Sequence[int]) -> Iterator[list[int]]:
        """Split page *numbers* into lists that one call of :meth:`rewrite` may take."""

    def rewrite(self, pages: Sequence[tuple[PageMeta, bytes]]) -> None:
        """Replace landed pages durably by others with the same numbers, each file atomically.

        The caller holds :meth:`rewriting`, here and for :meth:`delete_pages`.
        """

    def delete_pages(self, numbers: Sequence[int]) -> None:
        """Delete landed pages; those that are missing already are skipped."""

    def page_file(self, key: str) -> PageFile | None:
        """The file of a page at *key*; None if it is not there."""

    def delete_files(self, keys: Sequence[str]) -> None:
        """Delete the files of pages at *keys*; those that are missing already are skipped."""

    def pack(self, entries: Sequence[Entry], files: Iterable[bytes]) -> None:
        """Store *files* as a container, durably; read it back and check each page.

        :param entries: of the pages with the *files*, ascending without a gap.
        :raises LandingError: it cannot be stored, or reads back differently.
        """

    def drop_old_copies(self, page: int) -> list[str]:
        """Delete earlier contents of *page* that the store keeps; name what cannot be deleted."""

    def unsearched(self) -> list[str]:
        """Name what the store keeps of deleted pages, which nobody can search."""

    def drop_unfinished(self) -> int:
        """Delete files whose writing a kill broke off, and count them. The caller pulls."""

    @property
    def identity(self) -> str:
        """Unique id of this landing; '' before :meth:`prepare`."""
        data = self.note(IDENTITY)
        if data is None:
            return ""
        try:
            return str(msgspec.json.decode(data)["id"])
        except (msgspec.DecodeError, KeyError, TypeError):
            raise self._unreadable(IDENTITY) from None

    def verified_cursor(self) -> tuple[int, str | None]:
        """The newest verified cursor, after the number of the page that reached it."""
        data = self.note(CURSOR)
        if data is None:
            return 0, None
        try:
            note = msgspec.json.decode(data)
            return int(note["page"]), str(note["cursor"])
        except (msgspec.DecodeError, KeyError, TypeError, ValueError):
            raise self._unreadable(CURSOR) from None

    def keep_cursor(self, cursor: str, page: int) -> None:
        """Save *cursor*, reached when *page* was landed and its window verified."""
        self.keep_note(CURSOR, msgspec.json.encode({"page": page, "cursor": cursor}))

    def newest_cursor(self, loaded: str | None, loaded_through: int) -> str | None:
        """The position up to which the API was read: the newest landed cursor, else *loaded*.

        :param loaded: the ledger's cursor, which covers all pages up to *loaded_through*.
        """
        verified_at, verified = self.verified_cursor()
        for page in reversed(self.pages(after=max(verified_at, loaded_through))):
            cursor = self.meta(page).cursor_after
            if cursor is not None:
                return cursor
        return verified if verified is not None and verified_at >= loaded_through else loaded

    def _unreadable(self, name: str) -> InvalidNote:
        where = f"{self}/{name}"
        return InvalidNote(f"{where} cannot be read.", restore_hint(where))

    def _missing(self, page: int) -> LandingError:
        return LandingError(
            f"Page {page} of source {self.name!r} is not in {self}.",
            "Restore it from a backup of the landing.",
        )


def busy(holder: str, source: str, landing: object, lock: str = LOCK) -> LandingBusy:
    """The error for a *source* of *landing* of which another process, *holder*, has the *lock*."""
    if lock == REWRITING:
        return LandingBusy(
            f"Another orderpull ({holder}) is rewriting landed pages of source {source!r} in "
            f"{landing}: it compacts them, forgets a person, or deletes old ones.",
            "Let it finish, then run this again.",
        )
    return LandingBusy(
        f"Another orderpull ({holder}) is pulling source {source!r} into {landing}.", ONE_PULLER
    )
