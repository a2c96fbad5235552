"""A shop of any manners, read by the pull alone, without a network, while anything happens to it.

A scene is drawn from a seed: how the API pages, bounds and writes times, what moves between which
calls, what fails, and where the reader stops. The oracle is the shop's own store after quiet runs.
"""

import json
import random
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pytest

from orderpull import clock, failpoints
from orderpull.landing.local import LocalSourceLanding
from orderpull.normalize.pages import PageTexts, StagedPage
from orderpull.normalize.sql import NormalizeSql
from orderpull.settings import SourceSettings
from orderpull.simulator.profile import Request as Asked
from orderpull.simulator.shop import generic, movers
from orderpull.simulator.shop.generic import Generic
from orderpull.simulator.shop.order import StoreOrder
from orderpull.simulator.shop.selecting import between
from orderpull.simulator.shop.store import Store
from orderpull.simulator.shop.times import Form
from orderpull.sources.http.limits import Stop
from orderpull.sources.http.messages import Request, Response, ResponseSink
from orderpull.sources.pull import PullResult, ResumePoint, Source
from orderpull.sources.spec.api import Api
from orderpull.sources.spec.reader import parse_api
from orderpull.sources.spec.times import parse_time

MOST_CALLS = 12000
"""Calls after which a scene is taken to go on for ever."""

_API = """
title = "Any shop"
[request]
method = "{method}"
path = "{path}"
[paging]
kind = "{kind}"
{paging}
size = {size}
[records]
path = "orders"
[cursor]
path = "modified_at"
lower = "{at}modified_from"
{upper}
inclusive = {inclusive}
precision = "{precision}"
format = "{format}"
timezone = "{timezone}"
overlap = {overlap}
strategy = "{strategy}"
{window}
[limits]
tries = 3
[reconcile]
{ids}
[[errors]]
path = "broken"
means = "broken"
[order]
id = "id"
number = "number"
modified_at = "modified_at"
time_format = "{read}"
timezone = "{timezone}"
[order.lines]
path = "lines"
sku = "sku"
quantity = "quantity"
"""

_PLACED = """
[[cursor.also]]
path = "placed_at"
lower = "{at}placed_from"
{below}
"""

_CHILDREN = """
[[children]]
into = "lines"
key = "id"
[children.request]
path = "/orders/{key}/lines"
[children.paging]
kind = "page"
param = "page"
size = 3
size_param = "limit"
"""

_KINDS = {
    "page": ("page", 'param = "page"'),
    "offset": ("offset", 'param = "offset"'),
    "link": ("link", ""),
    "next_url": ("next", 'next = "next"'),
    "next_query": ("next", 'next = "next"'),
    "cursor": ("cursor", 'param = "cursor"\nnext = "next_cursor"'),
    "body_cursor": ("cursor", 'param = "$.cursor"\nnext = "next_cursor"'),
    "single": ("single", ""),
}
_FORMATS: dict[Form, tuple[str, str]] = {
    "iso": ("iso", "iso"),
    "iso-naive": ("naive", "iso"),
    "sql": ("sql", "iso"),
    "rfc2822": ("rfc2822", "rfc2822"),
    "unix": ("unix", "unix"),
}


_IDS = {"": '[ids]\nquery = { ids = "1" }', "$": '[ids.body]\n"$.ids" = 1'}
_IDS_ALONE = re.compile(r'(?<=[?&])ids=1&?|[?&]ids=1$|,"ids":1')
"""What a request for ids alone has beyond any other; this shop knows nothing of it."""


class Killed(BaseException):
    """The process ends here."""


class NeverEnds(AssertionError):
    """A pull that asks and asks."""


@dataclass
class Scene:
    """What is drawn. The fields are those of ``Generic`` and of ``[cursor]``."""

    seed: int
    paging: str = "page"
    strategy: str = "reseek"
    orders: int = 40
    size: int = 10
    together: int = 0
    switches: dict[str, Any] = field(default_factory=dict)
    precision: str = "s"
    kept: str = "s"
    upper: bool = True
    overlap: float = 120.0
    window: float | None = None
    max_pages: int | None = None
    now: datetime = datetime(2026, 6, 1, 12, tzinfo=UTC)
    timezone: str = "UTC"
    dates: Form = "iso"
    moves: int = 0
    late: bool = False
    faults: float = 0.0
    kills: float = 0.0
    children: bool = False
    placed: Literal["", "all", "rest"] = ""

    broken: bool = False

    @property
    def total(self) -> str:
        return str(self.switches.get("total", "none"))


