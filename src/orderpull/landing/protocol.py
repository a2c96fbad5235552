"""What a landing is to the rest of the program, wherever its pages are kept."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

import msgspec

from orderpull.errors import CorruptPage, LandingError
from orderpull.landing.inflight import InFlightRequest
from orderpull.landing.page import PageMeta, restore_hint

IDENTITY, CURSOR, LOADED = "landing.json", "cursor.json", "loaded.json"
"""The notes that lie beside a source's pages."""


class Landing(Protocol):
    """All sources' pages at one place."""

    def __str__(self) -> str: ...

    def source(self, name: str) -> "SourceLanding":
        """The part of the landing that one source has."""
        ...

    def check(self, name: str) -> None:
        """Prove that a page of source *name* could be kept now.

        :raises LandingError: it could not; the message says why.
        """
        ...


class SourceLanding(Protocol):
    """One source's pages. Every method raises :class:`LandingError` where the place fails it.

    :param name: the source's name.
    """

    name: str

    def __str__(self) -> str:
        """Where it is, for a person."""
        ...

    def prepare(self) -> None:
        """Make what is missing, and prove that pages can be kept durably.

        :raises LandingError: they cannot.
        """
        ...

    def pulling(self) -> AbstractContextManager[None]:
        """Be the only process that pulls this source.

        :raises LandingBusy: another process is.
        """
        ...

    def being_pulled(self) -> bool:
        """Whether a process is pulling this source now."""
        ...

    def pages(self, after: int = 0) -> list[int]:
        """Numbers of the landed pages above *after*, ascending."""
        ...

    def next_page(self, at_least: int = 1) -> int:
        """The number that the next page gets: one above the newest, never from the clock."""
        ...

    def local_copy(self, page: int) -> Path:
        """A file with landed page number *page*, until :meth:`release`.

        :raises LandingError: the page is not there.
        """
        ...

    def release(self) -> None:
        """The files that :meth:`local_copy` gave are needed no more."""
        ...

    def has(self, page: int) -> bool:
        """Whether landed page number *page* is still here."""
        ...

    def read(self, page: int) -> tuple[PageMeta, bytes]:
        """Metadata and body of page number *page*, its hash checked.

        :raises CorruptPage: its bytes are not those that were landed.
        """
        ...

    def meta(self, page: int) -> PageMeta:
        """Metadata of page number *page*, its body unread. :raises CorruptPage: it is another's."""
        ...

    def begin_request(self, page: int, request: str, reserve: int = 0) -> InFlightRequest:
        """Note that *request* is about to be sent, to become *page*.

        :param reserve: bytes that the answer may need; they are taken from the disk now.
        :raises LandingError: it could not be noted durably, or they are not there.
        """
        ...

    def requests_in_flight(self) -> list[InFlightRequest]:
        """What a kill left behind: requests whose answer did not become a page."""
        ...

    def land(self, meta: PageMeta, body: bytes) -> None:
        """Keep a page. When this returns, its bytes are durable.

        :raises LandingError: they are not, or not under the number in *meta*.
        """
        ...

    def note(self, name: str) -> bytes | None:
        """What was kept under *name* beside the pages; None if nothing was."""
        ...

    def keep_note(self, name: str, data: bytes) -> None:
        """Keep *data* under *name*, wholly or not at all, and durably."""
        ...

    @property
    def identity(self) -> str:
        """What tells this landing from every other; '' before :meth:`prepare`.

        :raises LandingError: it cannot be read.
        """
        data = self.note(IDENTITY)
        if data is None:
            return ""
        try:
            return str(msgspec.json.decode(data)["id"])
        except (msgspec.DecodeError, KeyError, TypeError):
            raise self._unreadable(IDENTITY) from None

    def verified_cursor(self) -> tuple[int, str | None]:
        """The newest verified cursor, and the page after which it was reached.

        :raises LandingError: it cannot be read.
        """
        data = self.note(CURSOR)
        if data is None:
            return 0, None
        try:
            kept = msgspec.json.decode(data)
            return int(kept["page"]), str(kept["cursor"])
        except (msgspec.DecodeError, KeyError, TypeError, ValueError):
            raise self._unreadable(CURSOR) from None

    def keep_cursor(self, cursor: str, page: int) -> None:
        """Keep *cursor*, reached once *page* was landed and its window verified."""
        self.keep_note(CURSOR, msgspec.json.encode({"page": page, "cursor": cursor}))

    def newest_cursor(self, loaded: str | None, loaded_through: int) -> str | None:
        """How far the API has been read: the newest landed word on it, else the ledger's.

        :param loaded: the ledger's cursor, which knows all pages up to *loaded_through*.
        """
        verified_at, verified = self.verified_cursor()
        for page in reversed(self.pages(after=max(verified_at, loaded_through))):
            cursor = self.meta(page).cursor_after
            if cursor is not None:
                return cursor
        return verified if verified is not None and verified_at >= loaded_through else loaded

    def _unreadable(self, name: str) -> LandingError:
        where = f"{self}/{name}"
        return LandingError(f"{where} cannot be read.", restore_hint(where))


def check_number(meta: PageMeta, page: int, where: str) -> PageMeta:
    """*meta*, if it is that of *page*: a file that was copied over another is found out.

    :raises CorruptPage: it is another's; *where* names the file.
    """
    if meta.page != page:
        raise CorruptPage(f"{where} is page {meta.page}, not page {page}.", restore_hint(where))
    return meta
