"""A server that behaves as an API's file says, and holds the client to it.

Where the file leaves a choice, the mirror takes the harder one: upper bounds are exclusive, pages
count positions in a list that moves, tokens rotate. It refuses requests beyond the file.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Unpack
from urllib.parse import unquote, urlencode

from orderpull.conform.auth_server import FakeAuthServer
from orderpull.conform.bulk_export import FakeExport
from orderpull.conform.rendering import CannotRenderError, Renderer, cut_out, plain
from orderpull.conform.request_checks import FURTHER, TOKEN_PARAM, RequestReader, refused
from orderpull.conform.values import Json, at, put
from orderpull.simulator import Request, Response
from orderpull.simulator.profile import dump_json, json_response
from orderpull.simulator.shop.auth import TokenIssuer
from orderpull.simulator.shop.base import (
    Common,
    Kind,
    Platform,
    RefusedError,
    whole_number,
)
from orderpull.simulator.shop.order import ASIDE, StoreOrder
from orderpull.simulator.shop.selecting import between, packed
from orderpull.simulator.shop.store import Shape
from orderpull.sources.paging.child_requests import elements
from orderpull.sources.spec.api import Api
from orderpull.sources.spec.blocks import (
    BODY,
    HEADER,
    LINK,
    AlsoSpec,
    ChildrenSpec,
    CursorSpec,
    PagingSpec,
)
from orderpull.sources.spec.expression import Step, parse_path
from orderpull.sources.spec.hook import Hook
from orderpull.sources.spec.order import ElementPath, ListPath

SIZE = 10
"""Page size where the file leaves it to the server."""

NESTED = 5
"""Lines inside an order; the rest needs further requests."""

WAIT = 3.0
"""Seconds that a client must wait after 429."""

OK = 200
COST, BUCKET, RESTORED = 40, 100, 20
"""Points of one call, of the whole budget, and restored in a second."""

ODD_NUMBERS = (
    "00123", "123", "1E5", "NULL", "T-9 ", "Caf\u00e9-1", "Cafe\u0301-1", "abc-1", "ABC-1", "#9/0",
)  # fmt: skip


def _modified(order: StoreOrder) -> datetime | None:
    return order.modified


def _placed(order: StoreOrder) -> datetime | None:
    return order.placed


def _number(place: int) -> str:
    return ODD_NUMBERS[place - 1] if place <= len(ODD_NUMBERS) else f"C-{place:05d}"


class Mirror(Platform):
    """The server of one file.

    :param repeats_last: pages after the last page repeat it.
    :param expires_after: calls until a token expires.
    :param waited: returns the seconds that the client waited so far, for budgets.
    :param budget: refuse calls beyond the budget.
    :param exports: write export files.
    :param endless: no export file is ever ready.
    :param sorts_anew: sort equal times differently in each response.
    """

    name = "mirror"

    def __init__(
        self,
        api: Api,
        *,
        repeats_last: bool = False,
        expires_after: int | None = None,
        waited: Callable[[], float] = lambda: 0.0,
        budget: bool = False,
        exports: bool = False,
        endless: bool = False,
        sorts_anew: bool = False,
        **common: Unpack[Common],
    ) -> None:
        """Make the server. CannotRenderError for a file without enough information."""
        self._unpage = api.functions.unpage
        if api.functions.page and not _is_undone(api.functions):
            raise CannotRenderError("the hook has page, and no unpage that is its inverse")
        self.api = api
        self.renderer = Renderer(api)
        odd = plain(api.mapping.number) and common.get("odd", True)
        self.shape = Shape(
            number=_number if odd else lambda place: f"C-{place:05d}",
            precision=api.cursor.precision if api.cursor else "s",
            aside=("cart", "draft") if self.renderer.carts else (),
            silent_edits=api.cursor is not None and api.cursor.silent,
        )
        super().__init__(**common)
        if not self.renderer.cancels:
            for order in self.store.orders.values():
                order.state = "placed" if order.state == "cancelled" else order.state
        self.reader = RequestReader(api)
        self._into = [ElementPath.parse(block.into) for block in api.children]
        self._keys = [ElementPath.parse(block.key) for block in api.children]
        self.auth = FakeAuthServer(api, TokenIssuer(self.clock, expires_after=expires_after))
        self.exports = FakeExport(
            api,
            writes=exports,
            endless=endless,
            document=self.renderer.document,
            select=self._filtered,
        )
        self._repeats_last = repeats_last
        self._sorts_anew = sorts_anew
        self._waited = waited
        self._spent = 0.0
        self._restored_at = 0.0
        self._budget = budget and api.limits.cost is not None
        self._gone: set[int] = set()

    # ------------------------------------------------------------------------------------ the truth

    def truth(self, by: Callable[[StoreOrder], str] | None = None) -> dict[str, Any]:
        """Return the contents of a correct warehouse, read from the mirror's JSON by the file."""
        truth: dict[str, dict[str, Any]] = {"orders": {}, "aside": {}, "deleted": {}}
        warehouse = [*self.store.orders.values(), *self.store.deleted.values()]
        for order in warehouse:
            document = self.renderer.document(order)
            deleted = order.key in self.store.deleted
            part = "deleted" if deleted else "aside" if order.state in ASIDE else "orders"
            known_as = by(order) if by else self.renderer.identity(document)
            truth[part][known_as] = self.renderer.rows(order, document)
        return truth

    # ------------------------------------------------------------------------------------- requests

    def kind(self, request: Request) -> Kind:
        """Return the purpose of the request."""
        if self.auth.is_token_call(request):
            return "token"
        if self.exports.kind(request):
            return "bulk"
        if self._children_of(request):
            return "child"
        return "list" if request.path == self.api.request.path else "other"

    def respond(self, request: Request) -> Response:
        """Respond to a request, with a body that the file's hook turns into JSON."""
        response = super().respond(request)
        if self._unpage is None or response.status != OK or self.kind(request) in {"token", "bulk"}:
            return response
        return replace(response, body=self._unpage(response.body), spans=())

    def reply(self, request: Request) -> Response:
        """Respond to a request."""
        if self.auth.is_token_call(request):
            return self.auth.respond(request)
        if self.exports.kind(request) == "file":
            return self.exports.respond(request, "file")
        if not self.auth.is_authenticated(request):
            raise RefusedError(*self._failure("expired", 401, "unauthorized"))
        if about := self.exports.kind(request):
            return self.exports.respond(request, about)
        child_request = self._children_of(request)
        if child_request is None and request.path != self.api.request.path:
            raise RefusedError(404, {"error": "there is nothing here"})
        self._spend()
        if child_request:
            return self._child(request, *child_request)
        return self._list(request)

    def too_many(self) -> Response:
        """Respond with 429 and the wait in the file's header and unit."""
        limits = self.api.limits
        wait = {"s": f"{WAIT:g}", "ms": f"{WAIT * 1000:g}", "rate": f"{1 / WAIT:.6f}"}
        response = json_response(429, {"error": "too many requests"})
        return Response(429, response.body, headers={limits.wait_header: wait[limits.wait_unit]})

    def failure(self, means: str) -> Response:
        """Return the error that the file declares with this meaning."""
        status, body = self._failure(means, 500, means)
        return json_response(status, body)

    # ----------------------------------------------------------------------------------- the orders

    def _list(self, request: Request) -> Response:
        api = self.api
        if api.consume_once:
            orders = [o for o in self.store.orders.values() if o.key not in self._gone]
            orders = orders[:SIZE] if api.paging.kind == "drain" else orders
            self._gone.update(order.key for order in orders)
            return self._listed(request, orders, size=len(orders), first=0, state={})
        state = self.reader.state(request, api.request, api.paging)
        matching = self._matching(state)
        size = self._size(state, api.paging)
        first = self._first(state, size, api.paging, len(matching))
        return self._listed(request, matching, size=size, first=first, state=state)

    def _matching(self, state: Mapping[str, str]) -> list[StoreOrder]:
        """The orders within the requested bounds, in the API's order."""
        cursor = self.api.cursor
        orders = list(self.store.orders.values())
        if (ids := self.reader.chosen(state)) is not None:
            return [o for o in orders if self.renderer.identity(self.renderer.document(o)) in ids]
        if self._sorts_anew:
            self.store.random.shuffle(orders)
            orders.sort(key=lambda order: order.modified)
        if cursor is None:
            return orders
        if cursor.horizon:
            earliest = self.clock.now - timedelta(days=cursor.horizon)
            orders = [order for order in orders if order.modified >= earliest]
        block: CursorSpec | AlsoSpec = cursor
        if FURTHER in state:
            block = cursor.also[int(state[FURTHER])]
            below = self.reader.moment(cursor, state.get(block.below or ""))
            orders = between(orders, None, below, upper_inclusive=False)
        lower, upper = self.reader.between(cursor, state, block)
        if (
            block is cursor
            and cursor.window
            and lower
            and (upper or self.clock.now) - lower > timedelta(days=cursor.window, seconds=2)
        ):
            raise refused(f"a window spans at most {cursor.window:g} days")
        of = _modified if block is cursor else _placed
        matching = between(orders, lower, upper, lower_inclusive=cursor.inclusive,
                           upper_inclusive=False, of=of)  # fmt: skip
        if self._sorts_anew:
            return sorted(matching, key=lambda order: of(order) or order.modified)
        if cursor.strategy == "reseek":
            return sorted(matching, key=lambda order: (of(order) or order.modified, order.key))
        return sorted(matching, key=lambda order: order.key)

    def _filtered(self, text: str) -> list[StoreOrder]:
        """The orders that the filter text of an export selects."""
        cursor, export = self.api.cursor, self.api.export
        if cursor is None or export is None:
            return []
        bounds = self.reader.filtered(text, export.filter_text)
        lower, upper = (self.reader.moment(cursor, bounds.get(name)) for name in ("lower", "upper"))
        return between(self.store.orders.values(), lower, upper)

    def _size(self, state: Mapping[str, str], paging: PagingSpec) -> int:
        size = whole_number(state.get("size"), paging.size or SIZE)
        if paging.size_param is None and paging.kind not in {"page", "offset"}:
            size = SIZE
        if paging.kind == "single" and not paging.size_param:
            return len(self.store.orders) + 1
        ids = self.api.reconcile.size if self.api.reconcile else None
        if not size or size > max(paging.max_size or size, ids or 0):
            raise refused(f"a page has from 1 to {paging.max_size} orders")
        return size

    def _first(
        self,
        state: Mapping[str, str],
        size: int,
        paging: PagingSpec,
        matching: int,
    ) -> int:
        """Position in the list of the first order of the page."""
        if paging.kind in {"page", "offset"}:
            default = paging.first if paging.kind == "page" else 0
            number = whole_number(state.get("at"), default)
            if number is None or number < (paging.first if paging.kind == "page" else 0):
                raise refused(f"{paging.param} is no place in the list")
            first = (number - paging.first) * size if paging.kind == "page" else number
            if self._repeats_last and matching and first >= matching:
                return (matching - 1) // size * size
            return first
        return int(state.get("first", 0))

    # ---------------------------------------------------------------------------------------- pages

    def _listed(
        self,
        request: Request,
        matching: list[StoreOrder],
        *,
        size: int,
        first: int,
        state: Mapping[str, str],
    ) -> Response:
        """The page of *size* orders from place *first* of *found* on."""
        paging, orders = self.api.paging, matching[first : first + size]
        elements = [self._element(order) for order in orders]
        last = first + len(orders) >= len(matching)
        repeated = state.get("again") == "1"
        goes_on = not last or (self._repeats_last and bool(orders) and not repeated)
        behind = {**state, "first": str(first + len(orders))}
        if last and goes_on:
            behind = {**state, "first": str(first), "again": "1"}
        body, headers = self._enveloped(elements, self.api.record_path, paging, len(matching))
        self._tell_next(body, headers, paging, request, packed(behind) if goes_on else None)
        cursor = self.api.cursor
        if cursor and cursor.server_upper:
            put(body, parse_path(cursor.server_upper).steps, self.renderer.stamp(self.clock.now))
        return self.listing(orders, body, headers=headers)

    def _element(self, order: StoreOrder) -> Json:
        """An order as in the list, without the children of further requests."""
        element: Json = self._without_children(self.renderer.document(order))
        for key in reversed(self.api.record_path.inner):
            element = {key: element}
        return element

    def _without_children(self, document: Json, first: int = 0) -> Json:
        """*document* without the children of block *first* and of later blocks."""
        blocks = [*zip(self.api.children, self._into, strict=True)][first:]
        for block, into in reversed(blocks):
            for _, element in elements(document, into.lists):
                keep = NESTED if block.more else 0
                rest = cut_out(element, into.leaf, keep)
                if block.more and block.more != block.into:
                    put(element, ElementPath.parse(block.more).leaf, bool(rest))
                if block.next and rest:
                    put(element, ElementPath.parse(block.next).leaf, packed({"first": str(keep)}))
        return document

    def _enveloped(
        self, elements: list[Json], where: ListPath, paging: PagingSpec, total: int
    ) -> tuple[Json, dict[str, str]]:
        body: Json = elements
        headers = {}
        if where.steps:
            body = {}
            put(body, where.steps, elements)
        told_total = paging.total or ""
        if told_total.startswith(HEADER):
            headers[told_total.removeprefix(HEADER)] = str(total)
        elif told_total:
            put(body, parse_path(told_total).steps, total)
        self._tell_cost(body)
        return body, headers

    def _tell_cost(self, body: Json) -> None:
        """Write the state of the budget as the file says."""
        if (cost := self.api.limits.cost) and isinstance(body, dict):
            put(body, parse_path(cost.requested).steps, COST)
            put(body, parse_path(cost.available).steps, BUCKET - self._spent)
            put(body, parse_path(cost.restore).steps, RESTORED)

    def _tell_next(
        self,
        body: Json,
        headers: dict[str, str],
        paging: PagingSpec,
        request: Request,
        token: str | None,
    ) -> None:
        """Write the link to the next page as the file says; *token* None: the last page."""
        if paging.more:
            put(body, parse_path(paging.more).steps, token is not None)
        if token is None:
            if paging.kind in {"cursor", "next"} and paging.next:
                put(body, parse_path(paging.next).steps, None)
            return
        query = "?" + urlencode({TOKEN_PARAM: token})
        url = f"http://{request.headers.get('host', '')}{request.path}{query}"
        if paging.kind == "link":
            headers["Link"] = f'<http://127.0.0.1/first>; rel="first", <{url}>; rel="next"'
        elif paging.kind == "next" and paging.next:
            told_url = url if self.calls["list"] % 2 else query
            put(body, parse_path(paging.next).steps, told_url)
        elif paging.kind == "cursor" and paging.next:
            put(body, parse_path(paging.next).steps, token)

    # ------------------------------------------------------------------------------------ children

    def _children_of(self, request: Request) -> tuple[int, str] | None:
        """Index of the block and key of a child request; None for other requests."""
        for number, block in enumerate(self.api.children):
            if block.request.path == LINK:
                if self._with_key(number, request.path) is not None:
                    return number, request.path
                continue
            pattern = re.escape(block.request.path).replace(r"\{key\}", "(?P<key>[^/]+)")
            match = re.fullmatch(pattern, request.path)
            if match is None or not self._has_texts_of(block, request):
                continue
            key = match.groupdict().get("key") or self._key(block, request)
            if key is not None:
                return number, unquote(key)
        return None

    def _has_texts_of(self, block: ChildrenSpec, request: Request) -> bool:
        """True if *request* has the texts of the block's body, such as its query."""
        try:
            body = json.loads(request.body or b"{}")
        except ValueError:
            return False
        texts = {name: text for name, text in block.request.body.items() if isinstance(text, str)}
        return isinstance(body, dict) and all(body.get(n) == text for n, text in texts.items())

    def _key(self, block: ChildrenSpec, request: Request) -> str | None:
        place = block.key_param or ""
        if not place.startswith(BODY):
            return request.query.get(place)
        try:
            key = at(json.loads(request.body or b"{}"), parse_path(place[2:]).steps)
        except ValueError:
            return None
        return None if key is None else str(key)

    def _child(self, request: Request, number: int, key: str) -> Response:
        block, element = self.api.children[number], self._with_key(number, key)
        if element is None:
            raise RefusedError(404, {"error": "there is no such order"})
        state = self.reader.state(request, block.request, block.paging)
        listed = at(element, self._into[number].leaf) or []
        if block.more == block.into:  # the list in the order begins it, and says that it goes on
            listed = listed[NESTED:]
        if block.one:
            return json_response(200, listed[0] if listed else {})
        size = self._size(state, block.paging)
        first = self._first(state, size, block.paging, len(listed))
        if block.paging.kind == "single":
            size = len(listed) + 1
        page = listed[first : first + size]
        goes_on = first + len(page) < len(listed)
        where = ListPath.parse(block.records.path)
        body, headers = self._enveloped(page, where, block.paging, len(listed))
        behind = {**state, "first": str(first + len(page))}
        self._tell_next(body, headers, block.paging, request, packed(behind) if goes_on else None)
        return json_response(200, body, headers)

    def _with_key(self, number: int, key: str) -> Json:
        """The order, or element of it, of which block *number* has *key*; None without it."""
        orders, path = self.store.orders, self._keys[number]
        likely = [orders[int(n)] for n in re.findall(r"\d+", key) if int(n) in orders]
        for order in (*likely, *orders.values()):
            document = self._without_children(self.renderer.document(order), number + 1)
            for _, element in elements(document, path.lists):
                if str(at(element, path.leaf)) == key:
                    return element
        return None

    # -------------------------------------------------------------------------------------- errors

    def _spend(self) -> None:
        """Take the points of a call from the budget. RefusedError if too few are left."""
        if not self._budget:
            return
        now = self._waited()
        self._spent = max(0.0, self._spent - (now - self._restored_at) * RESTORED)
        self._restored_at = now
        if self._spent + COST > BUCKET:
            status, body = self._failure("busy", 429, "throttled")
            self._tell_cost(body)
            raise RefusedError(status, body)
        self._spent += COST

    def _failure(self, means: str, status: int, detail: str) -> tuple[int, Json]:
        """Status and body of an error, as the file declares it or as plain HTTP."""
        body = declared_error(self.api, means, detail)
        return (status, {"error": detail}) if body is None else (200, body)


def declared_error(api: Api, means: str, detail: str) -> Json:
    """Body of the error that the file declares with this meaning; None without one."""
    error = next((each for each in api.errors if each.means == means), None)
    if error is None:
        return None
    body: Json = {}
    message, path = (_steps(each) if each else None for each in (error.message, error.path))
    if message:
        put(body, message, detail)
    if path and at(body, path) is None:
        put(body, path, (error.values or [detail])[0])
    return body


def _steps(path: str) -> tuple[Step, ...]:
    """The steps of *path*, with the first element for a list."""
    return parse_path(path.replace("[]", "[0]")).steps


def _is_undone(hook: Hook) -> bool:
    """Return True if the hook's unpage is the inverse of its page."""
    sample = {"orders": [{"id": "T-9 \u00e4", "lines": [{"sku": None, "quantity": 1}]}]}
    try:
        body = hook.unpage(dump_json(sample)) if hook.unpage else b""
        return bool(hook.page and json.loads(hook.page(body)) == sample)
    except Exception:  # noqa: BLE001 - a user's functions may raise anything
        return False
