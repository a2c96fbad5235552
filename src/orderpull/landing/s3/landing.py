"""A landing in a bucket of S3 or of an S3-compatible store.

::

    s3://BUCKET/PREFIX/<source>/landing.json              the landing's identity
    s3://BUCKET/PREFIX/<source>/cursor.json               the newest verified cursor
    s3://BUCKET/PREFIX/<source>/loaded.json               copy of the ledger's loaded pages
    s3://BUCKET/PREFIX/<source>/read.json                 result of the last pull
    s3://BUCKET/PREFIX/<source>/.lock                     the lease of the process that pulls
    s3://BUCKET/PREFIX/<source>/.rewriting                the lease of one that rewrites pages
    s3://BUCKET/PREFIX/<source>/in-flight/<seq>.part      a request sent, its response no page yet
    s3://BUCKET/PREFIX/<source>/<yyyy-mm>/<seq>.json.zst  a page, the same bytes as in a folder
    s3://BUCKET/PREFIX/<source>/containers/<last>-<count>-<generation>.json.zst
                                                          many pages, the same bytes, too

A put is durable once the store has confirmed it. A page is put with If-None-Match, so that it
never replaces another.
"""

import re
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from functools import cached_property
from typing import Any

import msgspec

from orderpull.errors import LandingBusy, LandingError, SettingsError
from orderpull.failpoints import failpoint
from orderpull.landing import protocol
from orderpull.landing.container import pages_of
from orderpull.landing.encryption import Encryption
from orderpull.landing.inflight import InFlightRequest
from orderpull.landing.lock import LockHeld, LockState, file_lock, look_at
from orderpull.landing.moved_pages import MovedPages
from orderpull.landing.page import MONTH, PageMeta, decode_meta, encode, page_numbers
from orderpull.landing.protocol import IDENTITY, LOCK, RECENT_MONTHS, REWRITING, PageFile, busy
from orderpull.landing.s3.containers import BucketContainers
from orderpull.landing.s3.index import PageIndex
from orderpull.landing.s3.inflight import FOLDER, InFlightStore
from orderpull.landing.s3.lease import Lease
from orderpull.landing.s3.local_cache import LocalCache
from orderpull.s3 import DELETED_AT_ONCE, Bucket, ErrorContext, PreconditionFailed, S3Client
from orderpull.settings import LandingSettings

ERROR_CONTEXT = ErrorContext(
    "The landing", "landing", "landing.url", "docs/landing.md", LandingError
)

