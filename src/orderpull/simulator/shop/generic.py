"""The platform `generic`: a made-up API whose switches imitate most ways of real APIs."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Unpack, get_args
from urllib.parse import urlencode

from orderpull.simulator.profile import Request, Response, json_response

from .auth import TOKEN_PATHS, Auth, GenericAuth
from .base import Common, Kind, Platform, money, whole_number
from .order import StoreOrder
from .selecting import SORTS, Key, after, between, packed, unpacked
from .store import Shape
from .times import Form, read, written, zone

Paging = Literal[
    "page", "offset", "link", "next_url", "next_query", "cursor", "body_cursor", "single"
]
End = Literal["empty", "204", "repeat_last"]
Total = Literal["body", "header", "none"]
Repeat = Literal["may", "must", "must_not"]
"""Rule for the parameters of the first call: a cursor may, must or must not repeat them."""

LIST_PATH = "/orders"
SEARCH_PATH = "/orders/search"
FILTERS = ("modified_from", "modified_to", "limit")
CHILD_SIZE = 50
COUNTING = ("page", "offset", "single")
"""Pagings by position in the list, where changes shift the pages."""


class Generic(Platform):
    """`GET /orders?limit=&modified_from=&modified_to=` answers an object with `orders`.

    Orders that are no sale (`status` cart, draft, test) are in the list. `fields=id,modified_at`
    leaves out all others. `GET /orders/{id}` is one order, `GET /orders/{id}/lines?page=&limit=`
    an array of its lines, 50 at most.
    """

    name = "generic"

    def __init__(  # noqa: PLR0913 - one argument a switch
        self,
        *,
        paging: Paging = "page",
        end: End = "empty",
        total: Total = "none",
        sort: str | None = "modified",
        sorts_anew: bool = False,
        descending: bool = False,
        lower_inclusive: bool = True,
        upper_inclusive: bool = True,
        precision: str = "s",
        dates: Form = "iso",
        timezone: str = "UTC",
        echo_upper: bool = False,
        children: bool = False,
        poisoned: bool = False,
        max_size: int = 100,
        repeat_params: Repeat = "may",
        cursor_calls: int | None = None,
        auth: Auth = "none",
        token_header: str | None = None,
        lifetime: float | None = 3600.0,
        expires_after: int | None = None,
        **common: Unpack[Common],
    ) -> None:
        """Describe the platform. ValueError for a switch whose value does not fit.

        `paging`: page and offset take `page` (from 1) or `offset`; link tells the next page's URL
        in a Link header, next_url and next_query (that URL's query alone) in `next`; cursor and
        body_cursor tell `next_cursor`, which goes into the query's or the JSON body's `cursor`, the
        latter with `POST /orders/search`; single gives all there is. `end` is what follows the last
        page. A cursor works for `cursor_calls` further calls. `sort` is one of SORTS; None is a
        different order at each call, with `sorts_anew` equal times are in one. `dates`, `timezone`
        and `precision` say how times are written and read, `echo_upper` tells `upper`, the time up
        to which was looked. With `children` the list lacks the lines. With `poisoned` a page with
        the longest order in it is answered 500. The rest is about signing in (see Desk) and what
        all platforms share.
        """
        self.shape = Shape(
            number=lambda place: f"G-{place:05d}",
            precision=precision,
            aside=("cart", "draft", "test"),
        )
        for value, known in ((paging, Paging), (end, End), (total, Total), (dates, Form)):
            if value not in get_args(known):
                raise ValueError(f"{value!r} is none of {', '.join(get_args(known))}")
        if sort is not None and sort not in SORTS:
            raise ValueError(f"sort must be one of {', '.join(SORTS)}, or None, not {sort!r}")
        if dates == "rfc2822" and precision != "s":
            raise ValueError("rfc2822 tells whole seconds: precision must be s")
        super().__init__(**common)
        self._paging = paging
        self._end = end
        self._total = total
        self._sort = sort
        self._sorts_anew = sorts_anew and paging in COUNTING
        self._descending = descending
        self._lower_inclusive = lower_inclusive
        self._upper_inclusive = upper_inclusive
        self._precision = precision
        self._form: Form = dates
        self._zone = zone(timezone)
        self._echo_upper = echo_upper
        self._children = children
        self._poisoned = poisoned
        self._max_size = max_size
        self._repeat_params = repeat_params
        self._cursor_calls = cursor_calls
        self._auth = GenericAuth(
            self.clock,
            auth,
            token_header=token_header,
            lifetime=lifetime,
            expires_after=expires_after,
        )

    @property
    def credentials(self) -> dict[str, str]:
        """Return what lets a client in, by the names of orderpull's settings."""
        return self._auth.credentials

    def kind(self, request: Request) -> Kind:
        """Return the purpose of the request."""
        if request.path in TOKEN_PATHS:
            return "token"
        if request.path in (LIST_PATH, SEARCH_PATH):
            return "list"
        return "child" if request.path.startswith(f"{LIST_PATH}/") else "other"

    def reply(self, request: Request) -> Response:
        """Respond to a request."""
        kind = self.kind(request)
        if kind == "token":
            return self._auth.respond(request)
        if kind == "other":
            return json_response(404, {"error": "not found"})
        if not self._auth.accepts(request):
            return json_response(401, {"error": "invalid or expired token"})
        try:
            return self._child(request) if kind == "child" else self._list(request)
        except ValueError as error:
            return json_response(400, {"error": str(error)})

    def too_many(self) -> Response:
        """Refuse with 429 and Retry-After in seconds."""
        return json_response(429, {"error": "too many requests"}, {"Retry-After": "1"})

    # ------------------------------------------------------------------------------------ the list

    def _list(self, request: Request) -> Response:
        searched = self._paging == "body_cursor"
        method, path = ("POST", SEARCH_PATH) if searched else ("GET", LIST_PATH)
        if (request.method, request.path) != (method, path):
            return json_response(405, {"error": f"ask by {method} {path}"}, {"Allow": method})
        parameters = _parameters(request)
        filters, last = self._where(parameters)
        matching = self._matching(filters)
        size = whole_number(filters.get("limit"), self._max_size)
        if not size or size > self._max_size:
            raise ValueError(f"limit must be from 1 to {self._max_size}")
        rest = self._rest(matching, parameters, size, last)
        orders = rest if self._paging == "single" else rest[:size]
        if self._poisoned and self.store.odd["long"] in map(self.store.id, orders):
            return json_response(500, {"error": "internal server error"})
        body, headers = self._envelope(matching, orders, parameters.get("fields"))
        if self._paging not in COUNTING and len(rest) > size:
            cursor = packed({**filters, "key": self._key(orders[-1]), "call": self.calls["list"]})
            body, headers = self._with_next(request, body, headers, cursor, filters)
        if self._end == "204" and not orders:
            return self.listing([], None, status=204, headers=headers)
        return self.listing(orders, body, headers=headers)

    def _where(self, parameters: Mapping[str, str]) -> tuple[dict[str, str], Key | None]:
        """Return the filters in force, and the order behind which to go on."""
        filters = {name: parameters[name] for name in FILTERS if name in parameters}
        if self._paging in COUNTING or "cursor" not in parameters:
            return filters, None
        cursor = unpacked(parameters["cursor"])
        if "key" not in cursor or "call" not in cursor:
            raise ValueError("not a cursor of this list")
        first = {name: cursor[name] for name in FILTERS if name in cursor}
        if self._repeat_params == "must" and filters != first:
            raise ValueError("with a cursor, all other parameters must be those of the first call")
        if self._repeat_params == "must_not" and set(filters) - {"limit"}:
            raise ValueError("with a cursor, no other parameter than limit may be sent")
        age = self.calls["list"] - cursor["call"]
        if self._cursor_calls is not None and age > self._cursor_calls:
            raise ValueError("the cursor has expired")
        moment, key = cursor["key"]
        return {**first, **filters}, (moment, key)

    def _matching(self, filters: Mapping[str, str]) -> list[StoreOrder]:
        """Return what the filters let through; without a sort, cursors go by the key unseen."""
        matching = between(
            self.store.orders.values(),
            self._read(filters.get("modified_from")),
            self._read(filters.get("modified_to")),
            lower_inclusive=self._lower_inclusive,
            upper_inclusive=self._upper_inclusive,
        )
        if self._sort is None and self._paging in COUNTING:
            self.store.random.shuffle(matching)
            return matching
        if self._sorts_anew:
            self.store.random.shuffle(matching)
            matching.sort(key=lambda order: self._key(order)[0], reverse=self._descending)
            return matching
        return sorted(matching, key=self._key, reverse=self._descending)

    def _read(self, text: str | None) -> datetime | None:
        return None if text is None else read(text, self._form, self._precision, self._zone)

    def _key(self, order: StoreOrder) -> Key:
        return SORTS[self._sort or "id"](order)

    def _rest(
        self, matching: list[StoreOrder], parameters: Mapping[str, str], size: int, last: Key | None
    ) -> list[StoreOrder]:
        """Return the orders from the place on that was asked for."""
        if last is not None:
            return after(matching, self._key, last, descending=self._descending)
        page = whole_number(parameters.get("page"), 1) if self._paging == "page" else 1
        first = whole_number(parameters.get("offset"), 0) if self._paging == "offset" else 0
        if not page or first is None:
            raise ValueError("page must be from 1, offset from 0")
        first += (page - 1) * size
        if self._end == "repeat_last" and matching and first >= len(matching):
            first = (len(matching) - 1) // size * size
        return matching[first:]

    def _envelope(
        self, matching: Sequence[StoreOrder], orders: Sequence[StoreOrder], fields: str | None
    ) -> tuple[dict[str, Any], dict[str, str]]:
        rendered = [self.rendered(order) for order in orders]
        if fields is not None:
            names = fields.split(",")
            rendered = [{name: one[name] for name in names if name in one} for one in rendered]
        body: dict[str, Any] = {"orders": rendered}
        if self._total == "body":
            body["total"] = len(matching)
        if self._echo_upper:
            body["upper"] = self._written(self.clock.now)
        return body, {"X-Total-Count": str(len(matching))} if self._total == "header" else {}

    def _with_next(
        self,
        request: Request,
        body: dict[str, Any],
        headers: dict[str, str],
        cursor: str,
        filters: Mapping[str, str],
    ) -> tuple[dict[str, Any], dict[str, str]]:
        kept = dict(filters) if self._repeat_params == "must" else {}
        query = urlencode({**kept, "limit": filters.get("limit", self._max_size), "cursor": cursor})
        url = f"http://{request.headers.get('host', '')}{LIST_PATH}?{query}"
        match self._paging:
            case "link":
                return body, {**headers, "Link": f'<{url}>; rel="next"'}
            case "next_url":
                return {**body, "next": url}, headers
            case "next_query":
                return {**body, "next": f"?{query}"}, headers
            case _:
                return {**body, "next_cursor": cursor}, headers

    # ------------------------------------------------------------------------------------ an order

    def _written(self, moment: datetime) -> str | int | float:
        return written(moment, self._form, self._precision, self._zone)

    def rendered(self, order: StoreOrder) -> dict[str, Any]:
        """Return an order as JSON has it."""
        address = order.address
        rendered: dict[str, Any] = {
            "id": order.key,
            "number": order.number,
            "status": order.state,
            "created_at": self._written(order.created),
            "modified_at": self._written(order.modified),
            "channel": order.channel,
            "customer": {"id": order.customer, "email": order.email},
            "currency": order.currency,
            "total": money(order.total()),
            "discount": money(order.discounted),
            "shipping": money(order.shipping),
            "tax": money(order.tax()),
            "refunds": [{"amount": money(order.refunded)}] if order.refunded else [],
            "ship_to": address and {**address._asdict(), "city": order.city},
        }
        return rendered if self._children else {**rendered, "lines": _lines(order)}

    def _child(self, request: Request) -> Response:
        parts = request.path.split("/")[2:]
        order = self.store.by_id(parts[0])
        if order is None or parts[1:] not in ([], ["lines"]) or request.method != "GET":
            return json_response(404, {"error": "no such order"})
        if not parts[1:]:
            return json_response(200, {**self.rendered(order), "lines": _lines(order)})
        page = whole_number(request.query.get("page"), 1)
        size = whole_number(request.query.get("limit"), CHILD_SIZE)
        if not page or not size or size > CHILD_SIZE:
            return json_response(
                400, {"error": f"limit must be from 1 to {CHILD_SIZE}, page from 1"}
            )
        return json_response(200, _lines(order)[(page - 1) * size : page * size])


def _parameters(request: Request) -> dict[str, str]:
    if request.path != SEARCH_PATH:
        return request.query
    parameters = json.loads(request.body or b"{}")
    if not isinstance(parameters, dict):
        raise ValueError("the body must be a JSON object")  # noqa: TRY004 - it is the answer's text
    return {name: str(value) for name, value in parameters.items() if value is not None}


def _lines(order: StoreOrder) -> list[dict[str, Any]]:
    return [
        {
            "id": line.key,
            "sku": line.sku,
            "title": line.title,
            "quantity": line.quantity,
            "price": money(line.cents),
            "discounts": [
                {"amount": money(cents)} for cents in (line.discount, order.share_of(line)) if cents
            ],
            "returned": line.returned,
        }
        for line in order.lines
    ]