def api_of(scene: Scene) -> Api:
    """The api file that describes the scene's shop."""
    kind, how = _KINDS[scene.paging]
    searched = scene.paging == "body_cursor"
    at = "$." if searched else ""
    form, read = _FORMATS[scene.dates]
    if scene.dates == "unix" and scene.kept == "ms":
        form, read = "unix_ms", "unix_ms"
    if scene.paging != "single":
        how += f'\nsize_param = "{at}limit"'
    how += {"body": '\ntotal = "total"', "header": '\ntotal = "header:X-Total-Count"'}.get(
        scene.total, ""
    )
    if scene.switches.get("repeat_params") == "must_not":
        how += "\nrepeat = false"
    text = _API.format(
        method="POST" if searched else "GET",
        path="/orders/search" if searched else "/orders",
        kind=kind,
        paging=how,
        size=scene.size,
        at=at,
        upper=f'upper = "{at}modified_to"' if scene.upper else "",
        inclusive=str(scene.switches.get("lower_inclusive", True)).lower(),
        precision=scene.precision,
        format=form,
        read=read,
        timezone=scene.timezone,
        overlap=scene.overlap,
        strategy=scene.strategy,
        window=f"window = {scene.window}" if scene.window else "",
        ids="" if scene.paging == "single" else _IDS["$" if searched else ""],
    )
    if scene.switches.get("echo_upper"):
        text = text.replace("[cursor]", '[cursor]\nserver_upper = "upper"')
    if scene.placed:
        below = f'below = "{at}modified_before"' if scene.placed == "rest" else ""
        text += _PLACED.format(at=at, below=below)
    return parse_api(text + (_CHILDREN if scene.children else ""), "any.toml")


class PlacedShop(Generic):
    """Tells when an order was placed, and can be asked by that time."""

    _by_placed = False

    def rendered(self, order: StoreOrder) -> dict[str, Any]:
        placed = order.placed and self._written(order.placed)
        return {**super().rendered(order), "placed_at": placed}

    def _matching(self, filters: Mapping[str, str]) -> list[StoreOrder]:
        self._by_placed = "placed_from" in filters
        if not self._by_placed:
            return super()._matching(filters)
        matching = between(
            self.store.orders.values(),
            self._read(filters["placed_from"]),
            None,
            lower_inclusive=self._lower_inclusive,
            of=lambda order: order.placed,
        )
        before = self._read(filters.get("modified_before"))
        matching = between(matching, None, before, upper_inclusive=self._upper_inclusive)
        return sorted(matching, key=self._key, reverse=self._descending)

    def _key(self, order: StoreOrder) -> tuple[float, int]:
        if self._by_placed and order.placed:
            return order.placed.timestamp(), order.key
        return super()._key(order)


