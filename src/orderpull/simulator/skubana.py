"""The profile `skubana-assessment`: a consume-once list of orders."""

import heapq
import json
import random
from collections.abc import Iterator
from itertools import count, cycle, islice
from typing import TypedDict, Unpack

from .maker import Draft, OrderMaker
from .malformed import CATALOGUE, Malformed
from .model import Occurrence
from .places import CountryStyle
from .profile import Request, Response, dump_json, json_response

ORDERS_PATH = "/orders"
REPEATED_WITHIN = 300
"""An order that is served again comes at most so many new orders later."""


class StreamSwitches(TypedDict, total=False):
    """Arguments of OrderStream."""

    orders: int
    seed: int
    endless: bool
    malformed: float
    versions: float
    countries: CountryStyle
    plain_first: bool


class SkubanaAssessment:
    """GET /orders answers a JSON array of the next `per_call` orders, and never these again."""

    name = "skubana-assessment"

    def __init__(self, *, per_call: int = 100, **stream: Unpack[StreamSwitches]) -> None:
        """Describe the shop: `per_call` orders an answer; the rest is as in OrderStream.

        When all orders are handed out the answer is `[]`, unless `endless`. ValueError for a number
        out of its range.
        """
        if per_call < 1:
            raise ValueError(f"per_call must be 1 or more, not {per_call}")
        orders = OrderStream(**stream)
        self.seed = orders.seed
        self.exhausted = False
        self._per_call = per_call
        self._orders = iter(orders)

    def respond(self, request: Request) -> Response:
        """Answer GET /orders with the next orders, other paths with 404, other methods with 405."""
        if request.path != ORDERS_PATH:
            return json_response(404, {"status": 404, "error": "Not Found", "path": request.path})
        if request.method != "GET":
            return json_response(
                405,
                {"status": 405, "error": "Method Not Allowed", "path": request.path},
                {"Allow": "GET"},
            )
        return self._next_orders()

    def _next_orders(self) -> Response:
        batch = list(islice(self._orders, self._per_call))
        self.exhausted = len(batch) < self._per_call
        spans = []
        start = 1
        for _, text in batch:
            spans.append((start, start + len(text)))
            start += len(text) + 1
        return Response(
            200,
            b"[" + b",".join([text for _, text in batch]) + b"]",
            occurrences=tuple(occurrence for occurrence, _ in batch),
            spans=tuple(spans),
            consumed=bool(batch),
        )


class OrderStream:
    """Occurrences of orders with their JSON texts (UTF-8), made one by one.

    The same arguments give the same stream.
    """

    def __init__(
        self,
        *,
        orders: int = 2000,
        seed: int = 1,
        endless: bool = False,
        malformed: float = 0,
        versions: float = 0.0,
        countries: CountryStyle = "mixed",
        plain_first: bool = False,
    ) -> None:
        """Describe the stream.

        `orders`: how many different orders there are; with `endless` they never end. `malformed`:
        how many of them are malformed, as a number (int, among the first `orders`) or as a share
        (float from 0 to 1); all kinds take turns. `versions`: the share (0 to below 1) of good
        orders that come again later, most of them changed, in addition to `orders`. `countries`:
        how countries are written. `plain_first`: odd SKUs sell least. ValueError for a number out
        of its range.
        """
        _check(orders=orders, malformed=malformed, versions=versions)
        self.seed = seed
        self._orders = orders
        self._endless = endless
        self._versions = versions
        self._malformed = malformed
        self._maker = OrderMaker(seed, countries, plain_first=plain_first)
        self._again_random = random.Random(f"{seed}/versions").random
        self._malformed_random = random.Random(f"{seed}/malformed")
        self._again: list[tuple[int, int, Draft]] = []
        self._scheduled = count()

    def __iter__(self) -> Iterator[tuple[Occurrence, bytes]]:
        """Yield each occurrence with its text; iterate only once."""
        kinds = self._malformed_kinds()
        for index in count(1) if self._endless else range(1, self._orders + 1):
            yield from self._due(index)
            draft = self._maker.draft(index)
            kind = next(kinds)
            if kind is None:
                yield self._good(draft, index)
            else:
                yield _malformed(draft, kind)
        while self._again:
            yield _occurrence(self._maker.revised(heapq.heappop(self._again)[2]))

    def _good(self, draft: Draft, index: int) -> tuple[Occurrence, bytes]:
        if self._versions and self._again_random() < self._versions:
            due = index + 1 + int(self._again_random() * REPEATED_WITHIN)
            heapq.heappush(self._again, (due, next(self._scheduled), draft))
        return _occurrence(draft)

    def _due(self, index: int) -> Iterator[tuple[Occurrence, bytes]]:
        while self._again and self._again[0][0] <= index:
            yield self._good(self._maker.revised(heapq.heappop(self._again)[2]), index)

    def _malformed_kinds(self) -> Iterator[Malformed | None]:
        """Yield for each order the kind in which it is malformed, or None for a good order."""
        rng = self._malformed_random
        turns = cycle(rng.sample(CATALOGUE, len(CATALOGUE)))
        if isinstance(self._malformed, int):
            chosen = set(rng.sample(range(self._orders), self._malformed))
            for index in count():
                yield next(turns) if index in chosen else None
        while True:
            yield next(turns) if rng.random() < self._malformed else None


def _check(*, orders: int, malformed: float, versions: float) -> None:
    if orders < 0:
        raise ValueError(f"orders must be 0 or more, not {orders}")
    most = orders if isinstance(malformed, int) else 1.0
    if not 0 <= malformed <= most:
        raise ValueError(
            f"malformed must be a number (0 to {orders}) or a share (0.0 to 1.0), not {malformed}"
        )
    if not 0 <= versions < 1:
        raise ValueError(f"versions must be a share from 0 to below 1, not {versions}")


def _occurrence(draft: Draft) -> tuple[Occurrence, bytes]:
    return Occurrence(draft.number, draft.meaning(), None), draft.text().encode()


def _malformed(draft: Draft, malformed: Malformed) -> tuple[Occurrence, bytes]:
    broken = malformed.broken(json.loads(draft.text()))
    number = draft.number if malformed.keeps_number else None
    return Occurrence(number, None, malformed.reason), dump_json(broken)
