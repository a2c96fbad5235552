"""The platform `vendure`: the admin GraphQL API of a Vendure server, its login and its orders."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Unpack

from orderpull.simulator.places import COUNTRIES
from orderpull.simulator.shop.base import Common, Kind, Platform, told
from orderpull.simulator.shop.store import Shape
from orderpull.simulator.shop.times import iso
from orderpull.simulator.shop.tokens import PASSWORD, USER, TokenDesk, bearer
from tests.platforms.graphql import GraphQLError, Schema, Type, asked, check, chosen
from tests.platforms.vendure_options import listed, state

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orderpull.simulator.profile import Answer, Request
    from orderpull.simulator.shop.order import StoreLine, StoreOrder
    from tests.platforms.graphql import Field, Operation

PATH = "/admin-api"
MOST = 1000
TOKEN_HEADER = "vendure-auth-token"
FORBIDDEN = "You are not currently authorized to perform this action"
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
COUNTRY_NAMES = {country.code: country.name for country in COUNTRIES}

_PLAIN = Type()


def _plain(*names: str) -> dict[str, Type]:
    return dict.fromkeys(names, _PLAIN)


ADDRESS = _plain(
    *("fullName", "company", "streetLine1", "streetLine2", "city", "province", "postalCode"),
    *("country", "countryCode", "phoneNumber"),
)
SCHEMA: Schema = {
    "Query": {
        "orders": Type("OrderList", frozenset({"options"})),
        "order": Type("Order", frozenset({"id"})),
        "me": Type("CurrentUser"),
    },
    "Mutation": {
        "login": Type("AuthenticationResult", frozenset({"username", "password", "rememberMe"})),
        "authenticate": Type("AuthenticationResult", frozenset({"input", "rememberMe"})),
    },
    "AuthenticationResult": _plain("id", "identifier", "errorCode", "message"),
    "CurrentUser": _plain("id", "identifier"),
    "InvalidCredentialsError": _plain("errorCode", "message", "authenticationError"),
    "ErrorResult": _plain("errorCode", "message"),
    "OrderList": {"items": Type("Order"), "totalItems": _PLAIN},
    "Order": {
        **_plain("id", "code", "state", "type", "active", "orderPlacedAt", "createdAt"),
        **_plain("updatedAt", "currencyCode", "total", "totalWithTax", "subTotal"),
        **_plain("subTotalWithTax", "totalQuantity"),
        "customer": Type("Customer"),
        "shippingAddress": Type("OrderAddress"),
        "billingAddress": Type("OrderAddress"),
        "lines": Type("OrderLine"),
    },
    "Customer": _plain("id", "firstName", "lastName", "emailAddress"),
    "OrderAddress": ADDRESS,
    "OrderLine": {
        **_plain("id", "quantity", "orderPlacedQuantity", "unitPriceWithTax", "linePriceWithTax"),
        "productVariant": Type("ProductVariant"),
    },
    "ProductVariant": _plain("id", "sku", "name"),
}


class Vendure(Platform):
    """`POST /admin-api`: the mutation login tells a token in a header, the query orders is a list.

    Carts (`active`) and drafts are in the list. An order's `updatedAt` is whole seconds and moves
    when it is cancelled or placed and at no other change; lines of cancelled orders have quantity
    0. Filters by time are exclusive. Errors are told with HTTP 200.
    """

    name = "vendure"

    def __init__(self, *, expires_after: int | None = None, **common: Unpack[Common]) -> None:
        """Describe the server: a token ends after so many calls with it."""
        seed = common.get("seed", 1)
        self.shape = Shape(
            number=lambda n: "".join(random.Random(f"{seed}/{n}/code").choices(LETTERS, k=16)),
            aside=("cart", "draft"),
            quantity="current",
            silent_edits=True,
        )
        super().__init__(**common)
        self._tokens = TokenDesk(self.clock, expires_after=expires_after)

    def kind(self, request: Request) -> Kind:
        """Return what the request is for, by the first field that it asks for."""
        try:
            field = asked(request).fields[0].name
        except (GraphQLError, IndexError):
            return "other"
        kinds: dict[str, Kind] = {
            "orders": "list",
            "order": "child",
            "login": "token",
            "authenticate": "token",
        }
        return kinds.get(field, "other")

    def reply(self, request: Request) -> Answer:
        """Answer a request."""
        if request.path != PATH:
            return told(404, {"message": f"Cannot {request.method} {request.path}"})
        if request.method != "POST":
            return _failed("GET query missing.", "BAD_REQUEST", status=400)
        try:
            operation = asked(request)
            check(operation.fields, SCHEMA, operation.kind.capitalize())
        except GraphQLError as error:
            return _failed(str(error), "GRAPHQL_VALIDATION_FAILED", status=400)
        if operation.kind == "mutation":
            return self._sign_in(operation)
        return self._query(operation.fields, signed_in=self._tokens.accept(bearer(request)))

    def too_many(self) -> Answer:
        """Refuse as a proxy before the server does: Vendure itself has no limit."""
        return told(429, {"message": "Too Many Requests"}, {"Retry-After": "1"})

    def _sign_in(self, operation: Operation) -> Answer:
        arguments = operation.fields[0].arguments
        native = (arguments.get("input") or {}).get("native") or arguments
        if (native.get("username"), native.get("password")) != (USER, PASSWORD):
            result = {
                "__typename": "InvalidCredentialsError",
                "errorCode": "INVALID_CREDENTIALS_ERROR",
                "message": "The provided credentials are invalid",
                "authenticationError": "",
            }
            return told(200, {"data": self._signed(operation, result)})
        result = {"__typename": "CurrentUser", "id": "1", "identifier": USER}
        body = {"data": self._signed(operation, result)}
        return told(200, body, {TOKEN_HEADER: self._tokens.issue()})

    @staticmethod
    def _signed(operation: Operation, result: dict[str, str]) -> object:
        everything = dict.fromkeys(
            ("id", "identifier", "errorCode", "message", "authenticationError"), None
        )
        root = dict.fromkeys(("login", "authenticate"), lambda **_: {**everything, **result})
        return chosen(root, operation.fields)

    def _query(self, fields: list[Field], *, signed_in: bool) -> Answer:
        path = fields[0].key
        if not signed_in:
            return _failed(FORBIDDEN, "FORBIDDEN", path=path)
        given: list[StoreOrder] = []

        def orders(options: Mapping[str, Any] | None = None) -> dict[str, Any]:
            found, page = listed(self.store.orders.values(), options or {}, MOST)
            given.extend(page)
            return {"items": [rendered(order) for order in page], "totalItems": len(found)}

        def order(id: object = None) -> dict[str, Any] | None:  # noqa: A002 - the API's name
            found = self.store.by_id(str(id))
            return None if found is None else rendered(found)

        root = {"orders": orders, "order": order, "me": {"id": "1", "identifier": USER}}
        try:
            body = {"data": chosen(root, fields)}
        except GraphQLError as error:
            return _failed(str(error), "USER_INPUT_ERROR", path=path)
        lists = any(field.name == "orders" for field in fields)
        return self.listing(given, body) if lists else told(200, body)


def rendered(order: StoreOrder) -> dict[str, Any]:
    """Return an order with all the fields that can be chosen."""
    cents = 0 if order.state == "cancelled" else order.cents
    pieces = sum(line.current for line in order.lines)
    placed = order.placed and iso(order.placed, "ms").replace(".000Z", f".{order.key % 1000:03}Z")
    return {
        "__typename": "Order",
        "id": str(order.key),
        "code": order.number,
        "state": state(order),
        "type": "Regular",
        "active": order.state == "cart",
        "orderPlacedAt": placed,
        "createdAt": iso(order.created, "ms"),
        "updatedAt": iso(order.modified, "ms"),
        "currencyCode": order.currency,
        "total": cents,
        "totalWithTax": cents,
        "subTotal": cents,
        "subTotalWithTax": cents,
        "totalQuantity": pieces,
        "customer": None,
        "shippingAddress": _address(order),
        "billingAddress": dict.fromkeys(ADDRESS),
        "lines": [_line(line, placed=order.placed is not None) for line in order.lines],
    }


def _address(order: StoreOrder) -> dict[str, str | None]:
    address = order.address
    if address is None:
        return dict.fromkeys(ADDRESS)
    return {
        "fullName": address.name,
        "company": "",
        "streetLine1": address.line1,
        "streetLine2": address.line2 or "",
        "city": order.city,
        "province": address.stateprovince,
        "postalCode": address.postalcode,
        "country": COUNTRY_NAMES.get(address.country or "", ""),
        "countryCode": address.country,
        "phoneNumber": "",
    }


def _line(line: StoreLine, *, placed: bool) -> dict[str, Any]:
    return {
        "__typename": "OrderLine",
        "id": str(line.key),
        "quantity": line.current,
        "orderPlacedQuantity": line.quantity if placed else 0,
        "unitPriceWithTax": line.cents,
        "linePriceWithTax": line.cents * line.current,
        "productVariant": {"id": str(line.key % 500), "sku": line.sku or "", "name": "Étui"},
    }


def _failed(message: str, code: str, *, status: int = 200, path: str | None = None) -> Answer:
    error: dict[str, Any] = {"message": message, "locations": [{"line": 1, "column": 3}]}
    if path is not None:
        error["path"] = [path]
    error["extensions"] = {"code": code}
    return told(status, {"errors": [error], "data": None} if path else {"errors": [error]})
