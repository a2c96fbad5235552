"""Fetch child lists: order lines that an order page leaves out, or contains only in part."""

from urllib.parse import quote

from msgspec.structs import replace

from orderpull.errors import SourceError
from orderpull.landing.page import Part, join_parts
from orderpull.sources.endpoint import set_body_fields
from orderpull.sources.fetch import FetchedPage, Fetcher
from orderpull.sources.paging.flows import Pager, PageRequest, Position
from orderpull.sources.paging.page_info import ChildRequest, PageParser
from orderpull.sources.spec.blocks import BODY, ChildrenSpec, RequestSpec


class ChildFetcher:
    """Fetches the child lists of a page's orders, so that page and lists are landed together."""

    def __init__(self, fetcher: Fetcher) -> None:
        self.fetcher = fetcher
        self.api = fetcher.endpoint.api
        self.parsers = [PageParser(self.api, each) for each in self.api.children]

    def body_for(self, fetched: FetchedPage, page: int) -> tuple[bytes, list[Part]]:
        """The body to land as *page*, with its parts if it joins several responses.

        :raises SourceError: a child list could not be fetched; then the page is not landed either.
        """
        body, info = fetched.response.body, fetched.info
        if not info.child_requests:
            return body, []
        bodies, parts = [body], [Part(len(body))]
        for child in info.child_requests:
            for child_body in self._child_pages(child, page):
                bodies.append(child_body)
                parts.append(Part(len(child_body), child.position, child.children))
        return join_parts(bodies), parts

    def _child_pages(self, child: ChildRequest, page: int) -> list[bytes]:
        """Raw bodies of all pages of one child list."""
        block = self.api.children[child.children]
        pager = Pager(block.paging, all_or_none=True)
        flow = pager.pages(PageRequest(), Position(token=child.next))
        parser, spec = self.parsers[child.children], _request_for(block, child.key)
        try:
            pages = self.fetcher.fetch_list(flow, page, parser=parser, spec=spec)
        except SourceError as error:
            where = f"({block.into} of order {child.key!r})"
            error.message = f"{error.message.removesuffix('.')} {where}."
            raise
        return [each.response.body for each in pages]


def _request_for(block: ChildrenSpec, key: str) -> RequestSpec:
    """The request block for the child list of the order *key*."""
    spec = block.request
    query, body = spec.query, spec.body
    if block.key_param and block.key_param.startswith(BODY):
        body = set_body_fields(body, {block.key_param: key})
    elif block.key_param:
        query = query | {block.key_param: key}
    path = spec.path.replace("{key}", quote(key, safe=""))
    return replace(spec, path=path, query=query, body=body)
