"""Reconcile: list all orders, so that the loader finds those that are deleted or missing.

The loader leaves a note on missing orders, and the pull fetches them: by id, or by time.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from itertools import pairwise

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from orderpull.errors import SourceUnexpected, SourceUnstable
from orderpull.landing.page import PageMeta, split_parts, split_pieces
from orderpull.landing.protocol import SourceLanding
from orderpull.sources.endpoint import with_fields
from orderpull.sources.fetch import FetchedPage, Fetcher
from orderpull.sources.paging.doubts import Doubts
from orderpull.sources.paging.flows import PageFlow, Pager, PageRequest
from orderpull.sources.paging.incremental import window_verify
from orderpull.sources.paging.json_extract import JsonExtractor
from orderpull.sources.paging.page_parser import PageParser
from orderpull.sources.paging.passes import Passes
from orderpull.sources.paging.window import Window
from orderpull.sources.spec.api import Api
from orderpull.sources.spec.blocks import ReconcileSpec
from orderpull.sources.spec.times import step

MAX_PASSES = 4
"""Most passes over the list before the run gives up because orders change too fast."""


ONE_WINDOW = timedelta(days=1)
"""Longest time between two missing orders that one window reads."""

NOTE = "missing.json"


class MissingOrder(Struct, frozen=True):
    """An order that is listed and that the warehouse lacks, by what the list tells of it."""

    number: str
    modified_at: datetime | None = None


class MissingOrders(Struct):
    """A note beside the pages: orders to fetch, by id.

    :param excluded: ids that were fetched and are not stored, because ``where`` excludes them.
    """

    orders: dict[str, MissingOrder] = {}
    excluded: list[str] = []

    @classmethod
    def read(cls, landing: SourceLanding) -> "MissingOrders":
        """The note of *landing*; empty if it is missing or invalid."""
        return landing.note_as(NOTE, cls) or cls()

    @classmethod
    def add(cls, landing: SourceLanding, orders: Mapping[str, MissingOrder]) -> None:
        """Add *orders* to the note of *landing*."""
        note = cls.read(landing)
        note.orders.update(orders)
        note.excluded = [order_id for order_id in note.excluded if order_id not in orders]
        note.keep(landing)

    def keep(self, landing: SourceLanding) -> None:
        """Write the note, if it says something new."""
        data = msgspec.json.encode(self)
        if data != (landing.note(NOTE) or msgspec.json.encode(MissingOrders())):
            landing.keep_note(NOTE, data)


def numbers_of(orders: Mapping[str, MissingOrder]) -> str:
    """The numbers of *orders*, for a message: the first few."""
    numbers = [order.number for order in orders.values()]
    return ", ".join(numbers[:5]) + (", …" if len(numbers) > 5 else "")  # noqa: PLR2004


def fetching(api: Api, pager: Pager, orders: Mapping[str, MissingOrder]) -> PageFlow | None:
    """The flow that fetches *orders*, by id or by modification time; None if there is no way."""
    spec, cursor = api.reconcile, api.cursor
    if spec is not None and spec.ids is not None:
        return _by_id(pager, spec, spec.ids, list(orders))
    times = sorted(order.modified_at for order in orders.values() if order.modified_at)
    if cursor is None or not cursor.bounded or len(times) < len(orders):
        return None
    return _by_time(Window(pager, cursor, times[0], times[-1], Doubts()), times)


def _by_id(pager: Pager, spec: ReconcileSpec, field: str, ids: list[str]) -> PageFlow:
    for start in range(0, len(ids), spec.ids_at_once):
        texts = [spec.ids_text.replace("{id}", i) for i in ids[start : start + spec.ids_at_once]]
        yield from pager.pages(
            PageRequest({field: spec.ids_join.join(texts) if spec.ids_join else texts})
        )
    return None


def _by_time(window: Window, times: list[datetime]) -> PageFlow:
    gaps = [n for n, (one, other) in enumerate(pairwise(times), 1) if other - one > ONE_WINDOW]
    for first, end in pairwise([0, *gaps, len(times)]):
        # An upper bound may be exclusive.
        until = times[end - 1] + 2 * step(window.cursor.precision)
        for part in dataclasses.replace(window, since=times[first], until=until).slices():
            yield from window_verify(part)
    return None


class IdExtractor:
    """Extracts the order ids from the pages of a list of all orders."""

    def __init__(self, api: Api) -> None:
        self.api = reconcile_api(api)
        self.parser = PageParser(self.api)
        self._path = api.order.id or api.order.number
        self._extractor = JsonExtractor(None, [self._path], api.record_path.inner)

    def of(self, bodies: Iterable[bytes]) -> list[str]:
        """The ids of all orders in *bodies*, with repetitions."""
        return [order_id for order_id, _ in self.records(bodies)]

    def records(self, bodies: Iterable[bytes]) -> list[tuple[str, msgspec.Raw]]:
        """The orders in *bodies*, each with its id.

        :raises SourceUnexpected: an id cannot be read; its order would then seem to be deleted.
        """
        try:
            return [(self._id(raw), raw) for body in bodies for raw in self.parser.read(body)]
        except (msgspec.DecodeError, RecursionError) as error:
            raise SourceUnexpected(
                "The list of all orders has an order whose id cannot be read.",
                "No order is marked as deleted.",
            ) from error

    def listed(self, meta: PageMeta, body: bytes) -> list[tuple[str, msgspec.Raw]]:
        """The orders in a landed list of all orders. Errors as :meth:`records`."""
        if not meta.redacted:
            return self.records(split_parts(meta, body))
        return [(self._id(Raw(text)), Raw(text)) for text, _ in split_pieces(body)]

    def _id(self, raw: msgspec.Raw) -> str:
        value = self._extractor.decode(raw).get(self._path)
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise msgspec.ValidationError("not an id")
        return str(value).replace("\0", "")  # as in the normalizing SQL


def list_all_orders(fetcher: Fetcher, page: int) -> list[FetchedPage]:
    """Fetch pages that list all orders, in passes, until no order can have been missed.

    If an order is deleted from a page already read, later orders move up by one and one of them is
    never seen. A pass is accepted if it has all ids of the pass before, and that pass listed no id
    on two pages. New orders do no harm. Otherwise all passes are, once they prove to be complete.

    :raises SourceUnstable: orders moved in each pass.
    :raises SourceUnexpected: the list is empty, or has an unreadable id.
    """
    ids = IdExtractor(fetcher.endpoint.api)
    api, spec = ids.api, ids.api.reconcile
    pager = Pager(api.paging, (spec.size if spec else None) or api.paging.max_size,
                  all_or_none=True)  # fmt: skip
    passes = Passes(pager, ids=True, most=MAX_PASSES)
    every: list[FetchedPage] = []
    before: set[str] | None = None
    for _ in passes:
        flow = pager.pages(PageRequest())
        fetched = fetcher.fetch_list(flow, page, parser=ids.parser, spec=api.request)
        pages = [set(ids.of([each.response.body])) for each in fetched]
        ids_listed = set[str]().union(*pages)
        if not ids_listed:
            raise SourceUnexpected(
                f"{fetcher.endpoint.where} lists no order at all.", "No order is marked as deleted."
            )
        if before is not None and before <= ids_listed:
            return fetched
        every += fetched
        for each in fetched:
            passes.add(each.info.fingerprints)
        if passes.complete:
            return every
        moved = len(ids_listed) < sum(map(len, pages))
        before = None if moved else ids_listed
    raise SourceUnstable(
        "The list of all orders changed in every pass over it.",
        "No order is marked as deleted; the next run lists all orders again.",
    )


def reconcile_api(api: Api) -> Api:
    """*api* with the request that lists all orders."""
    spec = api.reconcile
    if spec is None:
        return api
    request = with_fields(api.request, spec.query, spec.body)
    return replace(api, request=request, cursor=None, children=[])
