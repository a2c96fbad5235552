"""List ids and modification times of the orders that an API holds, in a period or by id.

The request is that of ``[ids]`` if single orders can be requested too, by ``[reconcile]`` ``ids``.
Otherwise it is ``[request]`` itself, so that each listed order comes with its number.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec
from msgspec.structs import replace

from orderpull import clock
from orderpull.errors import SourceUnexpected
from orderpull.sources.counting import bounded
from orderpull.sources.endpoint import with_fields
from orderpull.sources.fetch import Fetcher
from orderpull.sources.paging.doubts import Doubts
from orderpull.sources.paging.flows import PageFlow, Pager, PageRequest, drive
from orderpull.sources.paging.incremental import incremental_flow, read_period
from orderpull.sources.paging.json_extract import JsonExtractor
from orderpull.sources.paging.page_info import PageInfo
from orderpull.sources.paging.page_parser import PageParser
from orderpull.sources.paging.passes import Passes
from orderpull.sources.paging.window import Window
from orderpull.sources.reading import further_api
from orderpull.sources.reconcile import MissingOrder, fetching, reconcile_api
from orderpull.sources.spec.api import Api
from orderpull.sources.spec.blocks import AlsoSpec, CursorSpec
from orderpull.sources.spec.order import is_plain
from orderpull.sources.spec.times import parse_time


@dataclass(frozen=True, slots=True)
class Listed:
    """An order as a list shows it. :param raw: what the list has of it, as JSON."""

    order_id: str
    modified_at: datetime | None
    raw: bytes


class OrderReader:
    """Reads id and modification time of orders from their JSON.

    :param api: the API, whose ``[order]`` has a plain path as id or number.
    """

    def __init__(self, api: Api) -> None:
        self._id = api.order.id or api.order.number
        self._time = _time_path(api) or self._id
        self._format = (api.order.time_format, api.order.timezone)
        self._extractor = JsonExtractor(None, [self._id, self._time], api.record_path.inner)

    def read(self, raw: bytes | msgspec.Raw) -> Listed | None:
        """The order in *raw*; None if its id cannot be read."""
        try:
            values = self._extractor.decode(raw)
        except (msgspec.DecodeError, RecursionError):
            return None
        order_id = values.get(self._id)
        if isinstance(order_id, bool) or not isinstance(order_id, str | int):
            return None
        modified_at = parse_time(values.get(self._time), *self._format)
        return Listed(str(order_id).replace("\0", ""), modified_at, bytes(raw))


class OrderLister:
    """Lists the orders of a period with as few and small requests as the API allows.

    :param before_request: called before each request; may raise to end the listing.
    :ivar page_size: largest number of orders on a page; None: the API has no page size.
    :ivar passes: readings of a list, before it can be trusted.
    :ivar last_pages: empty pages at the end of a reading, by which alone the end is known.
    """

    def __init__(self, fetcher: Fetcher, before_request: Callable[[], None]) -> None:
        self._fetcher, self._before = fetcher, before_request
        api = fetcher.endpoint.api
        self.by_id = api.reconcile is not None and api.reconcile.ids is not None
        self._orders = OrderReader(api)
        self._api = _ids_api(api) if self.by_id else replace(api, children=[])
        size = (api.reconcile.size if api.reconcile else None) or api.paging.max_size
        sized = api.paging.size_param is not None
        self.page_size = (size or fetcher.endpoint.size or api.paging.size) if sized else None
        sorted_ = api.cursor is not None and api.cursor.strategy == "reseek"
        self.passes = 1 if sorted_ else 2
        counted = api.paging.total is not None or api.paging.kind not in {"page", "offset"}
        self.last_pages = 0 if counted else 1

    def changed(self, cursor: CursorSpec, since: datetime, until: datetime) -> dict[str, Listed]:
        """The orders changed from *since* to *until*, by id.

        :raises SourceError: the API did not list them.
        """
        period = bounded(cursor, self._api.count)
        window = Window(self._pager(self._api), period, since, until, _Untold())
        orders = self._drive(read_period(window), self._api)
        return {
            order_id: order
            for order_id, order in orders.items()
            if order.modified_at is not None and since <= order.modified_at < until
        }

    def also_changed(self, also: AlsoSpec, since: datetime, until: datetime) -> dict[str, Listed]:
        """The orders of which the time of a further cursor is from *since* on, by id."""
        api = further_api(self._api, also, rest=False)
        flow = incremental_flow(api, self._pager(api), since, until)
        return self._drive(flow, api)

    def every(self) -> dict[str, Listed]:
        """All orders, by id, of an API without ``[cursor]``."""
        api = reconcile_api(self._fetcher.endpoint.api)
        pager = Pager(api.paging, self.page_size, all_or_none=True)
        return self._drive(incremental_flow(api, pager, None, clock.now()), api)

    def oldest(self) -> dict[str, Listed]:
        """The first page of the list of all orders, by id."""
        api = reconcile_api(self._fetcher.endpoint.api)
        return self._drive(_first_page(self._pager(api)), api)

    def look_up(self, wanted: Mapping[str, MissingOrder]) -> dict[str, Listed]:
        """Request the *wanted* orders whole; return those that the API holds, by id.

        They are requested by id or, where the API cannot do that, around their times.
        """
        api = replace(self._fetcher.endpoint.api, children=[])
        flow = fetching(api, self._pager(api, api.paging.max_size), wanted) if wanted else None
        orders = self._drive(flow, api) if flow is not None else {}
        return {order_id: order for order_id, order in orders.items() if order_id in wanted}

    def _pager(self, api: Api, size: int | None = None) -> Pager:
        return Pager(api.paging, size or self.page_size, all_or_none=True)

    def _drive(self, flow: PageFlow, api: Api) -> dict[str, Listed]:
        """The orders on the pages of *flow*.

        :raises SourceUnexpected: an order has no readable id; it would then seem to be deleted.
        """
        endpoint, parser = self._fetcher.endpoint, PageParser(api)
        listed: dict[str, Listed] = {}

        def fetch(page_request: PageRequest) -> PageInfo:
            self._before()
            request = endpoint.request(page_request, api.request)
            fetched = self._fetcher.fetch(request, 0, parser, page_request.tries)
            for raw in parser.readable_records(fetched.response.body):
                order = self._orders.read(raw)
                if order is None:
                    raise SourceUnexpected(
                        f"{endpoint.where} lists an order whose id cannot be read.",
                        "Look in the shop for an order without id, and verify again.",
                    )
                listed[order.order_id] = order
            return fetched.info

        drive(flow, fetch)
        return listed


def _time_path(api: Api) -> str | None:
    """The path of an order's modification time; None if a list of ids cannot be read by it."""
    if api.cursor:
        return api.cursor.path
    time = api.order.modified_at
    return time if time and is_plain(time) else None


class _Untold(Doubts):
    """Doubts of which nothing is logged: what seems to differ is looked up again."""

    def add(self, since: datetime | None, until: datetime | None, passes: Passes) -> None:
        """Leave it at that."""


def _first_page(pager: Pager) -> PageFlow:
    yield from pager.pages(PageRequest(), ends=lambda _: True)
    return None


def _ids_api(api: Api) -> Api:
    """*api* with the request of ``[ids]``, if it has one."""
    ids = api.ids
    request = with_fields(api.request, ids.query, ids.body) if ids else api.request
    return replace(api, request=request, children=[], ids=None)
