"""A shop whose orders change while they are read, asked without a network."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from orderpull import clock
from orderpull.landing.local import LocalSourceLanding
from orderpull.settings import SourceSettings
from orderpull.sources.http.limits import Stop
from orderpull.sources.http.messages import Request, Response, ResponseSink
from orderpull.sources.pull import PullResult, ResumePoint, Source
from orderpull.sources.spec.reader import parse_api
from orderpull.sources.spec.times import parse_time

BEGAN = datetime(2026, 1, 1)
SIZE = 50

API = """
title = "Moving shop"
[request]
path = "/orders"
[paging]
{paging}
size_param = "limit"
size = 50
{total}
[records]
path = "orders"
{cursor}
[order]
id = "id"
number = "id"
modified_at = "updated_at"
[order.lines]
path = "lines"
sku = "sku"
quantity = "quantity"
"""

CURSOR = """
[cursor]
path = "updated_at"
lower = "from"
{upper}
inclusive = {inclusive}
precision = "{precision}"
overlap = 120
strategy = "{strategy}"
"""

PAGING = {
    "page": 'kind = "page"\nparam = "at"',
    "offset": 'kind = "offset"\nparam = "at"',
    "none": 'kind = "single"',
}

Move = Callable[["MovingShop"], None]


def names(*numbers: int) -> list[str]:
    """The ids of a shop's first orders."""
    return [f"o{number:06d}" for number in numbers]


class MovingShop:
    """Orders by id with the time of their last change, sorted by it; a tie goes by id.

    :param moves: what happens after which answer, counted from 1.
    :param inclusive: whether an order of the very instant of the lower bound is answered.
    :param key: what the answers are sorted by, instead.
    :param deaf: whether the position that is asked for is ignored.
    :param by_page: whether that position is a page's number.
    :ivar now: the shop's clock; each change happens a second after the one before.
    :ivar asked: the query of each request.
    """

    def __init__(
        self,
        orders: int = 0,
        *,
        every: float = 1.0,
        moves: dict[int, Move] | None = None,
        inclusive: bool = True,
        key: Callable[[str, datetime], Any] | None = None,
        deaf: bool = False,
        by_page: bool = False,
    ) -> None:
        self.orders = {f"o{n:06d}": BEGAN + timedelta(seconds=n * every) for n in range(orders)}
        self.now = BEGAN + timedelta(seconds=orders * every + 600)
        self.moves = moves or {}
        self.inclusive = inclusive
        self.key = key or (lambda order, stamp: (stamp, order))
        self.deaf = deaf
        self.by_page = by_page
        self.asked: list[dict[str, str]] = []
        self.served: list[list[str]] = []

    def tick(self) -> datetime:
        """The next second."""
        self.now += timedelta(seconds=1)
        return self.now

    def modify(self, *ids: str) -> None:
        """Change orders now: they go to the end of the list."""
        for order in ids:
            self.orders[order] = self.tick()

    def delete(self, *ids: str) -> None:
        for order in ids:
            del self.orders[order]

    def insert(self, name: str, stamp: datetime | None = None) -> None:
        """Add an order, stamped now or before."""
        self.orders[name] = stamp or self.tick()

    def send(self, request: Request, progress: ResponseSink) -> Response:
        """Answer one request; then the world moves on."""
        query = dict(parse_qsl(urlsplit(request.target).query))
        self.asked.append(query)
        body = self._answer(query)
        if move := self.moves.get(len(self.asked)):
            move(self)
        return Response(200, {}, body)

    def _answer(self, query: dict[str, str]) -> bytes:
        found = sorted(self.orders.items(), key=lambda order: self.key(*order))
        if lower := parse_time(query.get("from")):
            found = [o for o in found if o[1] > lower or (self.inclusive and o[1] == lower)]
        if upper := parse_time(query.get("to")):
            found = [order for order in found if order[1] <= upper]
        size = int(query["limit"])
        at = int(query.get("at", 0))
        first = 0 if self.deaf else (at - 1) * size if self.by_page else at
        page = found[first : first + size]
        self.served.append([order for order, _ in page])
        told = [{"id": order, "updated_at": clock.iso(stamp)} for order, stamp in page]
        return json.dumps({"count": len(found), "orders": told}).encode()


class Reader:
    """A source that reads a moving shop into a landing, run after run."""

    def __init__(
        self,
        folder: Path,
        shop: MovingShop,
        patch: pytest.MonkeyPatch,
        *,
        strategy: str | None = "reseek",
        precision: str = "ms",
        upper: bool = True,
        total: bool = False,
        position: bool = True,
        size: int | None = SIZE,
        max_pages: int | None = None,
        start: str = "2025-12-31",
    ) -> None:
        patch.setattr(clock, "now", lambda: shop.now)
        self.shop = shop
        cursor = CURSOR.format(
            upper='upper = "to"' if upper else "",
            inclusive=str(shop.inclusive).lower(),
            precision=precision,
            strategy=strategy,
        )
        text = API.format(
            paging=PAGING["page" if shop.by_page else "offset" if position else "none"],
            total='total = "count"' if total else "",
            cursor=cursor if strategy else "",
        )
        settings = SourceSettings(
            api="moving.toml",
            base_url="http://shop.test",
            start=start,
            page_size=size,
            max_pages=max_pages,
        )
        self.source = Source("shop", settings, parse_api(text, "moving.toml"), send=shop.send)
        self.landing = LocalSourceLanding(folder / "landing" / "shop", "shop")
        self.landing.prepare()

    def pull(self) -> PullResult:
        """One run; the ledger knows nothing."""
        return self.source.pull(self.landing, ResumePoint(), Stop())

    def landed(self) -> list[tuple[str, str]]:
        """Each order's version in each landed page: id and time of change."""
        bodies = (self.landing.read(page)[1] for page in self.landing.pages())
        return [(o["id"], o["updated_at"]) for body in bodies for o in json.loads(body)["orders"]]

    def missing(self) -> list[str]:
        """Orders of which the landing lacks the version that the shop has now."""
        landed = set(self.landed())
        return [o for o, stamp in self.shop.orders.items() if (o, clock.iso(stamp)) not in landed]
