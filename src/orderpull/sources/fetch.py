"""Fetch one page, with retries.

* :class:`RetryingFetcher` retries failures with back-off; an ordinary API returns the page again.
* :class:`ConsumeOnceFetcher` is for APIs that return each order once. It notes each request before
  sending it and saves the bytes while they arrive. It retries only requests that certainly consumed
  no orders.
"""

import logging
import time
from collections.abc import Callable, Generator
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
from orderpull.sources.endpoint import Endpoint, failure_text, is_ok, parse_response
from orderpull.sources.http.limits import Stop, backoff, cost_wait, retry_after
from orderpull.sources.http.messages import Request, Response, ResponseSink
from orderpull.sources.http.transport import gunzip_prefix
from orderpull.sources.paging.flows import PageRequest, drive
from orderpull.sources.paging.page_info import PageInfo, PageParser
from orderpull.sources.spec.blocks import RequestSpec

log = logging.getLogger("orderpull.pull")

NOT_CONSUMED = frozenset({401, 403, 404, 429})
"""Statuses with which a consume-once API certainly consumed no orders."""

MAX_WAIT = 900.0
"""Longest wait before a retry, in seconds; for a longer one the run ends and the next continues."""

RESERVED_BYTES = 4 << 20
"""Least disk space that is reserved before a consume-once request, in bytes.

Twice the largest response so far is reserved if that is more.
"""

_SUCCESS = range(200, 300)


@dataclass(slots=True)
class FetchedPage:
    """A fetched page: the response and its parsed info.

    :param request: method and URL, without secrets.
    :param draft: the request in flight, to be discarded once the response is landed.
    :param loss: orders may be lost with this response.
    :param error: exception to raise once the response is landed.
    """

    request: str
    response: Response
    info: PageInfo
    draft: InFlightRequest | None = None
    loss: bool = False
    error: SourceError | None = None


class PageFetcher(Protocol):
    """Fetches one page."""

    def fetch(
        self,
        request: Request,
        page: int,
        parser: PageParser | None = None,
        tries: int | None = None,
    ) -> FetchedPage:
        """Fetch the response that will be landed as *page*.

        :param parser: parser of the response; None: the parser of order pages.
        :param tries: most attempts; None: ``[limits]`` ``tries``.
        :raises SourceError: there is no response to land.
        :raises Interrupted: a stop was requested; no request is in flight.
        """
        ...


def fetch_list(
    endpoint: Endpoint,
    fetcher: PageFetcher,
    flow: Generator[PageRequest, PageInfo, None],
    page: int,
    *,
    parser: PageParser,
    spec: RequestSpec,
) -> list[FetchedPage]:
    """Fetch all pages of *flow*; a page identical to the page before is dropped.

    :param page: number of the page to land the list as, or with.
    :param parser: parser of the responses.
    :param spec: request block of the list.
    """
    pages: list[FetchedPage] = []

    def fetch(page_request: PageRequest) -> PageInfo:
        request = endpoint.request(page_request, spec)
        fetched = fetcher.fetch(request, page, parser, page_request.tries)
        if not pages or fetched.response.body != pages[-1].response.body:
            pages.append(fetched)
        return fetched.info

    drive(flow, fetch)
    return pages


class RetryPolicy:
    """Rate limit, retries with back-off, and waits that end when a stop is requested.

    :param started: start of the pull, in ``time.monotonic`` seconds.
    """

    def __init__(self, endpoint: Endpoint, stop: Stop, started: float) -> None:
        self.endpoint = endpoint
        self.stop = stop
        self.started = started
        self.limit = endpoint.limit

    def wait_for_slot(self) -> None:
        """Wait until the rate limit allows a request. :raises Interrupted: a stop was requested."""
        self.sleep(0)
        self.limit.wait(self.sleep)

    def wait_before_retry(
        self, error: SourceError, retry_after: float | None, attempt: int, tries: int | None = None
    ) -> None:
        """Wait before a retry, or raise *error* if there is no retry.

        :param retry_after: seconds that the API requests; None: back off exponentially.
        :param attempt: number of attempts so far.
        :param tries: most attempts; None: ``[limits]`` ``tries``.
        :raises SourceBusy: the wait is longer than this run may wait.
        """
        if isinstance(error, SourceRefused) or attempt >= (tries or self.endpoint.api.limits.tries):
            raise error
        seconds = backoff(attempt) if retry_after is None else retry_after
        if seconds > self._remaining_wait():
            raise SourceBusy(
                f"{self.endpoint.where} asks to wait {seconds:.0f} s, longer than this run may.",
                "The next run goes on from here.",
            )
        log.warning("source=%s try=%d wait=%.1fs: %s",
                    self.endpoint.name, attempt, seconds, error.message)  # fmt: skip
        if retry_after is not None and self.limit.shared:
            self.limit.pause_for(seconds)
        self.sleep(seconds)

    def _remaining_wait(self) -> float:
        """Longest wait that this run still allows, in seconds."""
        seconds = self.endpoint.settings.max_seconds
        return MAX_WAIT if seconds is None else seconds - (time.monotonic() - self.started)

    def sleep(self, seconds: float) -> bool:
        """Sleep *seconds* and return False. :raises Interrupted: a stop was requested."""
        if self.stop.wait(seconds) if seconds else self.stop.requested:
            raise Interrupted(self.stop.signal)
        return False


