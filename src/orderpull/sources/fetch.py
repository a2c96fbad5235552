"""Ask for one page, in one of two ways that differ in what a failure may cost.

* An ordinary API can be asked again, so failures are tried again, politely and within bounds.
* A consume-once API never gives an answer twice, so each request is noted before it is sent, its
  bytes are kept as they arrive, and only what was certainly not consumed is tried again.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from orderpull.errors import (
    Interrupted,
    PossibleLoss,
    SourceBusy,
    SourceError,
    SourceExpired,
    SourceRefused,
    SourceUnreachable,
)
from orderpull.failpoints import failpoint
from orderpull.landing.inflight import InFlightRequest
from orderpull.landing.protocol import SourceLanding
from orderpull.sources.endpoint import Endpoint, failure_text, is_ok, read_answer
from orderpull.sources.http.limits import Stop, backoff, cost_wait, retry_after
from orderpull.sources.http.messages import Request, Response, ResponseSink
from orderpull.sources.http.transport import gunzip_prefix
from orderpull.sources.paging.page_info import PageInfo, PageParser

log = logging.getLogger("orderpull.pull")

NOT_CONSUMED = frozenset({401, 403, 404, 429})
"""Answers of a consume-once API that certainly took no orders."""

MAX_WAIT = 900.0
"""Seconds: the longest wait an API may ask for within a run; beyond it the next run goes on."""

RESERVED_BYTES = 4 << 20
"""Bytes of the disk that are taken before a consume-once API is asked; or twice the largest page,
if that is more."""

_SUCCESS = range(200, 300)


@dataclass(slots=True)
class FetchedPage:
    """What asking brought.

    :param request: what was asked, as the landing keeps it.
    :param draft: the note of the request; to be discarded once the answer is kept.
    :param loss: whether orders may be lost with it.
    :param error: what ends the pull, once the answer is kept.
    """

    request: str
    response: Response
    info: PageInfo
    draft: InFlightRequest | None = None
    loss: bool = False
    error: SourceError | None = None


class PageFetcher(Protocol):
    """A way of asking."""

    def fetch(
        self,
        request: Request,
        page: int,
        reader: PageParser | None = None,
        tries: int | None = None,
    ) -> FetchedPage:
        """Ask for what will be landed as *page*.

        :param reader: reads the answer, if it is no list of orders.
        :param tries: how often; as the API file says, unless given.

        :raises SourceError: nothing came that is to be kept.
        :raises Interrupted: a stop was asked for meanwhile; nothing is in flight.
        """
        ...


class RetryPolicy:
    """When the next request may go out: not too soon, and not after a stop was asked for.

    :param since: when the run's pull began, in ``time.monotonic`` seconds.
    """

    def __init__(self, endpoint: Endpoint, stop: Stop, since: float) -> None:
        self.endpoint = endpoint
        self.stop = stop
        self.since = since
        self.limit = endpoint.limit

    def wait_for_slot(self) -> None:
        """Wait until a request may go out. :raises Interrupted: a stop was asked for."""
        self.sleep(0)
        self.limit.wait(self.sleep)

    def wait_before_retry(
        self, error: SourceError, asked: float | None, tried: int, tries: int | None = None
    ) -> None:
        """Wait before a request is tried again; raise *error* if it is not to be.

        :param asked: seconds that the API asks to wait.
        :param tried: how often it was tried.
        :param tries: how often it may be; as the API file says, unless given.
        :raises SourceBusy: the API asks for more than this run may wait.
        """
        if isinstance(error, SourceRefused) or tried >= (tries or self.endpoint.api.limits.tries):
            raise error
        seconds = backoff(tried) if asked is None else asked
        if seconds > self._remaining_wait():
            raise SourceBusy(
                f"{self.endpoint.where} asks to wait {seconds:.0f} s, longer than this run may.",
                "The next run goes on from here.",
            )
        log.warning("source=%s try=%d wait=%.1fs: %s",
                    self.endpoint.name, tried, seconds, error.message)  # fmt: skip
        if asked is not None and self.limit.shared:
            self.limit.pause_for(seconds)
        self.sleep(seconds)

    def _remaining_wait(self) -> float:
        """Seconds that this run may still wait."""
        most = self.endpoint.settings.max_seconds
        return MAX_WAIT if most is None else most - (time.monotonic() - self.since)

    def sleep(self, seconds: float) -> bool:
        """Sleep *seconds* and return False. :raises Interrupted: a stop was requested."""
        if self.stop.wait(seconds) if seconds else self.stop.requested:
            raise Interrupted(self.stop.signal)
        return False


class RetryingFetcher:
    """An ordinary API: what fails is asked again."""

    def __init__(self, endpoint: Endpoint, policy: RetryPolicy) -> None:
        self.endpoint = endpoint
        self.policy = policy
        self.reader = PageParser(endpoint.api)

    def fetch(
        self,
        request: Request,
        page: int,  # noqa: ARG002 - nothing is noted before
        reader: PageParser | None = None,
        tries: int | None = None,
    ) -> FetchedPage:
        """Ask until a whole list of orders comes, or tries are used up.

        What is wrong inside single orders, time and again, is theirs: the page is taken then.

        :param reader: reads the answer, if it is no list of orders.
        :param tries: how often; as the API file says, unless given.
        """
        limits, renewed = self.endpoint.api.limits, False
        tries = tries or limits.tries
        tried = 0
        while True:
            tried += 1
            self.policy.wait_for_slot()
            failpoint("before-request")
            wait: float | None = None
            try:
                response = self.endpoint.exchange(request, ResponseSink())
            except (SourceUnreachable, SourceBusy) as not_asked:
                error: SourceError = not_asked
            else:
                failpoint("after-response")
                info = read_answer(response, reader or self.reader)
                if is_ok(response, info) and (info.is_json or tried == tries):
                    self._pause_for_cost(info)
                    return FetchedPage(self.endpoint.describe(request), response, info)
                error = self.endpoint.error_for(response, info)
                wait = retry_after(response.headers, limits, info.cost)
            if isinstance(error, SourceExpired) and not renewed:
                renewed = self.endpoint.authenticator.renew()
                if renewed:
                    tried -= 1
                    continue
            self.policy.wait_before_retry(error, wait, tried, tries)

    def _pause_for_cost(self, info: PageInfo) -> None:
        """Wait for the budget, where the next such request would not fit into it."""
        if info.cost is not None:
            self.policy.limit.pause_for(cost_wait(info.cost))


class ConsumeOnceFetcher:
    """A consume-once API: one request in flight, noted, never repeated if it may have counted."""

    def __init__(self, endpoint: Endpoint, policy: RetryPolicy, landing: SourceLanding) -> None:
        self.endpoint = endpoint
        self.policy = policy
        self.landing = landing
        self.reader = PageParser(endpoint.api)
        self.reserved = RESERVED_BYTES

    def fetch(
        self,
        request: Request,
        page: int,
        reader: PageParser | None = None,  # noqa: ARG002 - a consume-once API has orders alone
        tries: int | None = None,  # noqa: ARG002 - and is never asked for less of them
    ) -> FetchedPage:
        """Ask until an answer comes that may have consumed orders."""
        tried, renewed = 0, False
        while True:
            tried += 1
            self.policy.wait_for_slot()
            signed = self.endpoint.authenticated(request)
            draft = self.landing.begin_request(page, self.endpoint.describe(request), self.reserved)
            failpoint("before-request")
            wait: float | None = None
            try:
                response = self.endpoint.send(signed, _DraftRecorder(draft))
            except SourceUnreachable as unreachable:
                error: SourceError = unreachable
            else:
                failpoint("after-response")
                draft.mark_complete()
                if response.status not in NOT_CONSUMED:
                    self.reserved = max(self.reserved, 2 * len(response.body))
                    return self._classify(draft, response)
                error = self.endpoint.error_for(response, self.reader.parse(response.body))
                wait = retry_after(response.headers, self.endpoint.api.limits)
            draft.discard()
            if isinstance(error, SourceExpired) and not renewed:
                renewed = self.endpoint.authenticator.renew()
                if renewed:
                    continue
            self.policy.wait_before_retry(error, wait, tried)

    def recover(self, draft: InFlightRequest) -> FetchedPage | None:
        """What a request that a kill left in flight brought; None if certainly nothing."""
        if draft.status in NOT_CONSUMED:
            return None
        fetched = self._classify(draft, Response(draft.status, {}, gunzip_prefix(draft.body)))
        if not fetched.loss:
            fetched.error = None
            return fetched
        fetched.response.problem = "the process ended meanwhile"
        fetched.error = PossibleLoss(
            f"A process was killed while {self.endpoint.where} answered; "
            f"{_kept_bytes(fetched.response, draft.page)}.",
            _COMPARE,
        )
        return fetched

    def _classify(self, draft: InFlightRequest, response: Response) -> FetchedPage:
        """What *answer* is: orders, something else in whole JSON, or a possible loss."""
        info = self.reader.parse(response.body)
        fetched = FetchedPage(draft.request, response, info, draft)
        if response.status not in _SUCCESS or not info.is_json:
            fetched.loss = True
            fetched.error = PossibleLoss(
                f"{self.endpoint.where} did not answer whole ({failure_text(response, info)}); "
                f"{_kept_bytes(response, draft.page)}.",
                _COMPARE,
            )
        elif not info.has_records:
            fetched.error = self.endpoint.error_for(response, info)
        return fetched


class _DraftRecorder(ResponseSink):
    """Writes an answer into its draft as it arrives.

    A disk that cannot take it is no fault of the answer: the rest is read all the same, since the
    page may yet find its place. The draft ends there then, without a hole.
    """

    def __init__(self, draft: InFlightRequest) -> None:
        self.draft: InFlightRequest | None = draft

    def answered(self, status: int) -> None:
        failpoint("request-sent")
        self._note(lambda draft: draft.answered(status))

    def write(self, chunk: bytes) -> None:
        self._note(lambda draft: draft.write(chunk))

    def _note(self, note: Callable[[InFlightRequest], None]) -> None:
        if self.draft is None:
            return
        try:
            note(self.draft)
        except OSError as error:
            log.warning("page=%d in flight cannot be written: %s", self.draft.page, error.strerror)
            self.draft = None


def _kept_bytes(response: Response, page: int) -> str:
    size = len(response.body)
    return f"{size} bytes arrived and are kept as page {page}" if size else "no byte arrived"


_COMPARE = "Orders may be lost: compare with the shop, then run again."
