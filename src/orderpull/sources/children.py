"""Fetch child lists: order lines, and what else an order page leaves out or only links to."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import msgspec

from orderpull.errors import SourceBroken, SourceError, SourceMissing
from orderpull.landing.page import Part, join_parts
from orderpull.sources.fetch import FetchedPage, Fetcher
from orderpull.sources.paging.child_requests import (
    ChildRequest,
    append_records,
    at,
    child_request,
    elements,
)
from orderpull.sources.paging.flows import Pager, PageRequest, Position
from orderpull.sources.paging.page_info import PageInfo
from orderpull.sources.paging.page_parser import PageParser
from orderpull.sources.spec.api import Api
from orderpull.sources.spec.blocks import ChildrenSpec
from orderpull.sources.spec.order import ElementPath

MAX_SHARED = 16 << 20
"""Most bytes of shared records that a pull keeps; beyond it they are requested again."""

_Key = tuple[int, str, str | None]
"""Index of the block, key and cursor: requests with the same one get the same response."""


class ChildFetcher:
    """Fetches the child lists of a page's orders, so that page and lists are landed together."""

    def __init__(self, fetcher: Fetcher) -> None:
        self.fetcher = fetcher
        self.api = fetcher.endpoint.api
        self.parsers = [PageParser(self.api, each) for each in self.api.children]
        self._known: dict[_Key, list[bytes]] = {}

    def body_for(self, fetched: FetchedPage, page: int) -> tuple[bytes, list[Part]]:
        """The body to land as *page*, with its parts if it joins several responses.

        :raises SourceError: a child list could not be fetched; then the page is not landed either.
        """
        body = fetched.response.body
        bodies, parts = [body], [Part(len(body))]
        orders = AssembledOrders(self.api, self.parsers, self.fetcher.parser, body)
        self._forget()
        for number in range(len(self.parsers)):
            for child in orders.requests(number, fetched.info):
                pages = self._pages(child, page)
                orders.append(child, pages)
                bodies += pages
                parts += [Part(len(e), child.position, number, child.place) for e in pages]
        return (join_parts(bodies), parts) if len(parts) > 1 else (body, [])

    def _forget(self) -> None:
        """Keep shared records only, and none if they are too many."""
        size = sum(len(body) for bodies in self._known.values() for body in bodies)
        shared = [block.shared and size <= MAX_SHARED for block in self.api.children]
        self._known = {key: bodies for key, bodies in self._known.items() if shared[key[0]]}

    def _pages(self, child: ChildRequest, page: int) -> list[bytes]:
        """Raw bodies of all pages of one child list, which may be known."""
        key = child.children, child.key, child.next
        if key not in self._known:
            self._known[key] = self._fetch(child, page)
        return self._known[key]

    def _fetch(self, child: ChildRequest, page: int) -> list[bytes]:
        """Request all pages of one child list."""
        block = self.api.children[child.children]
        pager = Pager(block.paging, all_or_none=True)
        flow = pager.pages(PageRequest(), Position(token=child.next))
        with naming(block, child):
            spec = self.fetcher.endpoint.child_request(block, child.key)
            parser = self.parsers[child.children]
            try:
                pages = self.fetcher.fetch_list(flow, page, parser=parser, spec=spec)
            except SourceMissing:
                if block.missing == "error":
                    raise
                return []
        return [each.response.body for each in pages]


@contextmanager
def naming(block: ChildrenSpec, child: ChildRequest) -> Iterator[None]:
    """Add list and key of *child* to the message of an error of its request."""
    try:
        yield
    except SourceError as error:
        where = f"({block.into} of order {child.key!r})"
        error.message = f"{error.message.removesuffix('.')} {where}."
        if isinstance(error, SourceBroken):
            error.record = child.key
        raise


class AssembledOrders:
    """The orders of a page with the lists that have arrived, if links are followed in them.

    :param children: parser of each block ``[[children]]``.
    :param body: the page.
    """

    def __init__(
        self, api: Api, children: list[PageParser], parser: PageParser, body: bytes
    ) -> None:
        self._inner = api.record_path.inner
        self._blocks = api.children
        self._parsers = children
        followed = any("[]" in block.key for block in api.children)
        records = parser.readable_records(body) if followed else []
        self._texts = [bytes(raw).decode() for raw in records]

    def requests(self, number: int, info: PageInfo) -> Iterable[ChildRequest]:
        """The requests of block *number*; *info*: of the page."""
        if "[]" in self._blocks[number].key:
            return self._behind(number)
        return (child for child in info.child_requests if child.children == number)

    def _behind(self, number: int) -> Iterator[ChildRequest]:
        """The requests of block *number* for each element of a list in the orders."""
        block = self._blocks[number]
        paths = [path for path in (block.key, block.more, block.next) if path]
        leaves = {path: ElementPath.parse(path).leaf for path in paths}
        lists = ElementPath.parse(block.key).lists
        for position, text in enumerate(self._texts):
            try:
                order = at(msgspec.json.decode(text), self._inner)
            except (msgspec.DecodeError, RecursionError):
                continue  # an order that cannot be read will be a reject
            for place, element in elements(order, lists):
                values = {path: at(element, leaf) for path, leaf in leaves.items()}
                if child := child_request(block, position, number, values.get, place):
                    yield child

    def append(self, child: ChildRequest, bodies: list[bytes]) -> None:
        """Append the records in *bodies* to the list of *child*."""
        if not self._texts:
            return
        block, parser = self._blocks[child.children], self._parsers[child.children]
        into = (*self._inner, *ElementPath.parse(block.into).within(child.place))
        for body in bodies:
            records = parser.readable_records(body)
            text = self._texts[child.position]
            self._texts[child.position] = append_records(text, into, records)