_URL = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/([^?#]*))?")
_PAGE_KEY = re.compile(r"(?:\d{4}-\d{2}|containers)/\d{12}[-\d]*\.json\.zst")
_FIRST_BYTES = 8192
_NUMBER_TRIES = 10


def landing_at(settings: LandingSettings) -> "S3Landing":
    """The landing at ``settings.url``. The bucket is not accessed yet.

    :raises SettingsError: the URL or a setting of the bucket is wrong.
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


class S3Landing(protocol.Landing):
    """The pages of all sources, below one prefix of one bucket."""

    def __init__(self, bucket: str, prefix: str, settings: LandingSettings) -> None:
        client = S3Client(settings.endpoint, settings.region, settings.sse, settings.kms_key)
        self._bucket = Bucket(client, bucket, prefix, ERROR_CONTEXT)
        self.encryption = Encryption(settings)
        self._sources: dict[str, S3SourceLanding] = {}
        self._proven = False

    def __str__(self) -> str:
        return str(self._bucket)

    def source(self, name: str) -> "S3SourceLanding":
        """The landing of one source; the same object each time."""
        if name not in self._sources:
            bucket = self._bucket.subfolder(f"{name}/")
            self._sources[name] = S3SourceLanding(bucket, name, self.encryption)
        return self._sources[name]

    def names(self) -> list[str]:
        """Names of the objects and folders directly below; a folder's ends with ``/``."""
        names = [name for name in self._bucket.names("") if name]
        return sorted([*names, *(f"{name}/" for name in self._bucket.folders())])

    def clock(self) -> datetime | None:
        """The time (UTC) by the store's clock."""
        return self._bucket.clock()

    def check(self, name: str) -> None:
        """Prove that a page of source *name* could be stored now.

        Only the first source probes the store, because the result is the same for all. Write
        access to each source is proven by its lease, before any request.
        """
        if not self._proven:
            self.source(name).prove()
            self.encryption.seal(b"")
            self._proven = True
        self.source(name).begin()


class S3SourceLanding(MovedPages):
    """The pages of one source."""

    at_once = 10  # as many connections as boto3 keeps

    def __init__(self, bucket: Bucket, source: str, encryption: Encryption) -> None:
        super().__init__(BucketContainers(bucket, self._check_rewriting))
        self.bucket = bucket
        self.name = source
        self.encryption = encryption
        self._pull = uuid.uuid4().hex
        self._lease: Lease | None = None
        self._rewriting: Lease | None = None
        self._identity = ""
        self._at_least = 1
        self._index = PageIndex(bucket)

    def __str__(self) -> str:
        return str(self.bucket)

    def prepare(self) -> None:
        """Run :meth:`prove` and :meth:`begin`."""
        self.prove()
        self.begin()

    def prove(self) -> None:
        """Prove that the store lists, puts, reads and deletes, and honours conditions."""
        self.bucket.reach()
        key = f"{FOLDER}probe-{uuid.uuid4().hex}"
        self.bucket.put(key, b"orderpull was here\n")
        if self.bucket.get(key) is None:
            raise self.bucket.error("what was put there is not there", "Run again later.")
        with self._refused():
            self.bucket.create(key, b"orderpull was here twice\n")
        with self._refused():
            wrong_etag = f'"{uuid.uuid4().hex}"'
            self.bucket.replace(key, b"orderpull was here twice\n", wrong_etag)
        self.bucket.delete(key)

    def begin(self) -> None:
        """Create the landing's id if it is missing, and the local cache folder."""
        if not self.identity:
            self.keep_first(IDENTITY, msgspec.json.encode({"id": uuid.uuid4().hex}))
        with self._translated_errors():
            self._cache.prepare()

    @property
    def identity(self) -> str:
        """Unique id of this landing, cached; '' before :meth:`prepare`."""
        self._identity = self._identity or super().identity
        return self._identity

    @contextmanager
    def pulling(self) -> Iterator[None]:
        """Hold the lock on this machine and the lease, so that no other process pulls."""
        with self._held(LOCK) as lease:
            failpoint("lease-taken")
            self._lease = lease
            try:
                yield
            finally:
                self._lease = None

    @contextmanager
    def _rewriting_lock(self) -> Iterator[None]:
        with self._held(REWRITING) as lease:
            self._rewriting = lease
            try:
                yield
            finally:
                self._rewriting = None

    @contextmanager
    def _held(self, name: str) -> Iterator[Lease]:
        """Hold the lock *name* on this machine, and the lease of that name."""
        with ExitStack() as stack:
            with self._translated_errors():
                self._cache.prepare()
                try:
                    stack.enter_context(file_lock(self._cache.folder / name))
                except LockHeld as lock:
                    raise busy(str(lock.holder), self.name, self, name) from None
            lease = self._new_lease(name)
            stack.enter_context(lease.held())
            yield lease

    def lock_state(self) -> LockState:
        """The process that pulls this source now, or was killed while pulling it."""
        if not self.identity:
            return LockState(held=False)
        with self._translated_errors():
            local = look_at(self._cache.lock)
            return local if local.held else self._new_lease().state()

    def names(self, *, recent: bool = False) -> Iterator[str]:
        """Keys of all objects, relative to the prefix."""
        yield from (name for name in self.bucket.names("") if name)
        folders = self.bucket.folders()
        months = [name for name in folders if MONTH.fullmatch(name)]
        for folder in sorted(set(folders) - set(months[:-RECENT_MONTHS] if recent else ())):
            yield from (f"{folder}/{name}" for name in self.bucket.names(f"{folder}/"))

    def next_page(self, at_least: int = 1) -> int:
        """The number of the next page: one above the newest, and *at_least* or more."""
        self._at_least = max(self._at_least, at_least)
        return super().next_page(at_least)

    def begin_request(self, page: int, request: str, reserve: int = 0) -> InFlightRequest:
        """Record durably that *request* is about to be sent; its response becomes *page*.

        :raises LandingBusy: another process has a request for *page* in flight.
        """
        if self._lease:
            self._lease.check()
        with self._translated_errors():
            return self._in_flight.begin(page, request, reserve)

    def requests_in_flight(self) -> list[InFlightRequest]:
        """Requests of a killed process, numbered as in :meth:`InFlightStore.recover`."""
        if not self.identity:
            return []
        with self._translated_errors():
            return self._in_flight.recover(lambda: self.next_page(self._at_least))

    def land(self, meta: PageMeta, body: bytes) -> None:
        """Store a page in the bucket.

        :raises LandingBusy: another process has landed a page under this number. The new page is
            stored under the next free number, so that no order is lost.
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
        """Content of the note *name*; None if the note is missing."""
        stored = self.bucket.get(name)
        return stored.data if stored else None

    def keep_note(self, name: str, data: bytes) -> None:
        """Write the note *name* atomically and durably."""
        self.bucket.put(name, data)

    def keep_first(self, name: str, data: bytes) -> bytes:
        """Write the note *name* unless it exists; return what it holds then."""
        try:
            self.bucket.create(name, data)
        except PreconditionFailed:  # another process was first; its note counts
            return self.note(name) or b""
        return data

    def page_file(self, key: str) -> PageFile | None:
        """The object of a page at *key*; None if it is not there."""
        stored = self.bucket.get(key)
        return PageFile(key, stored.data, stored.metadata.get("pull", "")) if stored else None

    def delete_files(self, keys: Sequence[str]) -> None:
        """Delete the objects of pages at *keys*, a thousand with each call."""
        for first in range(0, len(keys), DELETED_AT_ONCE):
            self._check_rewriting()
            self.bucket.delete_all(keys[first : first + DELETED_AT_ONCE])
            failpoint("page-deleted")
        self._index.forget_firsts()

    def unsearched(self) -> list[str]:
        """Name deleted pages of which the bucket keeps versions."""
        try:
            keys = self.bucket.deleted_keys(_PAGE_KEY.fullmatch)
        except LandingError as error:
            return [f"{self}: versions of deleted pages, if the bucket keeps any ({error.message})"]
        held = {*self.pages()} if keys else set()
        keys = [key for key in keys if not held.issuperset(pages_of(key))]
        return [f"{self}: versions of deleted pages ({len(keys)}, {keys[0]} first)"] if keys else []

    def drop_unfinished(self) -> int:
        """Do nothing: a put is whole or nothing."""
        return 0

    @contextmanager
    def _refused(self) -> Iterator[None]:
        """Require that the put inside fails: a store without conditions could lose a page."""
        try:
            yield
        except PreconditionFailed:
            return
        raise self.bucket.error(
            "it writes over objects although If-None-Match and If-Match forbid it",
            "Use a store that honours conditional writes.",
        )

    def _put(self, meta: PageMeta, body: bytes) -> int:
        """Put a page under its number or the next free one; return the number used."""
        pull = self._in_flight.pull_of(meta.page)
        page = meta.page
        for _ in range(_NUMBER_TRIES):
            numbered = msgspec.structs.replace(meta, page=page)
            data = b"".join(encode(numbered, body, self.encryption))
            try:
                self.bucket.create(self._index.key_of_new(page), data, pull=pull)
            except PreconditionFailed:
                page = self.next_page(page + 1)
            else:
                return page
        raise self.bucket.error("every page number is taken by another process", "Stop the others.")

    def _has_containers(self) -> bool:
        return self._index.has_containers

    def _single_pages(self, after: int) -> list[int]:
        return self._index.pages(after)

    def _single_files(self) -> Iterator[tuple[str, int]]:
        for month in self._index.months():
            for name, size in self.bucket.sizes(f"{month}/"):
                if [*page_numbers([name])]:
                    yield f"{month}/{name}", size

    def _has_single(self, page: int) -> bool | None:
        return True if self._index.find(page, self.bucket.head) else None

    def _single(self, page: int) -> tuple[bytes, str] | None:
        return self._beginning(page)

    def _single_meta(self, page: int) -> PageMeta | None:
        beginning = self._beginning(page, _FIRST_BYTES)
        if beginning is None:
            return None
        data, where = beginning
        end = 8 + int.from_bytes(data[4:8], "little")
        if len(data) == _FIRST_BYTES < end:
            beginning = self._beginning(page, end)
        return decode_meta(beginning[0], page, where)[0] if beginning else None

    def _beginning(self, page: int, size: int = 0) -> tuple[bytes, str] | None:
        """The first *size* bytes of the object of *page*, 0 for all, and its URL."""

        def get(key: str) -> tuple[bytes, str] | None:
            stored = self.bucket.get(key, f"0-{size - 1}" if size else "")
            return (stored.data, f"{self}/{key}") if stored else None

        return self._index.find(page, get)

    def _single_pull(self, page: int) -> str | None:
        head = self._index.find(page, self.bucket.head)
        return str(head["Metadata"].get("pull", "")) if head else None

    def _single_key(self, page: int) -> str:
        return self._object_of(page)[0]

    def _rewrite_single(self, meta: PageMeta, body: bytes) -> None:
        """Replace the object of one page, landed by the same pull.

        :raises LandingError: somebody else has changed the object meanwhile.
        """
        key, head = self._object_of(meta.page)
        data = b"".join(encode(meta, body, self.encryption))
        pull = str(head["Metadata"].get("pull", ""))
        failpoint("page-written")
        try:
            self.bucket.replace(key, data, head["ETag"], pull=pull)
        except PreconditionFailed:
            raise self.bucket.error(
                f"page {meta.page} was changed by somebody else meanwhile", "Run again."
            ) from None
        failpoint("page-put")

    def _drop_versions(self, start: str, is_old: Callable[[str], bool]) -> list[str]:
        return self.bucket.delete_old_versions(is_old, start)

    def _check_rewriting(self) -> None:
        """Prove that this process still holds the lease for rewriting, if it took it."""
        if self._rewriting:
            self._rewriting.check()

    def _object_of(self, page: int) -> tuple[str, Mapping[str, Any]]:
        """Key and metadata of the object of *page*. :raises LandingError: it is missing."""

        def look(key: str) -> tuple[str, Mapping[str, Any]] | None:
            head = self.bucket.head(key)
            return (key, head) if head else None

        result = self._index.find(page, look)
        if result is None:
            raise self._missing(page)
        return result

    @cached_property
    def _cache(self) -> LocalCache:
        return LocalCache(self.identity)

    @cached_property
    def _in_flight(self) -> InFlightStore:
        return InFlightStore(
            self.bucket, self._cache.in_flight, self._pull, self.landed_by, self.encryption
        )

    def _new_lease(self, name: str = LOCK) -> Lease:
        owner = self._cache.owner
        return Lease(self.bucket, name, source=self.name, owner=owner, pull=self._pull)

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        """Raise errors of this machine's disk as :class:`LandingError`."""
        try:
            yield
        except OSError as error:
            raise LandingError(
                f"This machine has no place for pages under way to {self}: "
                f"{error.strerror or error} ({error.filename}).",
                "Make room there, or name another folder with XDG_CACHE_HOME.",
            ) from error
