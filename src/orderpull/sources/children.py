"""What has to be asked for each order: lines on a path of their own, or beyond a nested page."""

from urllib.parse import quote

from msgspec.structs import replace

from orderpull.landing.page import Part, join_parts
from orderpull.sources.endpoint import Endpoint, set_body_fields
from orderpull.sources.fetch import FetchedPage, PageFetcher
from orderpull.sources.paging.flows import PageRequest, drive, iterate_pages, page_size
from orderpull.sources.paging.page_info import ChildRequest, PageInfo, PageParser
from orderpull.sources.spec.blocks import BODY, ChildrenSpec, RequestSpec


class ChildFetcher:
    """Asks for what belongs to the orders of a page, so that it can be landed with them."""

    def __init__(self, endpoint: Endpoint, fetcher: PageFetcher) -> None:
        self.endpoint = endpoint
        self.fetcher = fetcher
        self.readers = [PageParser(endpoint.api, each) for each in endpoint.api.children]

    def body_for(self, fetched: FetchedPage, page: int) -> tuple[bytes, list[Part]]:
        """The body to land as *page*, and what it is made of, if of more than one answer.

        :raises SourceError: something of it could not be had; then nothing of it is landed.
        """
        body, info = fetched.response.body, fetched.info
        if not info.child_requests:
            return body, []
        bodies, parts = [body], [Part(len(body))]
        for child in info.child_requests:
            for response in self._child_pages(child, page):
                bodies.append(response)
                parts.append(Part(len(response), child.position, child.children))
        return join_parts(bodies), parts

    def _child_pages(self, child: ChildRequest, page: int) -> list[bytes]:
        """The pages of one list, as received; one that only repeats the page before it is none."""
        block = self.endpoint.api.children[child.children]
        spec = _request_for(block, child.key)
        size = page_size(block.paging, None, all_or_none=True)
        steps = iterate_pages(block.paging, size, PageRequest(), start=child.next)
        answers: list[bytes] = []

        def fetch(request: PageRequest) -> PageInfo:
            http_request = self.endpoint.request(request, spec)
            fetched = self.fetcher.fetch(
                http_request, page, self.readers[child.children], request.tries
            )
            if fetched.response.body not in answers[-1:]:
                answers.append(fetched.response.body)
            return fetched.info

        drive(steps, fetch)
        return answers


def _request_for(block: ChildrenSpec, key: str) -> RequestSpec:
    """The request for the children of the order that *key* says."""
    spec = block.request
    query, body = spec.query, spec.body
    if block.key_param and block.key_param.startswith(BODY):
        body = set_body_fields(body, {block.key_param: key})
    elif block.key_param:
        query = query | {block.key_param: key}
    path = spec.path.replace("{key}", quote(key, safe=""))
    return replace(spec, path=path, query=query, body=body)
