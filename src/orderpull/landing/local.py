"""A landing in a folder of this machine.

::

    <landing>/<source>/landing.json              the landing's identity
    <landing>/<source>/cursor.json               how far a verified window reached
    <landing>/<source>/loaded.json               a note of what the ledger last said
    <landing>/<source>/read.json                 a note of what the last pull came to
    <landing>/<source>/token                     tokens that outlive a run, encrypted
    <landing>/<source>/.lock                     held while a process pulls
    <landing>/<source>/in-flight/<seq>.part      a request sent, its answer not yet a page
    <landing>/<source>/in-flight/*.tmp           a file being written
    <landing>/<source>/<yyyy-mm>/<seq>.json.zst  a page

Every write goes to a temporary name, is fsynced, renamed, and its folder is fsynced, before the
next step: a file under its final name is whole, whatever happens to process or machine.
"""

import errno
import os
import re
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import msgspec

from orderpull import clock
from orderpull.errors import LandingBusy, LandingError
from orderpull.failpoints import failpoint
from orderpull.landing import protocol
from orderpull.landing.files import sync_folder, write_all
from orderpull.landing.inflight import InFlightRequest, read_requests
from orderpull.landing.lock import LockHeld, file_lock, folder_lock, is_locked
from orderpull.landing.page import SUFFIX, PageMeta, decode, decode_meta, encode
from orderpull.landing.protocol import IDENTITY, check_number

_MONTH = re.compile(r"\d{4}-\d{2}")
_PAGE = re.compile(r"(\d{12})" + re.escape(SUFFIX))
_META_BYTES = 65_536