class Trial:
    """One scene, read run after run."""

    def __init__(self, folder: Path, scene: Scene, patch: pytest.MonkeyPatch) -> None:
        self.scene, self.random = scene, random.Random(scene.seed)
        self.api = api_of(scene)
        patch.setattr(generic, "FILTERS", (*generic.FILTERS, "placed_from", "modified_before"))
        self.shop = PlacedShop(
            paging=scene.paging,  # type: ignore[arg-type]
            orders=scene.orders,
            seed=scene.seed,
            now=scene.now,
            precision=scene.kept,
            dates=scene.dates,
            timezone=scene.timezone,
            max_size=1000 if scene.paging == "single" else max(scene.size, 1),
            children=scene.children,
            **scene.switches,
        )
        self._together()
        self.landing = LocalSourceLanding(folder / "landing", "shop")
        self.landing.prepare()
        self.settings = SourceSettings(
            api="any.toml",
            base_url="http://shop.test",
            start="2026-01-01" if scene.now.year == 2026 else "2025-01-01",
            max_pages=scene.max_pages,
        )
        self.calls = 0
        self.moving = False
        patch.setattr(clock, "now", lambda: self.shop.clock.now.replace(tzinfo=None))
        patch.setattr(failpoints, "_action", self._reached)
        patch.setattr(Stop, "wait", lambda *_: False)

    def _together(self) -> None:
        """Give many orders one instant, as bulk changes do."""
        orders = list(self.shop.store.orders.values())
        first = self.random.randrange(max(1, len(orders) - self.scene.together + 1))
        chosen = orders[first : first + self.scene.together]
        for order in chosen:
            order.modified = chosen[-1].modified

    def pull(self) -> PullResult | None:
        """One run; None if it was killed."""
        source = Source("shop", self.settings, self.api, send=self._send)
        try:
            return source.pull(self.landing, ResumePoint(), Stop())
        except Killed:
            return None

    def _reached(self, _: str) -> None:
        if self.moving and self.random.random() < self.scene.kills:
            raise Killed

    def _send(self, request: Request, _: ResponseSink) -> Response:
        self.calls += 1
        if self.calls > MOST_CALLS:
            raise NeverEnds
        body = (request.body or b"").decode()
        ids_alone = bool(_IDS_ALONE.search(request.target) or _IDS_ALONE.search(body))
        asked = Asked(
            request.method,
            _IDS_ALONE.sub("", request.target),
            {"host": "shop.test", **{k.lower(): v for k, v in request.headers.items()}},
            _IDS_ALONE.sub("", body).encode(),
        )
        answer = self.shop.respond(asked)
        if self.moving and not ids_alone and self._broken(answer.body):
            return Response(200, {}, b'{"broken":"Cannot return null"}')
        if self.moving:
            if self.calls < 250:
                self._move()
            if self.random.random() < self.scene.faults:
                return self._fault(answer.body)
        headers = {k.lower(): v for k, v in answer.headers.items()}
        return Response(answer.status, headers, answer.body)

    def _broken(self, body: bytes) -> bool:
        """Whether the answer has one of the orders for which this shop fails: about one in 12."""
        if not self.scene.broken or not body.startswith(b"{"):
            return False
        ids = [str(order["id"]) for order in json.loads(body).get("orders", [])]
        return any(zlib.crc32(f"{self.scene.seed} {each}".encode()) % 12 == 0 for each in ids)

    def _fault(self, body: bytes) -> Response:
        kind = self.random.randrange(4)
        if kind == 0:
            return Response(self.random.choice((500, 502, 503)), {}, b"<html>")
        if kind == 1:
            return Response(429, {"retry-after": "1"}, b"{}")
        if kind == 2:
            return Response(200, {}, body[: self.random.randrange(len(body) + 1)])
        return Response(200, {}, body[: len(body) // 2], problem="the connection was reset")

    def _move(self) -> None:
        for _ in range(self.random.randrange(self.scene.moves + 1)):
            count = self.random.choice((1, 1, 2, 3, 7))
            served = self.random.random() < 0.7
            acts = [
                movers.modify(count, served=served),
                movers.modify(count, served=served),
                movers.insert(count),
                movers.delete(count, served=served),
                movers.edit_number(count, served=served),
                _one_instant(count),
            ]
            if self.scene.late:
                seconds = self.scene.overlap * self.random.random() * 0.5
                acts += [
                    movers.insert(count, late=seconds),
                    _late(count, seconds),
                ]
            if self.scene.placed:
                acts += [movers.insert(count, "cart"), _placed_late(count)]
            self.random.choice(acts)(self.shop.store)

    def landed(self) -> dict[str, Any]:
        """The version of each order that wins, by id, as its JSON is."""
        texts = PageTexts(self.api, NormalizeSql(self.api, "{number}").layout)
        best: dict[str, tuple[Any, Any]] = {}
        for number in self.landing.pages():
            meta, body = self.landing.read(number)
            if meta.kind == "listing":
                continue
            page = StagedPage(meta, lambda body=body: body)  # type: ignore[misc]
            for position, piece in enumerate(texts.pieces(page, body)):
                order = json.loads(piece.text)
                spec = self.api.order
                stamp = parse_time(order["modified_at"], spec.time_format, spec.timezone)
                version = (stamp, number, position)
                key = str(order["id"])
                if key not in best or version > best[key][0]:
                    best[key] = version, order
        return {key: order for key, (_, order) in best.items()}

    def wrong(self) -> list[str]:
        """What is missing, or kept in an old version."""
        landed = self.landed()
        found = []
        for order in self.shop.store.orders.values():
            should = self.shop.rendered(order)
            if self.scene.children:
                should = {**should, "lines": self._lines(order)}
            key = self.shop.store.id(order)
            if key not in landed:
                found.append(f"{key} is missing ({should['modified_at']})")
            elif landed[key] != json.loads(json.dumps(should)):
                found.append(
                    f"{key} is old: {landed[key]['modified_at']}, not {should['modified_at']}"
                )
        return found

    def _lines(self, order: StoreOrder) -> Any:
        found: list[Any] = []
        path = f"/orders/{self.shop.store.id(order)}/lines"
        while page := json.loads(
            self.shop.respond(Asked("GET", f"{path}?page={len(found) // 50 + 1}")).body
        ):
            found += page
            if len(page) < 50:
                break
        return found


def _one_instant(count: int) -> Callable[[Store], None]:
    def act(store: Store) -> None:
        orders = list(store.orders.values())
        for order in store.random.sample(orders, min(len(orders), 5 * count)):
            store.edit(order)

    return act


def _late(count: int, seconds: float) -> Callable[[Store], None]:
    """Changes stamped a while ago, but never before the order's last one."""

    def act(store: Store) -> None:
        for order in store.random.sample(
            list(store.orders.values()), min(len(store.orders), count)
        ):
            since = (store.clock.now - order.modified).total_seconds()
            store.edit(order, late=max(0.0, min(seconds, since - 1)))

    return act


def _placed_late(count: int) -> Callable[[Store], None]:
    """Carts become orders, and their time of change stays."""

    def act(store: Store) -> None:
        carts = [order for order in store.orders.values() if order.placed is None]
        for order in store.random.sample(carts, min(len(carts), count)):
            order.state, order.placed = "placed", store.now()
            store.touch(order, silently=True)

    return act


def play(trial: Trial, runs: int = 4) -> int:
    """Runs while all moves, then quiet ones; the calls of the last."""
    trial.moving = True
    for _ in range(runs):
        if trial.scene.placed:
            movers.insert(2, "cart")(trial.shop.store)
        trial.pull()
        trial.shop.clock.advance(trial.random.choice((1, 30, 600)))
        if trial.scene.placed:
            movers.insert(1)(trial.shop.store)
            _placed_late(1)(trial.shop.store)
    trial.moving = False
    trial.shop.clock.advance(1)
    for _ in range(60):
        finished = _finished(trial.pull())
        trial.shop.clock.advance(5)
        if finished:
            break
    else:
        raise AssertionError("60 quiet runs come to no end")
    before = trial.calls
    while not _finished(trial.pull()):
        pass
    return trial.calls - before


def _finished(pulled: PullResult | None) -> bool:
    assert pulled is not None
    assert pulled.error is None, pulled.error
    return pulled.finished_at is not None


def drawn(seed: int) -> Scene:
    """The scene of a seed."""
    pick = random.Random(f"scene {seed}")
    scene = Scene(seed)
    scene.paging = pick.choice(list(_KINDS))
    scene.strategy = pick.choice(("reseek", "window_verify"))
    scene.orders = pick.choice((0, 1, 5, 20, 40, 80))
    scene.size = pick.choice((1, 2, 5, 10, 10, 20, 40))
    if scene.size < 5:
        scene.orders = min(scene.orders, 20)
    scene.together = pick.choice((0, 0, 3, 10, 11, 25, 60))
    sort = "modified" if scene.strategy == "reseek" else pick.choice(("modified", "created", "id"))
    scene.switches = {
        "sort": sort,
        "descending": scene.strategy == "window_verify" and pick.random() < 0.4,
        "total": pick.choice(("none", "none", "body", "header")),
        "end": pick.choice(("empty", "204")),
        "lower_inclusive": pick.random() < 0.6,
        "upper_inclusive": pick.random() < 0.6,
        "repeat_params": pick.choice(("may", "must_not"))
        if scene.paging in {"cursor", "body_cursor"}
        else "may",
        "same_stamp": pick.choice((0, 12)),
        "step": pick.choice((0.0, 0.001, 0.3, 1.0, 7.0)),
        "days": pick.choice((0.001, 0.05, 3, 30)),
        "echo_upper": pick.random() < 0.2,
    }
    scene.kept = pick.choice(("s", "ms", "us"))
    scene.precision = pick.choice(("s", "ms", "us")[: ("s", "ms", "us").index(scene.kept) + 1])
    scene.upper = pick.random() < 0.6
    scene.overlap = pick.choice((0, 5, 120, 3600))
    scene.window = pick.choice((None, None, 0.5, 7.0)) if scene.upper else None
    if scene.strategy == "reseek":
        scene.max_pages = pick.choice((None, None, 1, 2, 3))
    scene.dates = pick.choice(("iso", "iso", "iso", "unix", "rfc2822", "sql", "iso-naive"))
    if scene.dates == "rfc2822":
        scene.kept = scene.precision = "s"
    if scene.dates == "unix":
        scene.kept = pick.choice(("s", "ms"))
        scene.precision = scene.kept
    if scene.strategy == "window_verify" and scene.dates in {"sql", "iso-naive"}:
        scene.timezone = pick.choice(("Europe/Berlin", "America/New_York", "UTC"))
        scene.now = pick.choice(
            (
                datetime(2026, 10, 25, 1, 30, tzinfo=UTC),
                datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
                datetime(2026, 10, 25, 3, 0, tzinfo=UTC),
                datetime(2026, 3, 29, 1, 20, tzinfo=UTC),
                datetime(2026, 11, 1, 6, 30, tzinfo=UTC),
                datetime(2026, 11, 1, 5, 30, tzinfo=UTC),
                datetime(2026, 3, 8, 7, 30, tzinfo=UTC),
            )
        )
    scene.moves = pick.choice((0, 1, 1, 2, 4))
    scene.late = scene.overlap > 10 and pick.random() < 0.5
    scene.faults = pick.choice((0, 0, 0.1))
    scene.kills = pick.choice((0, 0, 0.05))
    scene.children = pick.random() < 0.2
    scene.placed = pick.choice(("", "all", "rest"))

    scene.broken = scene.paging != "single" and pick.random() < 0.3
    scene.switches["sorts_anew"] = pick.random() < 0.3
    return scene
