"""What all platforms share: a store, a clock, what happens between calls, and counts by kind."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypedDict, Unpack

from orderpull.simulator.damaged import order_spans
from orderpull.simulator.model import Occurrence
from orderpull.simulator.profile import Response, dump_json, json_response

from .clock import NOON, Clock
from .movers import modify
from .store import AT_ONCE, DAYS, Shape, Store

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from datetime import datetime

    from orderpull.simulator.profile import Request

    from .movers import Action
    from .order import StoreOrder

Kind = Literal["list", "child", "token", "bulk", "other"]
"""What a call is for: orders, more of one order, a token, a bulk operation, or nothing of these."""


class Common(TypedDict, total=False):
    """The switches that every platform has.

    `orders` made from `seed`; `days`, `reused_numbers`, `same_stamp` and `odd` as in Store.
    `now`, `step` and `live` are the clock's. `moves` says what happens after which list call that
    was answered with orders (from 1), and after each of them `busy` orders are changed that were
    given away; `before_call(n, store)` is called before the n-th of them is answered. The list
    calls in `repeat` are answered with what the one before was answered; those of all kinds in
    `refuse`, counted together from 1, with 429 in the platform's own way.
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
    before_call: Callable[[int, Store], None]
    repeat: Collection[int]
    refuse: Collection[int]


class RefusedError(Exception):
    """A request is answered by a refusal."""

    def __init__(self, status: int, body: object, headers: Mapping[str, str] | None = None) -> None:
        """Say what is answered."""
        super().__init__(status)
        self.response = json_response(status, body, headers)


class Platform(ABC):
    """A profile with a store behind it. Subclasses say how requests are read and answered."""

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
        self.before_call = common.get("before_call")
        self.calls: Counter[Kind] = Counter()
        self.pages = 0
        self._repeat = common.get("repeat", ())
        self._refuse = common.get("refuse", ())
        self._before: Response | None = None

    def truth(self, by: Callable[[StoreOrder], str] | None = None) -> dict[str, Any]:
        """Return what a correct warehouse holds of the shop as it is now (see Store)."""
        return self.store.truth(by)

    def respond(self, request: Request) -> Response:
        """Answer one request; then the world moves on."""
        kind = self.kind(request)
        self.calls[kind] += 1
        if self.calls.total() in self._refuse:
            self.clock.tick()
            return self.too_many()
        if kind == "list" and self.before_call is not None:
            self.before_call(self.pages + 1, self.store)
        try:
            response = self.reply(request)
        except RefusedError as refused:
            response = refused.response
        if response.listed:
            response = self._page(response)
        self.clock.tick()
        return response

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
        """Return what the request is for."""

    @abstractmethod
    def reply(self, request: Request) -> Response:
        """Answer a request by the platform's rules, or raise RefusedError."""

    @abstractmethod
    def too_many(self) -> Response:
        """Refuse as the platform does when there were too many."""

    def listing(
        self,
        orders: Iterable[StoreOrder],
        body: object,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Return the answer of a list call: `orders` are those whose JSON stands in `body`."""
        given = list(orders)
        self.store.note_served(given)
        text = b"" if body is None else dump_json(body)
        spans = order_spans(text) if given else []
        return Response(
            status,
            text,
            headers=dict(headers or {}),
            occurrences=tuple(Occurrence(order.number, None, None) for order in given),
            spans=tuple(spans) if len(spans) == len(given) else (),
            listed=True,
        )


def whole_number(text: str | None, default: int) -> int | None:
    """Return a parameter that is a whole number from 0; None when it is something else."""
    if text is None:
        return default
    return int(text) if text.isascii() and text.isdecimal() else None


def money(cents: int) -> str:
    """Return hundredths as a decimal text."""
    return f"{cents // 100}.{cents % 100:02d}"


def split_name(name: str | None) -> tuple[str, str]:
    """Return first and last name; both joined by a blank (the empty ones left out) are the name."""
    first, _, last = (name or "").rpartition(" ")
    return first, last
