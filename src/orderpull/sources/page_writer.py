"""Land the pages of a pull in order, each while the request for the next one is out."""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from orderpull import clock
from orderpull.errors import OrderpullError
from orderpull.failpoints import failpoint
from orderpull.landing.page import PageMeta, digest
from orderpull.landing.protocol import SourceLanding
from orderpull.sources.compact import DecodedPage
from orderpull.sources.eta import Estimate

Redact = Callable[[PageMeta, bytes], tuple[PageMeta, bytes] | None]
"""Redacts the forgotten orders of a page; returns None for a page without them."""

log = logging.getLogger("orderpull.pull")


@dataclass
class PullResult:
    """The result of a pull of one source.

    :param pages: numbers of the landed pages, including recovered ones.
    :param orders: number of orders in *pages*, as far as they could be counted.
    :param possible_loss: numbers of the pages with a possible loss of orders.
    :param cursor: modification time up to which the API has been read.
    :param finished_at: time at which the last page was read (UTC); None before.
    :param error: exception that stopped the pull.
    :param left: estimate of the rest, if the API reports a total.
    :param notes: what a person should know of the responses.
    """

    pages: list[int] = field(default_factory=list)
    orders: int = 0
    possible_loss: list[int] = field(default_factory=list)
    cursor: str | None = None
    finished_at: datetime | None = None
    error: OrderpullError | None = None
    left: Estimate | None = None
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class HeldPage:
    """A page that is to be landed.

    :param facts: fields of its :class:`PageMeta`, without hash.
    :param landed: called once it is durable.
    :param decoded: its orders, decoded for the loader.
    """

    body: bytes
    facts: dict[str, Any]
    landed: Callable[[], None]
    decoded: DecodedPage | None = None


class PageWriter:
    """Lands the pages of one pull, one after the other.

    A page of an API that returns its orders again may be held until the next request: another
    thread compresses and lands it while that request is out. A page counts once it is durable.

    :param next_page: number of the first page.
    :param result: receives each landed page.
    :param on_page: called after each landed page.
    :param hand_over: called with each decoded page once it is durable.
    :param redact: redacts forgotten orders; None: nobody is forgotten.
    :ivar next_page: number of the next page.
    """

    def __init__(
        self,
        landing: SourceLanding,
        next_page: int,
        result: PullResult,
        on_page: Callable[[PullResult], None],
        hand_over: Callable[[DecodedPage, int], None] = lambda *_: None,
        *,
        redact: Redact | None = None,
    ) -> None:
        self.next_page = next_page
        self._landing = landing
        self._result = result
        self._on_page = on_page
        self._hand_over = hand_over
        self._redact = redact
        self._held: HeldPage | None = None
        self._running: Future[PageMeta] | None = None
        self._thread: ThreadPoolExecutor | None = None

    @property
    def pages(self) -> int:
        """Number of pages so far, with the one that is held."""
        return len(self._result.pages) + (self._held is not None)

    def land(self, body: bytes, **more: Any) -> None:  # noqa: ANN401
        """Land a page now. Parameters as :meth:`hold`."""
        self.hold(body, **more)
        self.finish()

    def hold(
        self,
        body: bytes,
        landed: Callable[[], None] = lambda: None,
        decoded: DecodedPage | None = None,
        **facts: Any,  # noqa: ANN401
    ) -> None:
        """Land a page with the next request, or when :meth:`finish` is called.

        :param landed: called once the page is durable.
        :param decoded: its orders, decoded for the loader.
        :param facts: fields of :class:`PageMeta`.
        """
        self.finish()
        facts = {"source": self._landing.name, "page": self.next_page, "size": len(body),
                 "received_at": clock.iso(clock.now()), **facts}  # fmt: skip
        self.next_page = facts["page"] + 1
        self._held = HeldPage(body, facts, landed, decoded)

    @contextmanager
    def meanwhile(self) -> Iterator[None]:
        """Land the held page in another thread while the caller sends a request."""
        if self._held is not None:
            self._thread = self._thread or ThreadPoolExecutor(1, "land")
            self._running = self._thread.submit(
                copy_context().run, partial(self._store, self._held, waits=True)
            )
        try:
            yield
        finally:
            self.finish()

    def finish(self) -> None:
        """Wait until the held page is durable, and count it.

        :raises LandingError: it could not be landed.
        """
        held, running = self._held, self._running
        self._held = self._running = None
        if held is None:
            return
        meta = running.result() if running else self._store(held)
        result = self._result
        result.pages.append(meta.page)
        result.orders += meta.orders
        result.cursor = meta.cursor_after or result.cursor
        if meta.possible_loss:
            result.possible_loss.append(meta.page)
        log.info("source=%s page=%d state=%s orders=%d bytes=%d",
                 meta.source, meta.page, meta.state, meta.orders, meta.size)  # fmt: skip
        held.landed()
        self._on_page(result)

    def close(self) -> None:
        """Land the held page, and end the thread."""
        try:
            self.finish()
        finally:
            if self._thread is not None:
                self._thread.shutdown()

    def _store(self, held: HeldPage, *, waits: bool = False) -> PageMeta:
        """Land *held* durably. :param waits: the next request is sent meanwhile."""
        if waits:
            failpoint("page-waits")
        meta = PageMeta(sha256=digest(held.body), **held.facts)
        redacted = self._redact(meta, held.body) if self._redact else None
        if redacted is not None:  # its decoded orders name the person
            self._landing.land(*redacted)
            return redacted[0]
        self._landing.land(meta, held.body)
        if held.decoded is not None:
            self._hand_over(held.decoded, meta.page)
        return meta
