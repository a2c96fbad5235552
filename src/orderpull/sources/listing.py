"""All orders' ids, listed: what is stored and not among them was deleted."""

from collections.abc import Iterable

import msgspec
from msgspec.structs import replace

from orderpull.errors import SourceUnexpected, SourceUnstable
from orderpull.sources.asking import Asking, Taken
from orderpull.sources.endpoint import Endpoint
from orderpull.sources.paging import Ask, follow, page_size, walk
from orderpull.sources.places import placed
from orderpull.sources.reading import PageReader, Reading
from orderpull.sources.spec import Api
from orderpull.sources.tells import TellReader

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
        """The ids of all orders in *bodies*."""
        found: list[str] = []
        for body in bodies:
            for raw in self.reader.records(self.reader.json(body)):
                try:
                    value = self._tells.decode(raw).at(self._path)
                except msgspec.DecodeError:
                    continue
                if isinstance(value, str | int):
                    found.append(str(value))
        return found


def listed(endpoint: Endpoint, asking: Asking, page: int) -> list[Taken]:
    """The answers that list all orders: read until two passes have the same ids.

    :raises SourceUnstable: they do not.
    :raises SourceUnexpected: no order is listed at all.
    """
    ids = Ids(endpoint.api)
    before: set[str] | None = None
    for _ in range(MAX_PASSES):
        taken = _once(endpoint, asking, ids, page)
        these = set(ids.of(each.answer.body for each in taken))
        if not these:
            raise SourceUnexpected(
                f"{endpoint.where} lists no order at all.", "So nothing counts as deleted."
            )
        if these == before:
            return taken
        before = these
    raise SourceUnstable(
        f"The list of all orders changed between passes, {MAX_PASSES} times in a row.",
        "What came is kept; the next run lists them again.",
    )


def _once(endpoint: Endpoint, asking: Asking, ids: Ids, page: int) -> list[Taken]:
    paging, spec, answers = ids.api.paging, ids.api.reconcile, list[Taken]()
    size = page_size(paging, (spec.size if spec else None) or paging.max_size)

    def answer(ask: Ask) -> Reading:
        request = endpoint.request(ask, ids.api.request)
        answers.append(asking.ask(request, page, ids.reader, ask.tries))
        return answers[-1].reading

    follow(walk(paging, size, Ask()), answer)
    return answers


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
