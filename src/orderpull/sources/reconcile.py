"""All orders' ids, listed: what is stored and not among them was deleted."""

from collections.abc import Iterable

import msgspec
from msgspec.structs import replace

from orderpull.errors import SourceUnexpected, SourceUnstable
from orderpull.sources.endpoint import Endpoint, set_body_fields
from orderpull.sources.fetch import FetchedPage, PageFetcher
from orderpull.sources.paging.flows import PageRequest, drive, iterate_pages, page_size
from orderpull.sources.paging.json_extract import JsonExtractor
from orderpull.sources.paging.page_info import PageInfo, PageParser
from orderpull.sources.spec.api import Api

MAX_PASSES = 4
"""How often all is listed before it is given up as moving too fast."""


class IdExtractor:
    """Reads ids out of pages that list orders."""

    def __init__(self, api: Api) -> None:
        self.api = _listing(api)
        self.reader = PageParser(self.api)
        self._path = ".".join((*api.record_path.inner, api.order.id or api.order.number))
        self._extractor = JsonExtractor(None, [self._path])

    def of(self, bodies: Iterable[bytes]) -> list[str]:
        """The ids of all orders in *bodies*, as many times as they are listed.

        :raises SourceUnexpected: one cannot be read, so that its order would seem to be missing.
        """
        return [self._id(raw) for body in bodies for raw in self._records(body)]

    def _records(self, body: bytes) -> list[msgspec.Raw]:
        try:
            return self.reader.records(self.reader.json(body))
        except (msgspec.DecodeError, RecursionError) as error:
            raise _unreadable() from error

    def _id(self, raw: msgspec.Raw) -> str:
        try:
            value = self._extractor.decode(raw).get(self._path)
        except msgspec.DecodeError as error:
            raise _unreadable() from error
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise _unreadable()
        return str(value).replace("\0", "")  # as the shaping has it


def list_all_orders(endpoint: Endpoint, fetcher: PageFetcher, page: int) -> list[FetchedPage]:
    """The answers that list all orders: read until nothing can have slipped through.

    Orders slip through where others leave the part of the list that was read, so that those behind
    move up. Such an order came on two pages, or is gone in the next pass. New orders do no harm.

    :raises SourceUnstable: each pass shows that orders moved.
    :raises SourceUnexpected: no order is listed at all, or one whose id cannot be read.
    """
    ids = IdExtractor(endpoint.api)
    before: set[str] | None = None
    for _ in range(MAX_PASSES):
        fetched = _single_pass(endpoint, fetcher, ids, page)
        pages = [set(ids.of([each.response.body])) for each in fetched]
        ids_listed = set[str]().union(*pages)
        if not ids_listed:
            raise SourceUnexpected(
                f"{endpoint.where} lists no order at all.", "So nothing counts as deleted."
            )
        if before is not None and before <= ids_listed:
            return fetched
        moved = len(ids_listed) < sum(map(len, pages))
        before = None if moved else ids_listed
    raise SourceUnstable(
        f"The list of all orders changed between passes, {MAX_PASSES} times in a row.",
        "What came is kept; the next run lists them again.",
    )


def _single_pass(
    endpoint: Endpoint, fetcher: PageFetcher, ids: IdExtractor, page: int
) -> list[FetchedPage]:
    paging, spec, answers = ids.api.paging, ids.api.reconcile, list[FetchedPage]()
    most = (spec.size if spec else None) or paging.max_size
    size = page_size(paging, most, all_or_none=True)

    def fetch(request: PageRequest) -> PageInfo:
        http_request = endpoint.request(request, ids.api.request)
        fetched = fetcher.fetch(http_request, page, ids.reader, request.tries)
        if (
            not answers or fetched.response.body != answers[-1].response.body
        ):  # the last one repeated
            answers.append(fetched)
        return fetched.info

    drive(iterate_pages(paging, size, PageRequest()), fetch)
    return answers


def _unreadable() -> SourceUnexpected:
    return SourceUnexpected(
        "The list of all orders has one whose id cannot be read.", "So nothing counts as deleted."
    )


def _listing(api: Api) -> Api:
    """*api* as it is asked for all orders."""
    spec = api.reconcile
    if spec is None:
        return api
    request = replace(
        api.request,
        query={**api.request.query, **spec.query},
        body=set_body_fields(api.request.body, spec.body),
    )
    return replace(api, request=request, cursor=None, children=[])
