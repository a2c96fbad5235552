"""A landing in a folder of this machine.

::

    <landing>/<source>/landing.json              the landing's identity
    <landing>/<source>/cursor.json               the newest verified cursor
    <landing>/<source>/loaded.json               copy of the ledger's loaded pages
    <landing>/<source>/read.json                 result of the last pull
    <landing>/<source>/token                     tokens that outlive a run, encrypted
    <landing>/<source>/.lock                     held while a process pulls
    <landing>/<source>/.rewriting                held while one rewrites or moves pages
    <landing>/<source>/in-flight/<seq>.part      a request sent, its response no page yet
    <landing>/<source>/in-flight/*.tmp           a file being written
    <landing>/<source>/<yyyy-mm>/<seq>.json.zst  a page
    <landing>/<source>/containers/<last>-<count>-<generation>.json.zst
                                                 many pages

Every write goes to a temporary file, which is fsynced and renamed; then the folder is fsynced. A
file under its final name is therefore complete, even after a kill or a power loss.
"""

import errno
import os
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from itertools import groupby
from pathlib import Path

import msgspec

from orderpull import clock
from orderpull.errors import LandingError
from orderpull.failpoints import failpoint
from orderpull.landing import protocol
from orderpull.landing.encryption import PLAIN, Encryption
from orderpull.landing.files import landing_errors, replace_file, sync
from orderpull.landing.folder_containers import FolderContainers, file_sizes
from orderpull.landing.inflight import InFlightRequest, part_name, read_requests
from orderpull.landing.lock import LockHeld, LockState, file_lock, folder_lock, look_at
from orderpull.landing.moved_pages import MovedPages
from orderpull.landing.page import MONTH, PageMeta, decode_meta, encode, file_name, page_numbers
from orderpull.landing.protocol import (
    IDENTITY,
    IN_FLIGHT,
    LOCK,
    RECENT_MONTHS,
    REWRITING,
    PageFile,
    busy,
)

_META_BYTES = 65_536


class LocalLanding(protocol.Landing):
    """The pages of all sources, below one folder."""

    def __init__(self, folder: Path, encryption: Encryption = PLAIN) -> None:
        self.folder = folder
        self.encryption = encryption

    def __str__(self) -> str:
        return str(self.folder)

    def source(self, name: str) -> "LocalSourceLanding":
        """The landing of one source."""
        return LocalSourceLanding(self.folder / name, name, self.encryption)

    def names(self) -> list[str]:
        """Names of the files and folders directly below; a folder's ends with ``/``."""
        try:
            entries = list(os.scandir(self.folder))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise LandingError(
                f"The landing {self.folder} cannot be read: {error.strerror or error}.",
                "Check the folder and its rights.",
            ) from error
        return sorted(e.name + "/" * e.is_dir(follow_symlinks=True) for e in entries)

    def clock(self) -> None:
        """None: a folder has no clock of its own."""

    def check(self, name: str) -> None:
        """Prove that a page of source *name* could be stored now."""
        self.source(name).prepare()
        self.encryption.seal(b"")


