"""A landing in a folder of this machine.

::

    <landing>/<source>/landing.json              the landing's identity
    <landing>/<source>/cursor.json               how far a verified window reached
    <landing>/<source>/.lock                     held while a process pulls
    <landing>/<source>/in-flight/<seq>.part      a request sent, its answer not yet a page
    <landing>/<source>/<yyyy-mm>/<seq>.json.zst  a page

Every write goes to a temporary name, is fsynced, renamed, and its folder is fsynced, before the
next step: a file under its final name is whole, whatever happens to process or machine.
"""

import errno
import fcntl
import os
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from orderpull import clock, points
from orderpull.errors import LandingBusy, LandingError
from orderpull.landing.draft import Draft, read_drafts
from orderpull.landing.page import SUFFIX, PageMeta, decode, decode_meta, encode

_MONTH = re.compile(r"\d{4}-\d{2}")
_META_BYTES = 65_536


class Landing:
    """All sources' pages below one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __str__(self) -> str:
        return str(self.folder)

    def source(self, name: str) -> "SourceLanding":
        """The part of the landing that one source has."""
        return SourceLanding(self.folder / name, name)

    def check(self, name: str) -> None:
        """Prove that a page of source *name* could be kept now.

        :raises LandingError: it could not; the message says why.
        """
        self.source(name).prepare()


class SourceLanding:
    """One source's pages."""

    def __init__(self, folder: Path, source: str) -> None:
        self.folder = folder
        self.name = source

    def prepare(self) -> None:
        """Make the folders, and prove that they can be written durably.

        :raises LandingError: they cannot.
        """
        with self._told():
            (self.folder / "in-flight").mkdir(parents=True, exist_ok=True)
            self._replace(self.folder / "in-flight" / "probe", b"orderpull was here\n")
            (self.folder / "in-flight" / "probe").unlink()
            if not (self.folder / "landing.json").exists():
                identity = msgspec.json.encode({"id": uuid.uuid4().hex})
                self._replace(self.folder / "landing.json", identity)

    @property
    def identity(self) -> str:
        """What tells this landing from every other; '' before :meth:`prepare`."""
        try:
            data = (self.folder / "landing.json").read_bytes()
        except FileNotFoundError:
            return ""
        return str(msgspec.json.decode(data)["id"])

    @contextmanager
    def pulling(self) -> Iterator[None]:
        """Be the only process that pulls this source.

        :raises LandingBusy: another process is.
        """
        with self._told():
            file = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                holder = os.pread(file, 20, 0).decode(errors="replace").strip()
                raise LandingBusy(
                    f"Another orderpull (pid {holder or 'unknown'}) is pulling source "
                    f"{self.name!r} into {self.folder}.",
                    "Let it finish; one puller at a time keeps orders whole.",
                ) from None
            os.ftruncate(file, 0)
            os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
            yield
        finally:
            os.close(file)

    def being_pulled(self) -> bool:
        """Whether a process is pulling this source now."""
        try:
            file = os.open(self.folder / ".lock", os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(file)
        return False

    def pages(self, after: int = 0) -> list[int]:
        """Numbers of the landed pages above *after*, ascending."""
        found: list[int] = []
        for month in reversed(self._months()):
            numbers = [int(name[:12]) for name in os.listdir(month) if name.endswith(SUFFIX)]
            found.extend(number for number in numbers if number > after)
            if numbers and min(numbers) <= after:
                break
        return sorted(found)

    def next_page(self, at_least: int = 1) -> int:
        """The number that the next page gets: one above the newest, never from the clock."""
        for month in reversed(self._months()):
            numbers = [int(name[:12]) for name in os.listdir(month) if name.endswith(SUFFIX)]
            if numbers:
                return max(max(numbers) + 1, at_least)
        return at_least

    def file(self, page: int) -> Path:
        """The file of landed page number *page*. :raises LandingError: it is not there."""
        for month in reversed(self._months()):
            path = month / f"{page:012d}{SUFFIX}"
            if path.exists():
                return path
        raise LandingError(
            f"Page {page} of source {self.name!r} is not in {self.folder}.",
            "Restore it from a backup of the landing.",
        )

    def read(self, page: int) -> tuple[PageMeta, bytes]:
        """Metadata and body of page number *page*, its hash checked.

        :raises CorruptPage: its bytes are not those that were landed.
        """
        path = self.file(page)
        with self._told():
            return decode(path.read_bytes(), str(path))

    def meta(self, page: int) -> PageMeta:
        """Metadata of page number *page*, its body unread."""
        path = self.file(page)
        with self._told(), path.open("rb") as file:
            return decode_meta(file.read(_META_BYTES), str(path))[0]

    def draft(self, page: int, request: str) -> Draft:
        """Note that *request* is about to be sent, to become *page*."""
        with self._told():
            return Draft.begin(self.folder / "in-flight" / f"{page:012d}.part", request)

    def drafts(self) -> list[Draft]:
        """What a kill left behind: requests whose answer did not become a page."""
        with self._told():
            return read_drafts(self.folder / "in-flight")

    def land(self, meta: PageMeta, body: bytes) -> None:
        """Keep a page. When this returns, its bytes are on the disk.

        :raises LandingError: they are not.
        """
        with self._told():
            month = self._month()
            path = month / f"{meta.page:012d}{SUFFIX}"
            self._replace(path, *encode(meta, body), reached=points.reached)
        points.reached("page-landed")

    def verified_cursor(self) -> tuple[int, str | None]:
        """The newest verified cursor, and the page after which it was reached."""
        try:
            data = (self.folder / "cursor.json").read_bytes()
        except FileNotFoundError:
            return 0, None
        kept = msgspec.json.decode(data)
        return int(kept["page"]), str(kept["cursor"])

    def keep_cursor(self, cursor: str, page: int) -> None:
        """Keep *cursor*, reached once *page* was landed and its window verified."""
        with self._told():
            data = msgspec.json.encode({"page": page, "cursor": cursor})
            self._replace(self.folder / "cursor.json", data)

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

    def _months(self) -> list[Path]:
        """The month folders, oldest first."""
        with self._told():
            try:
                names = os.listdir(self.folder)
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
        _sync_folder(self.folder)
        return folder

    def _replace(
        self, path: Path, *parts: bytes, reached: Callable[[str], None] = lambda _: None
    ) -> None:
        """Write *parts* to *path*: wholly or not at all, and durably."""
        temporary = path.with_name(f".{path.name}.tmp")
        file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            for part in parts:
                _write_all(file, part)
                reached("page-half-written")
            os.fsync(file)
        finally:
            os.close(file)
        reached("page-written")
        temporary.rename(path)
        reached("page-renamed")
        _sync_folder(path.parent)

    @contextmanager
    def _told(self) -> Iterator[None]:
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


def _write_all(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def _sync_folder(folder: Path) -> None:
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
