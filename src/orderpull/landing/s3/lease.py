"""The lease of the process that pulls a source into a bucket: an object that expires.

Every change is a conditional put, so that the store lets only one of two processes through. The
age of a lease is ``Date`` less ``Last-Modified``, both from the store's clock; the clocks of the
machines have no influence.
"""

import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import msgspec
from msgspec import Struct

from orderpull import clock
from orderpull.errors import LandingBusy, LandingError
from orderpull.landing.lock import Holder, LockState
from orderpull.landing.protocol import REWRITING, busy
from orderpull.s3 import Bucket, PreconditionFailed

log = logging.getLogger("orderpull.landing")

SECONDS = 90.0
"""Lifetime of a lease after its last renewal. The lease of a killed process lasts as long."""

RENEW_SECONDS = 20.0
"""Interval between renewals; a pull also renews while it waits for an API."""

_MARGIN_SECONDS = 15.0


class _Lease(Struct):
    """Content of the object.

    :param owner: :attr:`LocalCache.owner` of the holder; '' after the lease was released.
    :param pull: id of the pull that holds the lease.
    :param seconds: lifetime after the put.
    :param since: UTC, by the holder's clock.
    """

    owner: str
    pull: str
    host: str
    pid: int
    seconds: float
    renewed: int = 0
    since: datetime | None = None


class Lease:
    """The lease at *key* of *bucket*, as one pull sees it.

    :param source: the source's name, for messages.
    :param owner: :attr:`LocalCache.owner`; the caller holds that folder's lock.
    :param pull: id of this pull.
    """

    def __init__(self, bucket: Bucket, key: str, *, source: str, owner: str, pull: str) -> None:
        self._bucket = bucket
        self._key = key
        self._source = source
        me = (socket.gethostname(), os.getpid())
        self._mine = _Lease(owner, pull, *me, SECONDS, since=clock.now())
        self._etag = ""
        self._renewed_at = 0.0
        self._lost = False
        self._renewing = threading.Lock()

    def state(self) -> LockState:
        """Another machine's process that holds the lease, or a process that was killed with it.

        A lease of this machine is not held: its processes also hold the folder's lock.
        """
        holder, _, lease = self._look()
        if lease is None or not lease.owner:
            return LockState(held=False)
        return LockState(holder is not None, Holder(lease.pid, lease.host, lease.since))

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lease and renew it in a thread.

        :raises LandingBusy: another machine holds the lease.
        """
        self._take()
        ended = threading.Event()
        renewing = threading.Thread(target=self._renew_until, args=(ended,), daemon=True)
        renewing.start()
        try:
            yield
        finally:
            ended.set()
            renewing.join()
            self._release()

    def check(self) -> None:
        """Prove that this pull still holds the lease.

        :raises LandingBusy: the lease is lost or close to its end.
        """
        with self._renewing:
            if not self._lost and time.monotonic() > self._renewed_at + RENEW_SECONDS:
                self._renew()
            if self._lost or time.monotonic() > self._renewed_at + SECONDS - _MARGIN_SECONDS:
                rewrites = self._key == REWRITING
                right, other = ("rewrite", "rewriting") if rewrites else ("pull", "pulling")
                raise LandingBusy(
                    f"This process was too slow to renew its right to {right} source "
                    f"{self._source!r} into {self._bucket}; another may be {other} now.",
                    "Run again."
                    if rewrites
                    else "What was pulled is kept. Run again; one puller at a time keeps orders "
                    "whole.",
                )

    def _take(self) -> None:
        holder, self._etag, _ = self._look()
        if holder:
            raise busy(holder, self._source, self._bucket, self._key)
        try:
            self._put()
        except PreconditionFailed:
            holder = self._look()[0] or "which came first"
            raise busy(holder, self._source, self._bucket, self._key) from None

    def _put(self) -> None:
        """Put the lease if the object is still the one of the last look or put."""
        began, data = time.monotonic(), msgspec.json.encode(self._mine)
        if self._etag:
            self._etag = self._bucket.replace(self._key, data, self._etag)
        else:
            self._etag = self._bucket.create(self._key, data)
        self._renewed_at = began

    def _look(self) -> tuple[str | None, str, _Lease | None]:
        """Description of another holder, if any, the object's etag, and its content."""
        current = self._bucket.get(self._key)
        if current is None:
            return None, "", None
        try:
            lease = msgspec.json.decode(current.data, type=_Lease)
        except msgspec.DecodeError:
            return None, current.etag, None
        left = lease.seconds - current.age
        if not lease.owner or lease.owner == self._mine.owner or left < 0:
            return None, current.etag, lease
        holder = f"pid {lease.pid} on {lease.host}; if it is gone, wait {left + 1:.0f} s"
        return holder, current.etag, lease

    def _renew(self) -> None:
        """Put the lease again, unless another process has replaced it."""
        self._mine.renewed += 1
        try:
            self._put()
        except PreconditionFailed:
            self._lost = True
        except LandingError as error:
            log.warning("source=%s lease not renewed: %s", self._source, error.message)

    def _renew_until(self, ended: threading.Event) -> None:
        while not ended.wait(RENEW_SECONDS):
            with self._renewing:
                if not self._lost:
                    self._renew()

    def _release(self) -> None:
        """Free the lease for the next process; if that fails, the lease expires."""
        if self._lost:
            return
        self._mine.owner = ""
        try:
            self._put()
        except (PreconditionFailed, LandingError) as error:
            log.warning("source=%s lease not given back: %s", self._source, error)
