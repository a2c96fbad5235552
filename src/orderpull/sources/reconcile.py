"""All orders' ids, listed: what is stored and not among them was deleted."""

from collections.abc import Iterable

import msgspec
from msgspec.structs import replace

from orderpull.errors import SourceUnexpected, SourceUnstable
from orderpull.sources.endpoint import Endpoint
from orderpull.sources.fetch import Asking, Taken
from orderpull.sources.paging.flows import Ask, follow, page_size, walk
from orderpull.sources.paging.json_extract import TellReader
from orderpull.sources.paging.page_info import PageReader, Reading
from orderpull.sources.places import placed
from orderpull.sources.spec.api import Api

MAX_PASSES = 4
"""How often all is listed before it is given up as moving too fast."""


class Ids:
    """Reads ids out of pages that list orders."""

    def __init__(self, api: Api) -> None:
        self.api = _listing(api)
        self.reader = PageReader(self.api)
        self._path = ".".join((*api.record_path.inner, api.order.id or api.order.number))
        self._tells = TellReader(None, [self._path])

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
            value = self._tells.decode(raw).at(self._path)
        except msgspec.DecodeError as error:
            raise _unreadable() from error
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise _unreadable()
        return str(value).replace("\0", "")  # as the shaping has it


def listed(endpoint: Endpoint, asking: Asking, page: int) -> list[Taken]:
    """The answers that list all orders: read until nothing can have slipped through.

    Orders slip through where others leave the part of the list that was read, so that those behind
    move up. Such an order came on two pages, or is gone in the next pass. New orders do no harm.

    :raises SourceUnstable: each pass shows that orders moved.
    :raises SourceUnexpected: no order is listed at all, or one whose id cannot be read.
    """
    ids = Ids(endpoint.api)
    before: set[str] | None = None
    for _ in range(MAX_PASSES):
        taken = _once(endpoint, asking, ids, page)
        pages = [set(ids.of([each.answer.body])) for each in taken]
        these = set[str]().union(*pages)
        if not these:
            raise SourceUnexpected(
                f"{endpoint.where} lists no order at all.", "So nothing counts as deleted."
            )
        if before is not None and before <= these:
            return taken
        moved = len(these) < sum(map(len, pages))
        before = None if moved else these
    raise SourceUnstable(
        f"The list of all orders changed between passes, {MAX_PASSES} times in a row.",
        "What came is kept; the next run lists them again.",
    )


def _once(endpoint: Endpoint, asking: Asking, ids: Ids, page: int) -> list[Taken]:
    paging, spec, answers = ids.api.paging, ids.api.reconcile, list[Taken]()
    most = (spec.size if spec else None) or paging.max_size
    size = page_size(paging, most, all_or_none=True)

    def answer(ask: Ask) -> Reading:
        request = endpoint.request(ask, ids.api.request)
        taken = asking.ask(request, page, ids.reader, ask.tries)
        if not answers or taken.answer.body != answers[-1].answer.body:  # the last one repeated
            answers.append(taken)
        return taken.reading

    follow(walk(paging, size, Ask()), answer)
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
        body=placed(api.request.body, spec.body),
    )
    return replace(api, request=request, cursor=None, children=[])