class LocalLanding(protocol.Landing):
    """All sources' pages below one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __str__(self) -> str:
        return str(self.folder)

    def source(self, name: str) -> "LocalSourceLanding":
        """The part of the landing that one source has."""
        return LocalSourceLanding(self.folder / name, name)

    def check(self, name: str) -> None:
        """Prove that a page of source *name* could be kept now.

        :raises LandingError: it could not; the message says why.
        """
        self.source(name).prepare()


class LocalSourceLanding(protocol.SourceLanding):
    """One source's pages."""

    def __init__(self, folder: Path, source: str) -> None:
        self.folder = folder
        self.name = source

    def __str__(self) -> str:
        return str(self.folder)

    def prepare(self) -> None:
        """Make the folders, and prove that they can be written durably.

        :raises LandingError: they cannot.
        """
        with self._translated_errors():
            self._in_flight.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self._in_flight, buffering=0) as probe:
                probe.write(b"orderpull was here\n")
                os.fsync(probe.fileno())
            with folder_lock(self.folder):
                if not (self.folder / IDENTITY).exists():
                    identity = msgspec.json.encode({"id": uuid.uuid4().hex})
                    self._replace(self.folder / IDENTITY, identity)

    @contextmanager
    def pulling(self) -> Iterator[None]:
        """Be the only process that pulls this source.

        :raises LandingBusy: another process is.
        """
        with ExitStack() as stack:
            with self._translated_errors():
                try:
                    stack.enter_context(file_lock(self.folder / ".lock"))
                except LockHeld as holder:
                    raise LandingBusy(
                        f"Another orderpull (pid {holder.pid}) is pulling source {self.name!r} "
                        f"into {self.folder}.",
                        "Let it finish; one puller at a time keeps orders whole.",
                    ) from None
            yield

    def being_pulled(self) -> bool:
        """Whether a process is pulling this source now."""
        with self._translated_errors():
            return is_locked(self.folder / ".lock")

    def pages(self, after: int = 0) -> list[int]:
        """Numbers of the landed pages above *after*, ascending."""
        found: list[int] = []
        for month in reversed(self._months()):
            numbers = self._numbers(month)
            found.extend(number for number in numbers if number > after)
            if numbers and min(numbers) <= after:
                break
        return sorted(found)

    def next_page(self, at_least: int = 1) -> int:
        """The number that the next page gets: one above the newest, never from the clock."""
        for month in reversed(self._months()):
            numbers = self._numbers(month)
            if numbers:
                return max(max(numbers) + 1, at_least)
        return at_least

    def local_copy(self, page: int) -> Path:
        """The file of landed page number *page*. :raises LandingError: it is not there."""
        for month in reversed(self._months()):
            path = month / f"{page:012d}{SUFFIX}"
            if path.exists():
                return path
        raise LandingError(
            f"Page {page} of source {self.name!r} is not in {self.folder}.",
            "Restore it from a backup of the landing.",
        )

    def release(self) -> None:
        """The files are the landing's own: they stay."""

    def has(self, page: int) -> bool:
        """Whether landed page number *page* is still here."""
        name = f"{page:012d}{SUFFIX}"
        return any((month / name).exists() for month in self._months())

    def read(self, page: int) -> tuple[PageMeta, bytes]:
        """Metadata and body of page number *page*, its hash checked.

        :raises CorruptPage: its bytes are not those that were landed.
        """
        path = self.local_copy(page)
        with self._translated_errors():
            data = path.read_bytes()
        meta, body = decode(data, str(path))
        return check_number(meta, page, str(path)), body

    def meta(self, page: int) -> PageMeta:
        """Metadata of page number *page*, its body unread. :raises CorruptPage: it is another's."""
        path = self.local_copy(page)
        with self._translated_errors(), path.open("rb") as file:
            data = file.read(_META_BYTES)
        return check_number(decode_meta(data, str(path))[0], page, str(path))

    def begin_request(self, page: int, request: str, reserve: int = 0) -> InFlightRequest:
        """Note that *request* is about to be sent, to become *page*.

        :param reserve: bytes that the answer may need; they are taken from the disk now.
        :raises LandingError: they are not there.
        """
        with self._translated_errors():
            return InFlightRequest.begin(self._in_flight / f"{page:012d}.part", request, reserve)

    def requests_in_flight(self) -> list[InFlightRequest]:
        """What a kill left behind: requests whose answer did not become a page."""
        with self._translated_errors():
            return read_requests(self._in_flight)

    def land(self, meta: PageMeta, body: bytes) -> None:
        """Keep a page. When this returns, its bytes are on the disk.

        :raises LandingError: they are not.
        """
        with self._translated_errors():
            path = self._month() / f"{meta.page:012d}{SUFFIX}"
            if path.exists():
                raise FileExistsError(errno.EEXIST, f"page {meta.page} is there already")
            self._replace(path, *encode(meta, body), reached=failpoint)
        failpoint("page-landed")

    def note(self, name: str) -> bytes | None:
        """What was kept under *name* beside the pages; None if nothing was."""
        with self._translated_errors():
            try:
                return (self.folder / name).read_bytes()
            except FileNotFoundError:
                return None

    def keep_note(self, name: str, data: bytes) -> None:
        """Keep *data* under *name*, wholly or not at all, and durably."""
        with self._translated_errors():
            self._replace(self.folder / name, data)

    @property
    def _in_flight(self) -> Path:
        return self.folder / "in-flight"

    def _numbers(self, month: Path) -> list[int]:
        """Numbers of the pages in one month's folder, as they come."""
        with self._translated_errors():
            names = [entry.name for entry in os.scandir(month)]
        return [int(match[1]) for name in names if (match := _PAGE.fullmatch(name))]

    def _months(self) -> list[Path]:
        """The month folders, oldest first."""
        with self._translated_errors():
            try:
                names = [entry.name for entry in os.scandir(self.folder)]
            except FileNotFoundError:
                return []
        return [self.folder / name for name in sorted(names) if _MONTH.fullmatch(name)]

    def _month(self) -> Path:
        """This month's folder; never one before the newest, so that pages lie in order."""
        name = clock.now().strftime("%Y-%m")
        months = self._months()
        if months and months[-1].name >= name:
            return months[-1]
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        sync_folder(self.folder)
        return folder

    def _replace(
        self, path: Path, *parts: bytes, reached: Callable[[str], None] = lambda _: None
    ) -> None:
        """Write *parts* to *path*: wholly or not at all, and durably."""
        temporary = self._in_flight / f"{path.name}.tmp"
        try:
            file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
            try:
                for part in parts:
                    write_all(file, part)
                    reached("page-half-written")
                os.fsync(file)
            finally:
                os.close(file)
            reached("page-written")
            temporary.rename(path)
        except OSError:
            with suppress(OSError):
                temporary.unlink()
            raise
        reached("page-renamed")
        sync_folder(path.parent)

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        """Turn the system's errors into sentences."""
        try:
            yield
        except OSError as error:
            full = error.errno in {errno.ENOSPC, errno.EDQUOT}
            raise LandingError(
                f"The landing of source {self.name!r} in {self.folder} cannot be used: "
                f"{error.strerror or error}.",
                "Make room on the disk." if full else "Check the folder and its rights.",
            ) from error
