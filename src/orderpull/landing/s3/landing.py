"""A landing in a bucket of S3, or of a store that speaks S3.

::

    s3://BUCKET/PREFIX/<source>/landing.json              the landing's identity
    s3://BUCKET/PREFIX/<source>/cursor.json               how far a verified window reached
    s3://BUCKET/PREFIX/<source>/loaded.json               a note of what the ledger last metadata
    s3://BUCKET/PREFIX/<source>/read.json                 a note of what the last pull came to
    s3://BUCKET/PREFIX/<source>/.lock                     the lease of the process that pulls
    s3://BUCKET/PREFIX/<source>/in-flight/<seq>.part      a request sent, its answer not yet a page
    s3://BUCKET/PREFIX/<source>/<yyyy-mm>/<seq>.json.zst  a page, the same bytes as in a folder

Durable is what a put has answered for. Pages are put where nothing is, never over another.
"""

import re
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cached_property
from pathlib import Path

import msgspec

from orderpull.errors import LandingBusy, LandingError, SettingsError
from orderpull.failpoints import failpoint
from orderpull.landing import protocol
from orderpull.landing.inflight import InFlightRequest
from orderpull.landing.lock import LockHeld, file_lock, is_locked
from orderpull.landing.page import SUFFIX, PageMeta, decode, decode_meta, encode
from orderpull.landing.protocol import IDENTITY, check_number
from orderpull.landing.s3.index import PageIndex
from orderpull.landing.s3.inflight import FOLDER, InFlightStore
from orderpull.landing.s3.lease import Lease
from orderpull.landing.s3.local_cache import LocalCache, PageCopies
from orderpull.s3 import Bucket, ErrorContext, Object, PreconditionFailed, S3Client
from orderpull.settings import LandingSettings

ERROR_CONTEXT = ErrorContext(
    "The landing", "landing", "landing.url", "docs/landing.md", LandingError
)

