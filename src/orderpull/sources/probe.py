"""Probe an API: request a page of orders as in a run, a child list of each kind, and a count."""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from orderpull import clock
from orderpull.errors import SourceError, SourceExpired, SourceMissing
from orderpull.sources.children import AssembledOrders, naming
from orderpull.sources.counting import CountParser, count_request
from orderpull.sources.endpoint import Endpoint, is_ok, parse_response
from orderpull.sources.http.messages import Request, ResponseSink
from orderpull.sources.paging.flows import Pager, PageRequest, Position
from orderpull.sources.paging.incremental import incremental_flow
from orderpull.sources.paging.page_info import PageInfo
from orderpull.sources.paging.page_parser import PageParser


@dataclass(frozen=True, slots=True)
class Probed:
    """The result of a probe.

    :param since: lower limit of the orders' changes.
    :param body: the page of orders. :param info: facts about it.
    :param lists: path of each child list that was requested.
    :param incomplete: positions of the orders that have a child list of their own.
    """

    since: datetime | None
    body: bytes
    info: PageInfo
    lists: list[str]
    incomplete: set[int]


def probe(source: Endpoint) -> Probed:
    """Probe *source*. Not for consume-once APIs.

    A child list is requested for the first order that needs one.

    :raises SourceError: a request failed.
    """
    try:
        return _probe(source)
    except SourceError as error:
        raise source.with_source(error) from None
    finally:
        source.client.close()


def _probe(source: Endpoint) -> Probed:
    api, parser = source.api, PageParser(source.api)
    now = clock.now()
    since = _newest_slice(source, now)
    flow = incremental_flow(api, Pager(api.paging, source.size), since, now)
    body, info = _fetched(source, source.request(next(flow)), parser)
    parsers = [PageParser(api, block) for block in api.children]
    orders = AssembledOrders(api, parsers, parser, body)
    probed = Probed(since, body, info, [], set())
    for number, block in enumerate(api.children):
        children = list(orders.requests(number, info))
        probed.incomplete.update(child.position for child in children)
        if not children:
            continue
        child = children[0]
        with naming(block, child):
            spec = source.child_request(block, child.key)
            pages = Pager(block.paging, 1).pages(PageRequest(), Position(token=child.next))
            request = source.request(next(pages), spec)
            try:
                child_body, _ = _fetched(source, request, parsers[number])
            except SourceMissing:
                if block.missing == "error":
                    raise
            else:
                orders.append(child, [child_body])
        probed.lists.append(block.into)
    _try_count(source)
    return probed


def _newest_slice(source: Endpoint, now: datetime) -> datetime | None:
    """The source's start, or the start of the last request of an API that limits their period."""
    start, cursor = source.start, source.api.cursor
    if start is None or cursor is None or cursor.window is None:
        return start
    return max(start, now - timedelta(days=cursor.window))


def _try_count(source: Endpoint) -> None:
    """Count the orders of a day, and note a failure: without a count, ``verify`` lists orders."""
    spec, cursor, now = source.api.count, source.api.cursor, clock.now()
    if spec is None or cursor is None:
        return
    request = count_request(source, spec, cursor, now - timedelta(days=1), now)
    try:
        _fetched(source, request, CountParser(source.api, spec))
    except SourceError as error:
        source.note(f"orders cannot be counted, so verify will list them: {error.message}")


def _fetched(source: Endpoint, request: Request, parser: PageParser) -> tuple[bytes, PageInfo]:
    """Send *request*, once more with a new token; return body and info of the response."""
    body, info, error = _sent(source, request, parser)
    if isinstance(error, SourceExpired) and source.authenticator.renew():
        body, info, error = _sent(source, request, parser)
    if error is not None:
        raise error
    return body, info


def _sent(
    source: Endpoint, request: Request, parser: PageParser
) -> tuple[bytes, PageInfo, SourceError | None]:
    source.limit.wait(time.sleep)
    response = source.send(source.authenticate(request), ResponseSink())
    info = parse_response(response, parser)
    source.check_headers(response)
    error = None if is_ok(response, info) else source.error_for(response, info, request)
    return response.body, info, error
