"""What has to be asked for each order: lines on a path of their own, or beyond a nested page."""

from urllib.parse import quote

from msgspec.structs import replace

from orderpull.landing.page import Part, join_parts
from orderpull.sources.endpoint import Endpoint
from orderpull.sources.fetch import Asking, Taken
from orderpull.sources.paging.flows import Ask, follow, page_size, walk
from orderpull.sources.paging.page_info import PageReader, Reading, Wanted
from orderpull.sources.places import placed
from orderpull.sources.spec.blocks import ChildrenSpec, RequestSpec
from orderpull.sources.spec.validation import BODY


class Children:
    """Asks for what belongs to the orders of a page, so that it can be landed with them."""

    def __init__(self, endpoint: Endpoint, asking: Asking) -> None:
        self.endpoint = endpoint
        self.asking = asking
        self.readers = [PageReader(endpoint.api, each) for each in endpoint.api.children]

    def of(self, taken: Taken, page: int) -> tuple[bytes, list[Part]]:
        """The body to land as *page*, and what it is made of, if of more than one answer.

        :raises SourceError: something of it could not be had; then nothing of it is landed.
        """
        body, reading = taken.answer.body, taken.reading
        if not reading.wanted:
            return body, []
        bodies, parts = [body], [Part(len(body))]
        for wanted in reading.wanted:
            for answer in self._answers(wanted, page):
                bodies.append(answer)
                parts.append(Part(len(answer), wanted.position, wanted.children))
        return join_parts(bodies), parts

    def _answers(self, wanted: Wanted, page: int) -> list[bytes]:
        """The pages of one list, as received; one that only repeats the page before it is none."""
        block = self.endpoint.api.children[wanted.children]
        spec = _of(block, wanted.key)
        size = page_size(block.paging, None, all_or_none=True)
        steps = walk(block.paging, size, Ask(), start=wanted.next)
        answers: list[bytes] = []

        def answer(ask: Ask) -> Reading:
            request = self.endpoint.request(ask, spec)
            taken = self.asking.ask(request, page, self.readers[wanted.children], ask.tries)
            if taken.answer.body not in answers[-1:]:
                answers.append(taken.answer.body)
            return taken.reading

        follow(steps, answer)
        return answers


def _of(block: ChildrenSpec, key: str) -> RequestSpec:
    """The request for the children of the order that *key* says."""
    spec = block.request
    query, body = spec.query, spec.body
    if block.key_param and block.key_param.startswith(BODY):
        body = placed(body, {block.key_param: key})
    elif block.key_param:
        query = query | {block.key_param: key}
    path = spec.path.replace("{key}", quote(key, safe=""))
    return replace(spec, path=path, query=query, body=body)
