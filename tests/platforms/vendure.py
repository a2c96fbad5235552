"""The platform `vendure`: the admin GraphQL API of a Vendure server, its login and its orders."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Unpack, cast

from graphql import GraphQLError

from orderpull.simulator.profile import json_response
from orderpull.simulator.shop.auth import PASSWORD, USER, TokenIssuer, bearer
from orderpull.simulator.shop.base import Common, Kind, Platform
from orderpull.simulator.shop.store import Shape
from orderpull.simulator.shop.times import read
from tests.platforms.graphql_request import Call, InvalidDocumentError, Operation
from tests.platforms.suborders import with_suborders
from tests.platforms.vendure_options import listed
from tests.platforms.vendure_order import SCHEMA, rendered, rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from graphql import ExecutionResult, GraphQLScalarType

    from orderpull.simulator.profile import Request, Response
    from orderpull.simulator.shop.order import StoreOrder

PATH = "/admin-api"
MOST = 1000
TOKEN_HEADER = "vendure-auth-token"
FORBIDDEN = "You are not currently authorized to perform this action"
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
CURRENT_USER = {"__typename": "CurrentUser", "id": "1", "identifier": USER}
INVALID_CREDENTIALS = {
    "__typename": "InvalidCredentialsError",
    "errorCode": "INVALID_CREDENTIALS_ERROR",
    "message": "The provided credentials are invalid",
    "authenticationError": "",
}

DATE_TIME = cast("GraphQLScalarType", SCHEMA.type_map["DateTime"])
DATE_TIME.coerce_input_value = read


class Vendure(Platform):
    """`POST /admin-api`: the mutation login tells a token in a header, the query orders is a list.

    Carts (`active`) and drafts are in the list. An order's `updatedAt` is whole seconds and moves
    when it is cancelled and at no other change, not even when it is placed; lines of cancelled orders have quantity
    0. Filters by time are exclusive. Errors are told with HTTP 200.
    """

    name = "vendure"

    def __init__(
        self,
        *,
        expires_after: int | None = None,
        sellers: bool = False,
        **common: Unpack[Common],
    ) -> None:
        """Describe the server: a token ends after so many calls with it.

        With `sellers` orders of several lines are split: their sellers' orders are in the list too.
        """
        self._sellers = sellers
        seed = common.get("seed", 1)
        self.shape = Shape(
            number=lambda n: "".join(random.Random(f"{seed}/{n}/code").choices(LETTERS, k=16)),
            aside=("cart", "draft"),
            quantity="current",
            totals="current",
            taxes="included",
            silent_edits=True,
        )
        super().__init__(**common)
        self._tokens = TokenIssuer(self.clock, expires_after=expires_after)

    def rows(self, order: StoreOrder) -> dict[str, Any]:
        """Return the rows with the money of the pieces left."""
        return rows(order)

    def kind(self, request: Request) -> Kind:
        """Return what the request is for, by the first field that it asks for."""
        try:
            field = Call.of(request).first_field()
        except InvalidDocumentError:
            return "other"
        kinds: dict[str, Kind] = {
            "orders": "list",
            "order": "child",
            "login": "token",
            "authenticate": "token",
        }
        return kinds.get(field.name.value, "other") if field else "other"

    def reply(self, request: Request) -> Response:
        """Answer a request."""
        if request.path != PATH:
            return json_response(404, {"message": f"Cannot {request.method} {request.path}"})
        if request.method != "POST":
            error = {"message": "GET query missing.", "extensions": {"code": "BAD_REQUEST"}}
            return json_response(400, {"errors": [error]})
        try:
            operation = Call.of(request).checked(SCHEMA)
        except InvalidDocumentError as invalid:
            errors = [_coded(error, "GRAPHQL_VALIDATION_FAILED") for error in invalid.errors]
            return json_response(400, {"errors": errors})
        if operation.is_mutation:
            return self._sign_in(operation)
        return self._query(operation, signed_in=self._tokens.accept(bearer(request)))

    def too_many(self) -> Response:
        """Refuse as a proxy before the server does: Vendure itself has no limit."""
        return json_response(429, {"message": "Too Many Requests"}, {"Retry-After": "1"})

    def _sign_in(self, operation: Operation) -> Response:
        headers: dict[str, str] = {}

        def login(_: object, **arguments: Any) -> dict[str, str]:
            native = (arguments.get("input") or {}).get("native") or arguments
            if (native.get("username"), native.get("password")) != (USER, PASSWORD):
                return INVALID_CREDENTIALS
            headers[TOKEN_HEADER] = self._tokens.issue()
            return CURRENT_USER

        return _answer(operation.run({"login": login, "authenticate": login}), headers)

    def _query(self, operation: Operation, *, signed_in: bool) -> Response:
        given: list[StoreOrder] = []
        lists = False

        def require_token() -> None:
            if not signed_in:
                raise GraphQLError(FORBIDDEN, extensions={"code": "FORBIDDEN"})

        def orders(_: object, options: Mapping[str, Any] | None = None) -> dict[str, Any]:
            nonlocal lists
            require_token()
            every = self.store.orders.values()
            shown = with_suborders(every) if self._sellers else every
            found, page = listed(shown, options or {}, MOST)
            given.extend(page)
            lists = True
            return {"items": [rendered(order) for order in page], "totalItems": len(found)}

        def order(_: object, id: str) -> dict[str, Any] | None:  # noqa: A002 - the API's name
            require_token()
            found = self.store.by_id(id)
            return None if found is None else rendered(found)

        def me(_: object) -> dict[str, str]:
            require_token()
            return CURRENT_USER

        result = operation.run({"orders": orders, "order": order, "me": me})
        if lists and not result.errors:
            return self.listing(given, {"data": result.data})
        return _answer(result)


def _answer(result: ExecutionResult, headers: Mapping[str, str] | None = None) -> Response:
    """Return the response of an operation that was run: status 200, errors or not."""
    if not result.errors:
        return json_response(200, {"data": result.data}, headers)
    errors = [_coded(error, "BAD_USER_INPUT") for error in result.errors]
    return json_response(200, {"errors": errors, "data": result.data}, headers)


def _coded(error: GraphQLError, code: str) -> dict[str, Any]:
    return {"extensions": {"code": code}, **error.formatted}