class RetryingFetcher:
    """Fetches pages of an ordinary API and retries failed requests."""

    def __init__(self, endpoint: Endpoint, policy: RetryPolicy) -> None:
        self.endpoint = endpoint
        self.policy = policy
        self.parser = PageParser(endpoint.api)

    def fetch(
        self,
        request: Request,
        page: int,  # noqa: ARG002 - only a consume-once request is noted by its page
        parser: PageParser | None = None,
        tries: int | None = None,
    ) -> FetchedPage:
        """Retry until a complete list of orders arrives or the attempts are used up.

        The last attempt accepts a page with invalid JSON inside single orders.
        """
        limits, renewed = self.endpoint.api.limits, False
        tries = tries or limits.tries
        attempt = 0
        while True:
            attempt += 1
            self.policy.wait_for_slot()
            failpoint("before-request")
            wait: float | None = None
            try:
                response = self.endpoint.exchange(request, ResponseSink())
            except (SourceUnreachable, SourceBusy) as not_sent:
                error: SourceError = not_sent
            else:
                failpoint("after-response")
                info = parse_response(response, parser or self.parser)
                if is_ok(response, info) and (info.is_json or attempt == tries):
                    self._pause_for_cost(info)
                    return FetchedPage(self.endpoint.describe(request), response, info)
                error = self.endpoint.error_for(response, info)
                wait = retry_after(response.headers, limits, info.cost)
            if isinstance(error, SourceExpired) and not renewed:
                renewed = self.endpoint.authenticator.renew()
                if renewed:
                    attempt -= 1
                    continue
            self.policy.wait_before_retry(error, wait, attempt, tries)

    def _pause_for_cost(self, info: PageInfo) -> None:
        """Pause until the API's cost budget covers the same request again."""
        if info.cost is not None:
            self.policy.limit.pause_for(cost_wait(info.cost))


class ConsumeOnceFetcher:
    """Fetches pages of a consume-once API; retries only requests that consumed no orders.

    Each request is noted in the landing before it is sent; one request at a time is in flight.
    """

    def __init__(self, endpoint: Endpoint, policy: RetryPolicy, landing: SourceLanding) -> None:
        self.endpoint = endpoint
        self.policy = policy
        self.landing = landing
        self.parser = PageParser(endpoint.api)
        self.reserved = RESERVED_BYTES

    def fetch(
        self,
        request: Request,
        page: int,
        parser: PageParser | None = None,  # noqa: ARG002 - a consume-once API has order pages only
        tries: int | None = None,  # noqa: ARG002 - retries depend on the status only
    ) -> FetchedPage:
        """Retry until a response arrives that may have consumed orders."""
        attempt, renewed = 0, False
        while True:
            attempt += 1
            self.policy.wait_for_slot()
            authenticated = self.endpoint.authenticate(request)
            draft = self.landing.begin_request(page, self.endpoint.describe(request), self.reserved)
            failpoint("before-request")
            wait: float | None = None
            try:
                response = self.endpoint.send(authenticated, _DraftRecorder(draft))
            except SourceUnreachable as unreachable:
                error: SourceError = unreachable
            else:
                failpoint("after-response")
                draft.mark_complete()
                if response.status not in NOT_CONSUMED:
                    self.reserved = max(self.reserved, 2 * len(response.body))
                    return self._fetched_page(draft, response)
                error = self.endpoint.error_for(response, self.parser.parse(response.body))
                wait = retry_after(response.headers, self.endpoint.api.limits)
            draft.discard()
            if isinstance(error, SourceExpired) and not renewed:
                renewed = self.endpoint.authenticator.renew()
                if renewed:
                    continue
            self.policy.wait_before_retry(error, wait, attempt)

    def recover(self, draft: InFlightRequest) -> FetchedPage | None:
        """The page of a request that a kill left in flight; None if it consumed no orders."""
        if draft.status in NOT_CONSUMED:
            return None
        fetched = self._fetched_page(draft, Response(draft.status, {}, gunzip_prefix(draft.body)))
        if not fetched.loss:
            fetched.error = None
            return fetched
        fetched.response.problem = "the process was killed meanwhile"
        fetched.error = PossibleLoss(
            f"A process was killed during a response of {self.endpoint.where}; "
            f"{_kept_bytes(fetched.response, draft.page)}.",
            _COMPARE,
        )
        return fetched

    def _fetched_page(self, draft: InFlightRequest, response: Response) -> FetchedPage:
        """The page of *response*: orders, an error in valid JSON, or a possible loss of orders."""
        info = self.parser.parse(response.body)
        fetched = FetchedPage(draft.request, response, info, draft)
        if response.status not in _SUCCESS or not info.is_json:
            fetched.loss = True
            fetched.error = PossibleLoss(
                f"{self.endpoint.where} did not answer in full ({failure_text(response, info)}); "
                f"{_kept_bytes(response, draft.page)}.",
                _COMPARE,
            )
        elif not info.has_records:
            fetched.error = self.endpoint.error_for(response, info)
        return fetched


class _DraftRecorder(ResponseSink):
    """Writes a response into its draft while it arrives.

    If the disk is full, the draft ends at that byte. The rest of the response is still received,
    because the landing may have space for the page later.
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
