"""Reconcile: list the ids of all orders, so that the loader finds orders deleted at the source."""

from collections.abc import Iterable

import msgspec
from msgspec.structs import replace

from orderpull.errors import SourceUnexpected, SourceUnstable
from orderpull.sources.endpoint import with_fields
from orderpull.sources.fetch import FetchedPage, Fetcher
from orderpull.sources.paging.flows import Pager, PageRequest
from orderpull.sources.paging.json_extract import JsonExtractor
from orderpull.sources.paging.page_info import PageParser
from orderpull.sources.spec.api import Api

MAX_PASSES = 4
"""Most passes over the list before the run gives up because orders change too fast."""


class IdExtractor:
    """Extracts the order ids from the pages of a list of all orders."""

    def __init__(self, api: Api) -> None:
        self.api = _reconcile_api(api)
        self.parser = PageParser(self.api)
        self._path = api.order.id or api.order.number
        self._extractor = JsonExtractor(None, [self._path], api.record_path.inner)

    def of(self, bodies: Iterable[bytes]) -> list[str]:
        """The ids of all orders in *bodies*, with repetitions.

        :raises SourceUnexpected: an id cannot be read; its order would then seem to be deleted.
        """
        try:
            return [self._id(raw) for body in bodies for raw in self.parser.read(body)]
        except (msgspec.DecodeError, RecursionError) as error:
            raise SourceUnexpected(
                "The list of all orders has an order whose id cannot be read.",
                "No order is marked as deleted.",
            ) from error

    def _id(self, raw: msgspec.Raw) -> str:
        value = self._extractor.decode(raw).get(self._path)
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise msgspec.ValidationError("not an id")
        return str(value).replace("\0", "")  # as in the normalizing SQL


def list_all_orders(fetcher: Fetcher, page: int) -> list[FetchedPage]:
    """Fetch pages that list all orders, in passes, until no order can have been missed.

    If an order is deleted from a page already read, later orders move up by one and one of them is
    never seen. A pass is accepted if it has all ids of the pass before, and that pass listed no id
    on two pages. New orders do no harm.

    :raises SourceUnstable: orders moved in each pass.
    :raises SourceUnexpected: the list is empty, or has an unreadable id.
    """
    ids = IdExtractor(fetcher.endpoint.api)
    api, spec = ids.api, ids.api.reconcile
    largest = (spec.size if spec else None) or api.paging.max_size
    before: set[str] | None = None
    for _ in range(MAX_PASSES):
        flow = Pager(api.paging, largest, all_or_none=True).pages(PageRequest())
        fetched = fetcher.fetch_list(flow, page, parser=ids.parser, spec=api.request)
        pages = [set(ids.of([each.response.body])) for each in fetched]
        ids_listed = set[str]().union(*pages)
        if not ids_listed:
            raise SourceUnexpected(
                f"{fetcher.endpoint.where} lists no order at all.", "No order is marked as deleted."
            )
        if before is not None and before <= ids_listed:
            return fetched
        moved = len(ids_listed) < sum(map(len, pages))
        before = None if moved else ids_listed
    raise SourceUnstable(
        f"The list of all orders changed between passes, {MAX_PASSES} times in a row.",
        "No order is marked as deleted; the next run lists all orders again.",
    )


def _reconcile_api(api: Api) -> Api:
    """*api* with the request that lists all orders."""
    spec = api.reconcile
    if spec is None:
        return api
    request = with_fields(api.request, spec.query, spec.body)
    return replace(api, request=request, cursor=None, children=[])
