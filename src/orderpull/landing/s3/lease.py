"""The right to pull a source into a bucket: an object that runs out unless it is renewed.

Every step is a put under a condition, so of two that try the store lets one through. How old a
lease is tells the store's own clock (``Date`` less ``Last-Modified``): no machine's clock matters.
"""

import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
from msgspec import Struct

from orderpull.errors import LandingBusy, LandingError
from orderpull.s3 import Bucket, PreconditionFailed

log = logging.getLogger("orderpull.landing")

SECONDS = 90.0
"""How long a lease is good after it was last renewed; so long does a killed process' lease last."""

RENEW_SECONDS = 20.0
"""How often a process that pulls renews it, also while it waits for an API."""

_MARGIN_SECONDS = 15.0


class _Lease(Struct):
    """What the object holds.

    :param owner: the folder whose locks tell processes apart; '' once it was given back.
    :param pull: which pull holds it.
    :param seconds: how long it is good after it was put.
    """

    owner: str
    pull: str
    host: str
    pid: int
    seconds: float
    renewed: int = 0


class Lease:
    """The lease at *key* of *bucket*, as one pull sees it.

    :param source: the source's name, for messages.
    :param owner: as in :attr:`LocalCache.owner`: whoever asks must hold that folder's lock.
    :param pull: a name for this pull.
    """

    def __init__(self, bucket: Bucket, key: str, *, source: str, owner: str, pull: str) -> None:
        self._bucket = bucket
        self._key = key
        self._source = source
        self._mine = _Lease(owner, pull, socket.gethostname(), os.getpid(), SECONDS)
        self._etag = ""
        self._renewed_at = 0.0
        self._lost = False
        self._turn = threading.Lock()

    def holder(self) -> str | None:
        """Who else holds the lease, as words with the time that is left; None if nobody does.

        A process of this machine holds its folder's lock, too, so that its own lease says nothing.
        """
        return self._look()[0]

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lease, renewing it meanwhile. :raises LandingBusy: another machine does."""
        self._take()
        ended = threading.Event()
        renewing = threading.Thread(target=self._renew_until, args=(ended,), daemon=True)
        renewing.start()
        try:
            yield
        finally:
            ended.set()
            renewing.join()
            self._give_back()

    def check(self) -> None:
        """Prove that the lease is still ours. :raises LandingBusy: it is not, or may not be."""
        with self._turn:
            if not self._lost and time.monotonic() > self._renewed_at + RENEW_SECONDS:
                self._renew()
            if self._lost or time.monotonic() > self._renewed_at + SECONDS - _MARGIN_SECONDS:
                raise LandingBusy(
                    f"This process was too slow to renew its right to pull source "
                    f"{self._source!r} into {self._bucket}; another may be pulling now.",
                    "What was pulled is kept. Run again; one puller at a time keeps orders whole.",
                )

    def _take(self) -> None:
        holder, etag = self._look()
        if holder:
            raise self._busy(holder)
        began = time.monotonic()
        data = msgspec.json.encode(self._mine)
        try:
            self._etag = (
                self._bucket.replace(self._key, data, etag)
                if etag
                else self._bucket.create(self._key, data)
            )
        except PreconditionFailed:
            raise self._busy(self._look()[0] or "which came first") from None
        self._renewed_at = began

    def _look(self) -> tuple[str | None, str]:
        """Who else holds it, if anyone; and the etag of what is there."""
        found = self._bucket.get(self._key)
        if found is None:
            return None, ""
        try:
            lease = msgspec.json.decode(found.data, type=_Lease)
        except msgspec.DecodeError:
            return None, found.etag
        left = lease.seconds - found.age
        if not lease.owner or lease.owner == self._mine.owner or left < 0:
            return None, found.etag
        return f"pid {lease.pid} on {lease.host}; if it is gone, wait {left + 1:.0f} s", found.etag

    def _renew(self) -> None:
        """Put it once more, if it is still what we put last."""
        began = time.monotonic()
        self._mine.renewed += 1
        try:
            data = msgspec.json.encode(self._mine)
            self._etag = self._bucket.replace(self._key, data, self._etag)
        except PreconditionFailed:
            self._lost = True
        except LandingError as error:
            log.warning("source=%s lease not renewed: %s", self._source, error.message)
        else:
            self._renewed_at = began

    def _renew_until(self, ended: threading.Event) -> None:
        while not ended.wait(RENEW_SECONDS):
            with self._turn:
                if not self._lost:
                    self._renew()

    def _give_back(self) -> None:
        """Let the next one have it at once; if that fails, it runs out."""
        if self._lost:
            return
        self._mine.owner = ""
        try:
            self._bucket.replace(self._key, msgspec.json.encode(self._mine), self._etag)
        except (PreconditionFailed, LandingError) as error:
            log.warning("source=%s lease not given back: %s", self._source, error)

    def _busy(self, holder: str) -> LandingBusy:
        return LandingBusy(
            f"Another orderpull ({holder}) is pulling source {self._source!r} into {self._bucket}.",
            "Let it finish; one puller at a time keeps orders whole.",
        )
