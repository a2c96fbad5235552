"""Fetch one page, with retries.

Failures are retried with back-off, because an ordinary API returns the page again. A consume-once
API returns each order once. Each request to it is noted before it is sent, and the bytes are saved
while they arrive; only a request that certainly consumed no orders is retried.
"""

import logging
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from datetime import datetime

from orderpull import clock, telemetry
from orderpull.errors import (
    Interrupted,
    PossibleLoss,
    SourceBroken,
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
from orderpull.sources.page_writer import PageWriter
from orderpull.sources.paging.flows import PageRequest, drive
from orderpull.sources.paging.page_info import PageInfo
from orderpull.sources.paging.page_parser import PageParser
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
    :param received_at: when it had arrived, UTC.
    """

    request: str
    response: Response
    info: PageInfo
    draft: InFlightRequest | None = None
    loss: bool = False
    error: SourceError | None = None
    received_at: datetime = field(default_factory=clock.now)

    @property
    def clock_ahead(self) -> int | None:
        """Seconds by which the API's clock is ahead of ours; None if the response does not tell.

        What a cache has kept does not tell.
        """
        headers = self.response.headers
        date = None if "age" in headers else clock.of_http(headers.get("date"))
        return None if date is None else round((date - self.received_at).total_seconds())


class LimitReached(Exception):
    """``max_pages`` or ``max_seconds`` is reached."""


class Fetcher:
    """Fetches the pages of one pull: rate limit, retries, and waits that end at a stop.

    :param landing: receives the requests in flight to a consume-once API.
    :param writer: lands the page before a request while that is out.
    :param stop: cancellation token of the pull.
    :param started: start of the pull, in ``time.monotonic`` seconds.
    :param for_loader: decode the orders for the loader, too.
    :ivar calls: responses so far that are pages, of orders or of child lists.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        landing: SourceLanding,
        writer: PageWriter,
        stop: Stop,
        started: float,
        *,
        for_loader: bool = False,
    ) -> None:
        self.endpoint = endpoint
        self.landing = landing
        self.writer = writer
        self.stop = stop
        self.started = started
        self.parser = PageParser(endpoint.api, for_loader=for_loader)
        self.reserved = RESERVED_BYTES
        self._partial_told = False
        self.calls = 0

    def fetch(
        self,
        request: Request,
        page: int,
        parser: PageParser | None = None,
        tries: int | None = None,
    ) -> FetchedPage:
        """Fetch the response that will be landed as *page*.

        The last attempt accepts a page with invalid JSON inside single orders. A request to a
        consume-once API is noted in the landing before it is sent; one at a time is in flight.

        :param parser: parser of the response; None: the parser of order pages.
        :param tries: most attempts while the API is broken; None: ``[limits]`` ``tries``.
        :raises SourceError: there is no response to land.
        :raises Interrupted: a stop was requested; no request is in flight.
        """
        most = self.endpoint.api.limits.tries
        attempt, renewed = 0, False
        while True:
            attempt += 1
            self.sleep(0)
            self.endpoint.limit.wait(self.sleep)
            last = attempt == most
            with telemetry.span(
                "page",
                source=self.endpoint.name,
                page=page,
                retry=attempt - 1,
                method=request.method,
                host=self.endpoint.client.host,
            ) as span:
                result = self._fetch_once(request, page, parser or self.parser, span, last=last)
                if not isinstance(result, FetchedPage):
                    span.fail(result[0])
            if isinstance(result, FetchedPage):
                self.calls += 1
                return result
            error, wait = result
            if isinstance(error, SourceExpired) and not renewed:
                renewed = self.endpoint.authenticator.renew()
                if renewed:
                    attempt -= 1
                    continue
            allowed = tries or most if isinstance(error, SourceBroken) else most
            if isinstance(error, SourceRefused) or attempt >= allowed:
                raise error
            self._wait_before_retry(error, wait, attempt)

    def _fetch_once(
        self, request: Request, page: int, parser: PageParser, span: telemetry.Span, *, last: bool
    ) -> FetchedPage | tuple[SourceError, float | None]:
        """Send *request* once; return its page, or the error and the seconds to wait."""
        endpoint, described = self.endpoint, self.endpoint.describe(request)
        draft: InFlightRequest | None = None
        try:
            authenticated = endpoint.authenticate(request)
            if endpoint.api.consume_once:
                draft = self.landing.begin_request(page, described, self.reserved)
            failpoint("before-request")
            with self.writer.meanwhile():
                response = endpoint.send(authenticated, draft or ResponseSink())
        except (SourceUnreachable, SourceBusy) as not_sent:
            if draft:
                draft.discard()
            return not_sent, None
        failpoint("after-response")
        span.set(status=response.status, bytes=len(response.body))
        if draft:
            draft.mark_complete()
            if response.status not in NOT_CONSUMED:
                self.reserved = max(self.reserved, 2 * len(response.body))
                return self._consumed_page(draft, response)
            draft.discard()
        info = parse_response(response, parser)
        if is_ok(response, info) and (info.is_json or last):
            endpoint.check_headers(response)
            self._tell_partial(info)
            if info.cost is not None:
                endpoint.limit.pause_for(cost_wait(info.cost))
            return FetchedPage(described, response, info)
        wait = retry_after(response.headers, endpoint.api.limits, info.cost)
        return endpoint.error_for(response, info, request), wait

    def _tell_partial(self, info: PageInfo) -> None:
        """Log once that fields of the orders are denied."""
        if info.error and not self._partial_told:
            self._partial_told = True
            detail = self.endpoint.detail(info.error_message)
            log.warning("source=%s the orders come without %s%s. %s", self.endpoint.name,
                        ", ".join(info.error.fields), detail, info.error.hint or "")  # fmt: skip

    def fetch_list(
        self,
        flow: Generator[PageRequest, PageInfo, object],
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
            request = self.endpoint.request(page_request, spec)
            fetched = self.fetch(request, page, parser, page_request.tries)
            if not pages or fetched.response.body != pages[-1].response.body:
                pages.append(fetched)
            return fetched.info

        drive(flow, fetch)
        return pages

    def sleep(self, seconds: float) -> bool:
        """Sleep *seconds* and return False. :raises Interrupted: a stop was requested."""
        if seconds:
            self.writer.finish()
        if self.stop.wait(seconds) if seconds else self.stop.requested:
            raise Interrupted(self.stop.signal)
        return False

    @property
    def seconds_left(self) -> float | None:
        """Seconds until ``max_seconds`` of this run; None without that limit."""
        longest = self.endpoint.settings.max_seconds
        return None if longest is None else longest - (time.monotonic() - self.started)

    def _wait_before_retry(self, error: SourceError, wait: float | None, attempt: int) -> None:
        """Wait before a retry.

        :param wait: seconds that the API requests; None: back off exponentially.
        :param attempt: number of attempts so far.
        :raises SourceBusy: the wait is longer than this run may wait.
        """
        endpoint, left = self.endpoint, self.seconds_left
        seconds = backoff(attempt) if wait is None else wait
        if seconds > (MAX_WAIT if left is None else left):
            raise SourceBusy(
                f"{endpoint.where} asks to wait {seconds:.0f} s, longer than this run may.",
                "The next run goes on from here.",
            )
        log.warning("source=%s try=%d wait=%.1fs: %s",
                    endpoint.name, attempt, seconds, error.message)  # fmt: skip
        if wait is not None and endpoint.limit.shared:
            endpoint.limit.pause_for(seconds)
        self.sleep(seconds)

    def recover(self, draft: InFlightRequest) -> FetchedPage | None:
        """The page of a request that a kill left in flight; None if it consumed no orders."""
        if draft.status in NOT_CONSUMED:
            return None
        fetched = self._consumed_page(draft, Response(draft.status, {}, gunzip_prefix(draft.body)))
        fetched.loss = fetched.loss or fetched.info.hook_error is not None  # perhaps cut off
        if not fetched.loss:
            fetched.error = None
            return fetched
        fetched.response.problem = "the process was killed meanwhile"
        event = f"A process was killed during a response of {self.endpoint.where}"
        fetched.error = _possible_loss(event, fetched.response, draft.page)
        return fetched

    def _consumed_page(self, draft: InFlightRequest, response: Response) -> FetchedPage:
        """The page of *response*: orders, an error in valid JSON, or a possible loss of orders."""
        info = self.parser.parse(response.body, response.headers)
        fetched = FetchedPage(draft.request, response, info, draft)
        arrived = info.is_json or (info.hook_error and not response.problem)
        if response.status not in _SUCCESS or not arrived:
            fetched.loss = True
            failure = failure_text(response, info)
            event = f"{self.endpoint.where} did not answer in full ({failure})"
            fetched.error = _possible_loss(event, response, draft.page)
        elif not info.has_records:
            fetched.error = self.endpoint.error_for(response, info)
        return fetched


def _possible_loss(event: str, response: Response, page: int) -> PossibleLoss:
    size = len(response.body)
    kept = f"{size} bytes arrived and are kept as page {page}" if size else "no byte arrived"
    hint = "Orders may be lost: compare with the shop, then run again."
    return PossibleLoss(f"{event}; {kept}.", hint)