_URL = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/([^?#]*))?")
_LOCK = ".lock"
_FIRST_BYTES = 8192
_NUMBER_TRIES = 10


def landing_at(settings: LandingSettings) -> "S3Landing":
    """The landing at ``settings.url``, of which nothing is asked yet.

    :raises SettingsError: the URL, or what belongs to it, is wrong.
    """
    match = _URL.fullmatch(settings.url)
    if match is None:
        raise SettingsError(
            "landing.url is not s3://BUCKET/PREFIX.",
            "A bucket's name has 3 to 63 lower-case letters, digits, dots and dashes. "
            "Credentials do not stand in it: boto3 finds them where AWS's programs look.",
        )
    if settings.kms_key and settings.sse != "aws:kms":
        raise SettingsError(
            "landing.kms_key is set, and landing.sse is not aws:kms.", 'Set sse = "aws:kms".'
        )
    endpoint = settings.endpoint
    if endpoint is not None and not re.fullmatch(r"https?://[^/@\s?#]+/?", endpoint):
        raise SettingsError(
            "landing.endpoint is not http:// or https:// with a host and at most a port.",
            "For example https://minio.example.com:9000.",
        )
    prefix = (match[2] or "").strip("/")
    return S3Landing(match[1], f"{prefix}/" if prefix else "", settings)


def client_for(settings: LandingSettings) -> S3Client:
    """Where the bucket is that *settings* name."""
    return S3Client(settings.endpoint, settings.region, settings.sse, settings.kms_key)


class S3Landing(protocol.Landing):
    """All sources' pages below one prefix of one bucket."""

    def __init__(self, bucket: str, prefix: str, settings: LandingSettings) -> None:
        self._bucket = Bucket(client_for(settings), bucket, prefix, ERROR_CONTEXT)
        self._sources: dict[str, S3SourceLanding] = {}
        self._proven = False

    def __str__(self) -> str:
        return str(self._bucket)

    def source(self, name: str) -> "S3SourceLanding":
        """The part of the landing that one source has; always the same."""
        if name not in self._sources:
            self._sources[name] = S3SourceLanding(self._bucket.subfolder(f"{name}/"), name)
        return self._sources[name]

    def check(self, name: str) -> None:
        """Prove that a page of source *name* could be kept now.

        What the store honours is proven with the first source: it is the same for all. That each
        may be written is proven again by its lease, before anything is asked.

        :raises LandingError: it could not; the message says why.
        """
        if not self._proven:
            self.source(name).prove()
            self._proven = True
        self.source(name).begin()


class S3SourceLanding(protocol.SourceLanding):
    """One source's pages."""

    def __init__(self, bucket: Bucket, source: str) -> None:
        self.bucket = bucket
        self.name = source
        self._pull = uuid.uuid4().hex
        self._lease: Lease | None = None
        self._identity = ""
        self._at_least = 1
        self._index = PageIndex(bucket)

    def __str__(self) -> str:
        return str(self.bucket)

    def prepare(self) -> None:
        """Prove that objects can be kept, and begin.

        :raises LandingError: they cannot.
        """
        self.prove()
        self.begin()

    def prove(self) -> None:
        """Prove that objects can be listed, put, read and deleted, and conditions are honoured.

        :raises LandingError: they cannot, or are not.
        """
        self.bucket.reach()
        self._probe()

    def begin(self) -> None:
        """Make what tells this landing from every other, where there is none, and a place here.

        :raises LandingError: that fails.
        """
        if not self.identity:
            with suppress(PreconditionFailed):  # another was first: then it is that one
                data = msgspec.json.encode({"id": uuid.uuid4().hex})
                self.bucket.create(IDENTITY, data)
        with self._translated_errors():
            self._cache.prepare()

    @property
    def identity(self) -> str:
        """What tells this landing from every other; '' before :meth:`prepare`.

        :raises LandingError: it cannot be read.
        """
        self._identity = self._identity or super().identity
        return self._identity

    @contextmanager
    def pulling(self) -> Iterator[None]:
        """Be the only process that pulls this source.

        :raises LandingBusy: another process is.
        """
        with ExitStack() as stack:
            with self._translated_errors():
                self._cache.prepare()
                try:
                    stack.enter_context(file_lock(self._cache.lock))
                except LockHeld as holder:
                    raise LandingBusy(
                        f"Another orderpull (pid {holder.pid}) is pulling source {self.name!r} "
                        f"into {self}.",
                        "Let it finish; one puller at a time keeps orders whole.",
                    ) from None
            lease = self._new_lease()
            stack.enter_context(lease.held())
            failpoint("lease-taken")
            self._lease = lease
            try:
                yield
            finally:
                self._lease = None

    def being_pulled(self) -> bool:
        """Whether a process is pulling this source now."""
        if not self.identity:
            return False
        with self._translated_errors():
            return is_locked(self._cache.lock) or self._new_lease().holder() is not None

    def pages(self, after: int = 0) -> list[int]:
        """Numbers of the landed pages above *after*, ascending."""
        return self._index.pages(after)

    def next_page(self, at_least: int = 1) -> int:
        """The number that the next page gets: one above the newest, never from the clock."""
        self._at_least = max(self._at_least, at_least)
        newer = self.pages(after=at_least - 1)
        return newer[-1] + 1 if newer else at_least

    def local_copy(self, page: int) -> Path:
        """A copy of landed page number *page* on this machine, hash checked, until :meth:`release`.

        :raises LandingError: the page is not there.
        :raises CorruptPage: its bytes are not those that were landed.
        """
        with self._translated_errors():
            path = self._copies.path(f"{page:012d}{SUFFIX}")
            if path.exists():
                return path
        data, where = self._got(page)
        check_number(decode(data, where)[0], page, where)
        with self._translated_errors():
            path.write_bytes(data)
        return path

    def release(self) -> None:
        """The copies that :meth:`local_copy` made are needed no more."""
        if "_copies" in vars(self):
            with self._translated_errors():
                self._copies.clear()

    def has(self, page: int) -> bool:
        """Whether landed page number *page* is still here."""
        return self._index.find(page, self.bucket.metadata) is not None

    def read(self, page: int) -> tuple[PageMeta, bytes]:
        """Metadata and body of page number *page*, its hash checked.

        :raises CorruptPage: its bytes are not those that were landed.
        """
        data, where = self._got(page)
        meta, body = decode(data, where)
        return check_number(meta, page, where), body

    def meta(self, page: int) -> PageMeta:
        """Metadata of page number *page*, its body unread. :raises CorruptPage: it is another's."""
        data, where = self._got(page, _FIRST_BYTES)
        end = 8 + int.from_bytes(data[4:8], "little")
        if len(data) == _FIRST_BYTES < end:
            data, where = self._got(page, end)
        return check_number(decode_meta(data, where)[0], page, where)

    def begin_request(self, page: int, request: str, reserve: int = 0) -> InFlightRequest:
        """Note that *request* is about to be sent, to become *page*: here, then in the bucket.

        :param reserve: bytes that the answer may need; they are taken from the disk now.
        :raises LandingError: they are not there, or the bucket did not take the note.
        :raises LandingBusy: another process has such a request in flight.
        """
        if self._lease:
            self._lease.check()
        with self._translated_errors():
            return self._in_flight.begin(page, request, reserve)

    def requests_in_flight(self) -> list[InFlightRequest]:
        """What a kill left behind: requests whose answer did not become a page.

        Where the process ran on this machine, with the bytes that had arrived. Bytes whose page
        somebody else has landed meanwhile get a number of their own.
        """
        if not self.identity:
            return []
        with self._translated_errors():
            return self._in_flight.found(lambda: self.next_page(self._at_least))

    def land(self, meta: PageMeta, body: bytes) -> None:
        """Keep a page. When this returns, the bucket has it.

        :raises LandingError: it has not.
        :raises LandingBusy: another process has landed a page under this number. This one is kept
            under the next free number, so that nothing is lost.
        """
        failpoint("page-written")
        page = self._put(meta, body)
        failpoint("page-put")
        if page != meta.page:
            self._in_flight.discard(meta.page)
            raise LandingBusy(
                f"Another orderpull pulls source {self.name!r} into {self}: page {meta.page} is "
                f"there already. What came now is kept as page {page}.",
                "One puller at a time keeps orders whole: stop one of them, then run again.",
            )
        failpoint("page-landed")

    def note(self, name: str) -> bytes | None:
        """What was kept under *name* beside the pages; None if nothing was."""
        found = self.bucket.get(name)
        return None if found is None else found.data

    def keep_note(self, name: str, data: bytes) -> None:
        """Keep *data* under *name*, wholly or not at all, and durably."""
        self.bucket.put(name, data)

    def _probe(self) -> None:
        """Put, read and delete an object of no meaning, and have two conditions refused."""
        key = f"{FOLDER}probe-{uuid.uuid4().hex}"
        etag = self.bucket.put(key, b"orderpull was here\n")
        if self.bucket.get(key) is None:
            raise self._error("what was put there is not there")
        with self._refused():
            self.bucket.create(key, b"orderpull was here twice\n")
        with self._refused():
            self.bucket.replace(key, b"orderpull was here twice\n", _other(etag))
        self.bucket.delete(key)

    @contextmanager
    def _refused(self) -> Iterator[None]:
        """What is tried here must not go well: without conditions a page could be lost."""
        try:
            yield
        except PreconditionFailed:
            return
        raise self._error(
            "it writes over objects although If-None-Match and If-Match forbid it",
            "Use a store that honours conditional writes.",
        )

    def _put(self, meta: PageMeta, body: bytes) -> int:
        """Put a page under its number, or under the next that is free; the number it got."""
        pull = self._in_flight.pull_of(meta.page)
        page = meta.page
        for _ in range(_NUMBER_TRIES):
            data = b"".join(encode(msgspec.structs.replace(meta, page=page), body))
            try:
                self.bucket.create(self._index.key_of_new(page), data, pull=pull)
            except PreconditionFailed:
                page = self.next_page(page + 1)
            else:
                return page
        raise self._error("every page number is taken by another process", "Stop the others.")

    def _got(self, page: int, first: int | None = None) -> tuple[bytes, str]:
        """The bytes of page number *page*, or its *first*, and where they are.

        :raises LandingError: it is not there.
        """
        where = f"{self}/{page:012d}{SUFFIX}"
        if first is None and "_copies" in vars(self):
            path = self._copies.path(f"{page:012d}{SUFFIX}")
            with self._translated_errors():
                if path.exists():
                    return path.read_bytes(), where

        def get(key: str) -> Object | None:
            nonlocal where
            where = f"{self}/{key}"
            return self.bucket.get(key, first)

        found = self._index.find(page, get)
        if found is None:
            raise LandingError(
                f"Page {page} of source {self.name!r} is not in {self}.",
                "Restore it from a backup of the landing.",
            )
        return found.data, where

    @cached_property
    def _cache(self) -> LocalCache:
        return LocalCache(self.identity)

    @cached_property
    def _in_flight(self) -> InFlightStore:
        return InFlightStore(self.bucket, self._cache.in_flight, self._pull, self._landed_by)

    def _landed_by(self, page: int) -> str | None:
        """Which pull landed *page*; None if it is not there."""
        metadata = self._index.find(page, self.bucket.metadata)
        return None if metadata is None else metadata.get("pull", "")

    @cached_property
    def _copies(self) -> PageCopies:
        return PageCopies(self._cache)

    def _new_lease(self) -> Lease:
        owner = self._cache.owner
        return Lease(self.bucket, _LOCK, source=self.name, owner=owner, pull=self._pull)

    def _error(self, why: str, hint: str = "Run again later.") -> LandingError:
        return LandingError(f"The landing {self} cannot be used: {why}.", hint)

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        """Turn this machine's errors into sentences."""
        try:
            yield
        except OSError as error:
            raise LandingError(
                f"This machine has no place for pages under way to {self}: "
                f"{error.strerror or error} ({error.filename}).",
                "Make room there, or name another folder with XDG_CACHE_HOME.",
            ) from error


def _other(etag: str) -> str:
    """An etag that is not *etag*."""
    return '"00000000000000000000000000000000"' if "1" in etag else f'"{"1" * 32}"'
