"""The platform `medusa`: the admin REST API of a Medusa v2 server, its sign-in and its orders."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Unpack

from orderpull.simulator.profile import json_response
from orderpull.simulator.shop.auth import (
    PASSWORD,
    TOKEN,
    USER,
    TokenIssuer,
    basic,
    bearer,
    parameters,
)
from orderpull.simulator.shop.base import Common, Kind, Platform, RefusedError, whole_number
from orderpull.simulator.shop.selecting import between
from orderpull.simulator.shop.store import Shape
from orderpull.simulator.shop.times import read
from tests.platforms.medusa_fields import pruned
from tests.platforms.medusa_order import customer_of, rendered, ulid
from tests.platforms.medusa_totals import Item, kind_of, order_totals

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from orderpull.simulator.profile import Request, Response
    from orderpull.simulator.shop.order import StoreOrder

PATH = "/admin/orders"
LOGIN_PATH = "/auth/user/emailpass"
SECRET_KEY = f"sk_{TOKEN}"
"""The secret key that it takes."""
SIZE = 15
MOMENT = re.compile(r"(?P<name>created_at|updated_at)\[\$(?P<test>gte|gt|lte|lt)\]")
PLAIN = {"limit", "offset", "order", "fields", "with_deleted", "q"}
LISTS = re.compile(r"(?P<name>status|id)(\[\d*\])?")
SORTS: dict[str, Callable[[StoreOrder], Any]] = {
    "id": lambda order: order.key,
    "display_id": lambda order: order.key,
    "created_at": lambda order: order.created,
    "updated_at": lambda order: order.modified,
}


class Medusa(Platform):
    """`GET /admin/orders` answers an object with `orders`, `count`, `offset` and `limit`.

    Without `fields` there are no items and no address. Signed in with SECRET_KEY as basic
    authentication (as it is, or as a user name in base64), or with a token from
    `POST /auth/user/emailpass` as a bearer. Orders sort by one key alone.
    """

    name = "medusa"

    def __init__(
        self,
        *,
        expires_after: int | None = None,
        shuffle_ties: bool = False,
        **common: Unpack[Common],
    ) -> None:
        """Describe the server.

        A token ends after `expires_after` calls with it. With `shuffle_ties` orders of one instant
        stand in another order at each call.
        """
        self.shape = Shape(
            number=str,
            identify=lambda key: ulid("order", key),
            precision="ms",
            quantity="current",
            totals="current",
            taxes="included",
            fixed_numbers=True,
        )
        super().__init__(**common)
        self._tokens = TokenIssuer(self.clock, expires_after=expires_after)
        self._shuffle_ties = shuffle_ties

    def rows(self, order: StoreOrder) -> dict[str, Any]:
        """Return the rows; tax and discounts as Medusa has them, of the pieces kept."""
        kind = kind_of(order)
        money = order_totals(order, [Item(order, line) for line in order.lines])
        unrounded = {
            name: float(round(money[f"{name}_total"] * 100, 2)) for name in ("tax", "discount")
        }
        return {**order.rows(kind, kind), **unrounded, "customer": customer_of(order)}

    def kind(self, request: Request) -> Kind:
        """Return what the request is for."""
        if request.path == LOGIN_PATH:
            return "token"
        if request.path == PATH:
            return "list"
        return "child" if request.path.startswith(f"{PATH}/") else "other"

    def reply(self, request: Request) -> Response:
        """Answer a request."""
        kind = self.kind(request)
        if kind == "token":
            return self._sign_in(request)
        if not self._signed_in(request):
            raise RefusedError(401, {"message": "Unauthorized"})
        if kind == "other" or request.method != "GET":
            raise RefusedError(404, {"message": f"Cannot {request.method} {request.path}"})
        return self._list(request) if kind == "list" else self._one(request)

    def too_many(self) -> Response:
        """Refuse as a proxy before the server does: Medusa itself has no limit."""
        return json_response(429, {"type": "too_many_requests", "message": "Too many requests"})

    def _signed_in(self, request: Request) -> bool:
        credentials = request.headers.get("authorization")
        if credentials == f"Basic {SECRET_KEY}" or basic(request) == (SECRET_KEY, ""):
            return True
        return self._tokens.accept(bearer(request))

    def _sign_in(self, request: Request) -> Response:
        given = parameters(request)
        if request.method != "POST" or (given.get("email"), given.get("password")) != (
            USER,
            PASSWORD,
        ):
            message = "Invalid email or password"
            raise RefusedError(401, {"type": "unauthorized", "message": message})
        return json_response(200, {"token": self._tokens.issue()})

    def _list(self, request: Request) -> Response:
        query = request.query
        limit = whole_number(query.get("limit"), SIZE)
        offset = whole_number(query.get("offset"), 0)
        if limit is None or offset is None:
            raise _invalid("Invalid request: Expected type: 'number' for field 'limit' or 'offset'")
        found = self._sorted(self._found(query), query.get("order", "-created_at"))
        orders = found[offset : offset + limit]
        body = {
            "orders": [self._rendered(order, query) for order in orders],
            "count": len(found),
            "offset": offset,
            "limit": limit,
        }
        return self.listing(orders, body)

    def _one(self, request: Request) -> Response:
        told_id = request.path.removeprefix(f"{PATH}/")
        order = self.store.by_id(told_id)
        if order is None:
            message = f"Order id not found: {told_id}"
            raise RefusedError(404, {"type": "not_found", "message": message})
        return json_response(200, {"order": self._rendered(order, request.query)})

    def _rendered(self, order: StoreOrder, query: Mapping[str, str]) -> dict[str, Any]:
        try:
            return pruned(rendered(order), query.get("fields"))
        except ValueError as error:
            raise _invalid(str(error)) from None

    def _found(self, query: Mapping[str, str]) -> list[StoreOrder]:
        found = list(self.store.orders.values())
        if query.get("with_deleted") == "true":
            found += self.store.deleted.values()
        for name, value in query.items():
            moment, listed = MOMENT.fullmatch(name), LISTS.fullmatch(name)
            if moment is not None:
                found = _within(found, moment["name"], moment["test"], value)
            elif listed is not None:
                found = self._named(found, query, listed["name"])
            elif name not in PLAIN:
                raise _invalid(f"Invalid request: Unrecognized fields: '{name}'")
        return found

    @staticmethod
    def _named(found: list[StoreOrder], query: Mapping[str, str], name: str) -> list[StoreOrder]:
        """Return the orders with one of the values given as `name`, `name[]` or `name[0]`."""
        wanted = {
            value
            for given, value in query.items()
            if (match := LISTS.fullmatch(given)) and match["name"] == name
        }
        return [order for order in found if rendered(order)[name] in wanted]

    def _sorted(self, found: list[StoreOrder], by: str) -> list[StoreOrder]:
        of = SORTS.get(by.removeprefix("-"))
        if of is None:
            raise _invalid(f"Order field {by.removeprefix('-')} is not valid")
        if self._shuffle_ties:
            self.store.random.shuffle(found)
        return sorted(found, key=of, reverse=by.startswith("-"))


def _within(found: list[StoreOrder], name: str, test: str, value: str) -> list[StoreOrder]:
    try:
        moment = read(value)
    except ValueError:
        raise _invalid(f"Invalid request: Invalid date for field '{name}'") from None

    def of(order: StoreOrder) -> datetime:
        return order.modified if name == "updated_at" else order.created

    lower, upper = (moment, None) if test.startswith("g") else (None, moment)
    inclusive = test.endswith("e")
    return between(found, lower, upper, lower_inclusive=inclusive, upper_inclusive=inclusive, of=of)


def _invalid(message: str) -> RefusedError:
    return RefusedError(400, {"type": "invalid_data", "message": message})