class LocalSourceLanding(MovedPages):
    """The pages of one source."""

    def __init__(self, folder: Path, source: str, encryption: Encryption = PLAIN) -> None:
        super().__init__(FolderContainers(folder, source))
        self.folder = folder
        self.name = source
        self.encryption = encryption
        self._in_flight = folder / IN_FLIGHT

    def __str__(self) -> str:
        return str(self.folder)

    def prepare(self) -> None:
        """Create the folders and the identity, and prove that files can be written durably."""
        with self._translated_errors():
            self._in_flight.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self._in_flight, buffering=0) as probe:
                probe.write(b"orderpull was here\n")
                os.fsync(probe.fileno())
            with folder_lock(self.folder):
                self._keep_first(IDENTITY, msgspec.json.encode({"id": uuid.uuid4().hex}))

    def pulling(self) -> AbstractContextManager[None]:
        """Hold the lock of this source, so that no other process pulls it."""
        return self._held(LOCK)

    def _rewriting_lock(self) -> AbstractContextManager[None]:
        return self._held(REWRITING)

    @contextmanager
    def _held(self, lock: str) -> Iterator[None]:
        with ExitStack() as stack:
            with self._translated_errors():
                try:
                    stack.enter_context(file_lock(self.folder / lock))
                except LockHeld as held:
                    raise busy(str(held.holder), self.name, self, lock) from None
            yield

    def lock_state(self) -> LockState:
        """The process that pulls this source now, or was killed while pulling it."""
        with self._translated_errors():
            return look_at(self.folder / LOCK)

    def names(self, *, recent: bool = False) -> Iterator[str]:
        """Paths of all files, relative to the folder; links to folders count as files."""
        skipped = {month.name for month in self._months()[:-RECENT_MONTHS]} if recent else set()
        with self._translated_errors():
            for folder, folders, files in os.walk(self.folder, onerror=_refuse):
                where = Path(folder).relative_to(self.folder)
                folders[:] = sorted(set(folders) - skipped)
                yield from (str(where / name) for name in sorted(files))

    def file_of(self, page: int) -> Path:
        """The file of *page* alone. :raises LandingError: there is no such file."""
        return self.folder / self._single_key(page)

    def page_file(self, key: str) -> PageFile | None:
        """The file of a page at *key*; None if it is not there."""
        with self._translated_errors(), suppress(FileNotFoundError):
            return PageFile(key, (self.folder / key).read_bytes())
        return None

    def delete_files(self, keys: Sequence[str]) -> None:
        """Delete the files of pages at *keys*, and the folders of earlier months that are empty."""
        with self._translated_errors():
            for month, group in groupby(sorted(keys), key=lambda key: key.partition("/")[0]):
                for key in group:
                    (self.folder / key).unlink(missing_ok=True)
                    failpoint("page-deleted")
                sync(self.folder / month)
            for month in self._months()[:-1]:
                with suppress(OSError):  # it holds pages
                    month.rmdir()

    def begin_request(self, page: int, request: str, reserve: int = 0) -> InFlightRequest:
        """Record durably that *request* is about to be sent; its response becomes *page*."""
        with self._translated_errors():
            path = self._in_flight / part_name(page)
            return InFlightRequest.begin(path, request, self.encryption, reserve=reserve)

    def requests_in_flight(self) -> list[InFlightRequest]:
        """Requests of a killed process whose responses did not become pages."""
        with self._translated_errors():
            return read_requests(self._in_flight, self.encryption)

    def land(self, meta: PageMeta, body: bytes) -> None:
        """Store a page durably."""
        with self._translated_errors():
            path = self._month() / file_name(meta.page)
            if path.exists():
                raise FileExistsError(errno.EEXIST, f"page {meta.page} is there already")
            self._replace(path, *encode(meta, body, self.encryption), reached=failpoint)
        failpoint("page-landed")

    def note(self, name: str) -> bytes | None:
        """Content of the note *name*; None if the note is missing."""
        with self._translated_errors():
            try:
                return (self.folder / name).read_bytes()
            except FileNotFoundError:
                return None

    def keep_note(self, name: str, data: bytes) -> None:
        """Write the note *name* atomically and durably."""
        with self._translated_errors():
            self._replace(self.folder / name, data)

    def keep_first(self, name: str, data: bytes) -> bytes:
        """Write the note *name* unless it exists; return what it holds then."""
        with self._translated_errors(), folder_lock(self.folder):
            self._keep_first(name, data)
            return (self.folder / name).read_bytes()

    def unsearched(self) -> list[str]:
        """Do nothing: a folder keeps nothing of deleted pages."""
        return []

    def drop_unfinished(self) -> int:
        """Delete temporary files that a kill has left, and count them."""
        with self._translated_errors():
            left = list(self._in_flight.glob("*.tmp"))
            for path in left:
                path.unlink(missing_ok=True)
        return len(left)

    def _keep_first(self, name: str, data: bytes) -> None:
        """Write the note *name* unless it exists; the caller holds the folder's lock."""
        if not (self.folder / name).exists():
            self._replace(self.folder / name, data)

    def _single_pages(self, after: int) -> list[int]:
        newer: list[int] = []
        for month in reversed(self._months()):
            with self._translated_errors():
                numbers = list(page_numbers(_names(month)))
            newer.extend(number for number in numbers if number > after)
            if numbers and min(numbers) <= after:
                break
        return sorted(newer)

    def _single_files(self) -> Iterator[tuple[str, int]]:
        for month in self._months():
            with self._translated_errors():
                sizes = file_sizes(month)
            for name, size in sizes:
                if [*page_numbers([name])]:
                    yield f"{month.name}/{name}", size

    def _has_single(self, page: int) -> bool | None:
        return True if self._path_of(page) else None

    def _single(self, page: int) -> tuple[bytes, str] | None:
        return self._beginning(page, -1)

    def _single_meta(self, page: int) -> PageMeta | None:
        beginning = self._beginning(page, _META_BYTES)
        return decode_meta(beginning[0], page, beginning[1])[0] if beginning else None

    def _beginning(self, page: int, size: int) -> tuple[bytes, str] | None:
        """The first *size* bytes of the file of *page*, -1 for all, and its path."""
        path = self._path_of(page)
        if path is not None:
            with self._translated_errors(), suppress(FileNotFoundError), path.open("rb") as file:
                return file.read(size), str(path)
        return None

    def _single_pull(self, page: int) -> str | None:
        return "" if self._path_of(page) else None

    def _single_key(self, page: int) -> str:
        path = self._path_of(page)
        if path is None:
            raise self._missing(page)
        return f"{path.parent.name}/{path.name}"

    def _path_of(self, page: int) -> Path | None:
        """The file of *page* alone; None if there is no such file."""
        paths = (month / file_name(page) for month in reversed(self._months()))
        return next((path for path in paths if path.exists()), None)

    def _rewrite_single(self, meta: PageMeta, body: bytes) -> None:
        path = self.file_of(meta.page)
        with self._translated_errors():
            self._replace(path, *encode(meta, body, self.encryption), reached=failpoint)

    def _drop_versions(self, start: str, is_old: Callable[[str], bool]) -> list[str]:
        """Do nothing: a folder keeps no earlier contents."""
        del start, is_old
        return []

    def _months(self) -> list[Path]:
        """The month folders, oldest first."""
        with self._translated_errors():
            names = _names(self.folder)
        return [self.folder / name for name in sorted(names) if MONTH.fullmatch(name)]

    def _month(self) -> Path:
        """The folder for a new page: this month's, or the newest if that is later."""
        name = clock.now().strftime("%Y-%m")
        months = self._months()
        if months and months[-1].name >= name:
            return months[-1]
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        sync(self.folder)
        return folder

    def _replace(
        self, path: Path, *parts: bytes, reached: Callable[[str], None] = lambda _: None
    ) -> None:
        """Write *parts* to *path* atomically and durably, calling *reached* after each step."""
        temporary = self._in_flight / f"{path.name}.tmp"
        replace_file(path, *parts, temporary=temporary, reached=reached)

    def _translated_errors(self) -> AbstractContextManager[None]:
        """Raise system errors as :class:`LandingError`."""
        return landing_errors(self.name, self.folder)


def _names(folder: Path) -> list[str]:
    """Names of the files in *folder*; [] if it was deleted meanwhile, because it was empty."""
    with suppress(FileNotFoundError):
        return [entry.name for entry in os.scandir(folder)]
    return []


def _refuse(error: OSError) -> None:
    """Raise *error*, unless a folder is not there: its files would be left out silently."""
    if not isinstance(error, FileNotFoundError):
        raise error
