"""The base of all platforms: a store, a clock, changes between calls, and counts by kind."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Literal, TypedDict, Unpack

from orderpull.simulator.damaged import order_spans
from orderpull.simulator.model import Occurrence
from orderpull.simulator.profile import Request, Response, dump_json, json_response

from .movers import Action, modify
from .order import StoreOrder
from .store import AT_ONCE, DAYS, Shape, Store
from .times import NOON, Clock

Kind = Literal["list", "child", "token", "bulk", "other"]
"""Purpose of a call: orders, more of one order, a token, a bulk operation, or other."""


Tamper = Callable[[Request, Response], Response]
"""Changes a response on its way out."""


class Common(TypedDict, total=False):
    """The switches that every platform has.

    `orders` made from `seed`; `days`, `reused_numbers`, `same_stamp` and `odd` as in Store.
    `now`, `step` and `live` are the clock's. `moves` maps a list call with orders (from 1) to the
    actions after it. After each of these calls, `busy` orders change that were served before.
    List calls in `repeat` get the response of the call before. Calls in `refuse` (of all kinds,
    from 1) get 429 in the platform's own form.
    """

    orders: int
    seed: int
    days: float
    reused_numbers: int
    same_stamp: int
    odd: bool
    now: datetime
    step: float
    live: bool
    moves: Mapping[int, Action | Sequence[Action]]
    busy: int
    repeat: Collection[int]
    refuse: Collection[int]


class RefusedError(Exception):
    """A request is refused; `response` is the refusal."""

    def __init__(self, status: int, body: object, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status)
        self.response = json_response(status, body, headers)


class Platform(ABC):
    """A profile with a store. Subclasses parse requests and make responses."""

    name: ClassVar[str]
    shape: Shape
    exhausted = True

    def __init__(self, **common: Unpack[Common]) -> None:
        """Make the shop. TypeError for an unknown switch, ValueError for a value out of range."""
        unknown = sorted(set(common) - set(Common.__annotations__))
        if unknown:
            raise TypeError(f"{self.name} has no switch {', '.join(unknown)}")
        self.seed = common.get("seed", 1)
        self.clock = Clock(
            common.get("now", NOON), step=common.get("step", 1.0), live=common.get("live", False)
        )
        self.store = Store(
            self.shape,
            self.clock,
            orders=common.get("orders", 200),
            seed=self.seed,
            days=common.get("days", DAYS),
            reused_numbers=common.get("reused_numbers", 0),
            same_stamp=common.get("same_stamp", AT_ONCE),
            odd=common.get("odd", True),
        )
        self.moves = dict(common.get("moves", {}))
        self.busy = common.get("busy", 0)
        self.tamper: Tamper = lambda _, response: response
        self.calls: Counter[Kind] = Counter()
        self.pages = 0
        self._repeat = common.get("repeat", ())
        self._refuse = common.get("refuse", ())
        self._before: Response | None = None

    def truth(self, by: Callable[[StoreOrder], str] | None = None) -> dict[str, Any]:
        """Return the contents of a correct warehouse for the shop as it is now (see Store)."""
        return self.store.truth(by, self.rows)

    def rows(self, order: StoreOrder) -> dict[str, Any]:
        """Return the rows of an order in the truth, as far as the platform tells them."""
        return self.store.rows(order)

    def respond(self, request: Request) -> Response:
        """Respond to one request; then orders change and the clock moves on."""
        kind = self.kind(request)
        self.calls[kind] += 1
        if self.calls.total() in self._refuse:
            self.clock.tick()
            return self.too_many()
        try:
            response = self.reply(request)
        except RefusedError as refused:
            response = refused.response
        if response.listed:
            response = self._page(response)
        self.clock.tick()
        return self.tamper(request, response)

    def _page(self, response: Response) -> Response:
        self.pages += 1
        if self.pages in self._repeat and self._before is not None:
            response = self._before
        self._before = response
        moves = self.moves.get(self.pages, ())
        for move in [moves] if callable(moves) else moves:
            move(self.store)
        modify(self.busy)(self.store)
        return response

    @abstractmethod
    def kind(self, request: Request) -> Kind:
        """Return the purpose of the request."""

    @abstractmethod
    def reply(self, request: Request) -> Response:
        """Respond by the platform's rules, or raise RefusedError."""

    @abstractmethod
    def too_many(self) -> Response:
        """Return the platform's response to too many requests."""

    def listing(
        self,
        orders: Iterable[StoreOrder],
        body: object,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Return the response to a list call; `body` holds the JSON of `orders`."""
        served = list(orders)
        self.store.note_served(served)
        text = b"" if body is None else dump_json(body)
        spans = order_spans(text) if served else []
        return Response(
            status,
            text,
            headers=dict(headers or {}),
            occurrences=tuple(Occurrence(order.number, None, None) for order in served),
            spans=tuple(spans) if len(spans) == len(served) else (),
            listed=True,
        )


def whole_number(text: str | None, default: int) -> int | None:
    """Parse a whole number from 0; None for any other text."""
    if text is None:
        return default
    return int(text) if text.isascii() and text.isdecimal() else None


def money(cents: int) -> str:
    """Return hundredths as a decimal text."""
    return f"{cents // 100}.{cents % 100:02d}"
