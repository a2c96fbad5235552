"""The platform `shopify`: the Admin GraphQL API of a Shopify shop, orders paged or in bulk."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Unpack

from graphql import GraphQLError, print_ast

from orderpull.simulator.profile import json_response
from orderpull.simulator.shop.base import Common, Kind, Platform, RefusedError
from orderpull.simulator.shop.selecting import SORTS, after, packed
from orderpull.simulator.shop.store import Shape
from tests.platforms.graphql_request import Call, InvalidDocumentError, Operation, read_schema
from tests.platforms.shopify_access import TOKEN_PATH, Access, versioned
from tests.platforms.shopify_bulk import BulkOperations
from tests.platforms.shopify_connection import (
    WRONG_CURSOR,
    connection_of,
    cursor_of,
    page_size,
)
from tests.platforms.shopify_cost import Bucket, actual_cost, requested_cost
from tests.platforms.shopify_order import FIRST_ID, gid, refund_of, rendered
from tests.platforms.shopify_search import search

if TYPE_CHECKING:
    from orderpull.simulator.profile import Request, Response
    from orderpull.simulator.shop.order import StoreOrder

PATH = re.compile(r"/admin/api/(\d{4}-\d{2}|unstable)/graphql\.json")
SCHEMA = read_schema("shopify")
FILE = re.compile(r"/bulk/(\d+)\.jsonl")
SORT_KEYS = {
    "UPDATED_AT": SORTS["modified"],
    "CREATED_AT": SORTS["created"],
    "PROCESSED_AT": SORTS["created"],
    "ID": SORTS["id"],
    "ORDER_NUMBER": SORTS["id"],
}
SHOP = {
    "id": gid("Shop", 1),
    "name": "Shop",
    "myshopifyDomain": "shop.myshopify.test",
    "ianaTimezone": "America/New_York",
    "currencyCode": "USD",
}


class Shopify(Platform):
    """`POST /admin/api/2026-10/graphql.json` answers queries for orders and runs bulk operations.

    Only the chosen fields are answered. Errors have HTTP 200, but for a bad token. Too dear a query
    is refused, and one that finds too few points in the bucket is told so; then the clock goes on
    for as long as a client must wait. Test orders are in the list. A bulk operation tells the shop
    as it was when it began; it goes one state on each time it is asked about. `ordersCount` counts
    what a search finds, test orders too, up to `limit`: 10,000 by default, null is without limit.
    """

    name = "shopify"

    def __init__(
        self,
        *,
        read_all_orders: bool = True,
        permanent: bool = True,
        expires_after: int | None = None,
        serves: str | None = None,
        bucket: float = 2000,
        restored: float = 100,
        most_points: int = 1000,
        deepest: int = 25_000,
        bulk_polls: int = 2,
        bulk_fails: bool = False,
        bulk_at_once: int = 5,
        approved: bool = True,
        read_customers: bool = True,
        linear_cost: bool = False,
        **common: Unpack[Common],
    ) -> None:
        """Describe the shop.

        Without `read_all_orders` only the last 60 days can be seen. TOKEN is taken if there are
        `permanent` tokens; those of POST /admin/oauth/access_token last a day, or `expires_after`
        calls. `bucket` points are `restored` at so many a second; a query may need `most_points`.
        No list can be paged beyond `deepest` orders. A bulk operation runs for `bulk_polls`
        questions and then ends, or `bulk_fails`; `bulk_at_once` run together. An app that is not
        `approved` for protected customer data gets no address and no e-mail address, one without
        the scope `read_customers` no customer, and an error for each. With `linear_cost` queries
        cost what the manual says.
        """
        self.shape = Shape(
            number=lambda n: f"#{1000 + n}",
            identify=lambda key: gid("Order", key),
            first_key=FIRST_ID,
            aside=("test",),
            quantity="current",
        )
        super().__init__(**common)
        self._serves = serves
        self._access = Access(
            self.clock,
            expires_after=expires_after,
            read_all_orders=read_all_orders,
            permanent=permanent,
        )
        self._bucket = Bucket(self.clock, bucket, restored)
        self._most_points = most_points
        self._approved = approved
        self._read_customers = read_customers
        self._linear_cost = linear_cost
        self._deepest = deepest
        self._bulk = BulkOperations(
            SCHEMA,
            self.clock,
            self._to_run,
            polls=bulk_polls,
            fails=bulk_fails,
            at_once=bulk_at_once,
        )

    def kind(self, request: Request) -> Kind:
        """Return what the request is for, by the first field that it asks for."""
        if request.path == TOKEN_PATH:
            return "token"
        if FILE.fullmatch(request.path):
            return "bulk"
        try:
            call = Call.of(request)
            field = call.first_field()
        except InvalidDocumentError:
            return "other"
        if field is None:
            return "other"
        if "bulkoperation" in f"{print_ast(field)} {call.variables}".lower():
            return "bulk"
        kinds: dict[str, Kind] = {
            "orders": "list",
            "order": "child",
            "refund": "child",
            "node": "child",
            "nodes": "child",
        }
        return kinds.get(field.name.value, "other")

    def respond(self, request: Request) -> Response:
        """Answer a request, and tell by which version."""
        return versioned(super().respond(request), request.path, self._serves)

    def reply(self, request: Request) -> Response:
        """Answer a request."""
        if request.path == TOKEN_PATH:
            return self._access.grant(request)
        file = FILE.fullmatch(request.path)
        if file:
            return self._bulk.file(int(file[1]))
        if not PATH.fullmatch(request.path) or request.method != "POST":
            raise RefusedError(404, {"errors": "Not Found"})
        self._access.require(request)
        try:
            operation = Call.of(request).checked(SCHEMA)
            return self._paid(operation, request.headers.get("host", ""))
        except InvalidDocumentError as invalid:
            return json_response(200, {"errors": _coded(invalid.errors)})

    def too_many(self) -> Response:
        """Refuse for want of points, with HTTP 200: there are 100 too few."""
        status = {**self._bucket.status(), "currentlyAvailable": 12}
        return _throttled(12 + int(self._bucket.restored), status)

    # ----------------------------------------------------------------------------------- a request

    def _paid(self, operation: Operation, host: str) -> Response:
        """Answer an operation if there are points enough, and take them."""
        fields = operation.fields()
        requested = requested_cost(
            fields, is_mutation=operation.is_mutation, linear=self._linear_cost
        )
        if requested > self._most_points:
            message = (
                f"Query cost is {requested}, which exceeds the single query max cost limit "
                f"({self._most_points})."
            )
            error = _error(message, "MAX_COST_EXCEEDED")
            error["extensions"] |= {"cost": requested, "maxCost": self._most_points}
            return json_response(200, {"errors": [error]})
        if requested > self._bucket.points:
            response = _throttled(requested, self._bucket.status())
            self.clock.advance(self._bucket.wait(requested))
            return response
        given: list[StoreOrder] = []
        warnings: list[dict[str, Any]] = []
        root = self._root(given, warnings, host)
        result = operation.run(root)
        if result.errors:
            return json_response(200, {"errors": _coded(result.errors), "data": result.data})
        actual = requested if operation.is_mutation else min(actual_cost(result.data), requested)
        self._bucket.spend(actual)
        cost = {
            "requestedQueryCost": requested,
            "actualQueryCost": actual,
            "throttleStatus": self._bucket.status(),
        }
        extensions = {"cost": cost, **({"search": warnings} if warnings else {})}
        body = {"data": result.data, "extensions": extensions}
        lists = any(field.name == "orders" for field in fields)
        return self.listing(given, body) if lists else json_response(200, body)

    def _root(
        self, given: list[StoreOrder], warnings: list[dict[str, Any]], host: str
    ) -> dict[str, Any]:
        def orders(_: object, **arguments: Any) -> dict[str, Any]:
            page, cursors, more = self._orders(arguments, warnings)
            given.extend(page)
            before = arguments.get("after") is not None
            nodes = [rendered(o) | self._denied() for o in page]
            return connection_of(nodes, cursors, more=more, before=before)

        def node(_: object, id: str) -> dict[str, Any] | None:  # noqa: A002 - the API's name
            operation = self._bulk.polled(id, host)
            if operation is not None:
                return operation
            visible = self._access.visible(self.store)
            return next((rendered(order) for order in visible if self.store.id(order) == id), None)

        def orders_count(_: object, **arguments: Any) -> dict[str, Any]:
            count, limit = len(self._found(arguments, warnings)), arguments.get("limit")
            if limit is None or count <= limit:
                return {"count": count, "precision": "EXACT"}
            return {"count": limit, "precision": "AT_LEAST"}

        return {
            "orders": orders,
            "ordersCount": orders_count,
            "order": node,
            "refund": lambda _, id: refund_of(self._access.visible(self.store), id),  # noqa: A006
            "node": node,
            "nodes": lambda info, ids: [node(info, key) for key in ids],
            "shop": SHOP,
            "currentAppInstallation": {
                "id": gid("AppInstallation", 1),
                "accessScopes": [{"handle": scope} for scope in self._access.scopes],
            },
            "bulkOperation": node,
            **self._bulk.root(host),
        }

    def _orders(
        self, arguments: dict[str, Any], warnings: list[dict[str, Any]]
    ) -> tuple[list[StoreOrder], list[str], bool]:
        """Return the orders of a page, a cursor for each, and whether more follow."""
        size = page_size(arguments)
        found = self._found(arguments, warnings)
        sort = arguments.get("sortKey") or "PROCESSED_AT"
        key, descending = SORT_KEYS[sort], bool(arguments.get("reverse"))
        if arguments.get("after") is not None:
            cursor = cursor_of(arguments["after"])
            if cursor.get("sort") != sort:
                raise GraphQLError(WRONG_CURSOR)
            last = (cursor["last_value"], cursor["last_id"])
            every, found = found, after(found, key, last, descending=descending)
            if len(every) - len(found) + size > self._deepest:
                message = f"Lists cannot be paged beyond {self._deepest} objects: narrow the query."
                raise GraphQLError(message)
        page = found[:size]
        cursors = [
            packed({"last_id": order.key, "last_value": key(order)[0], "sort": sort})
            for order in page
        ]
        return page, cursors, len(found) > size

    def _found(self, arguments: dict[str, Any], warnings: list[dict[str, Any]]) -> list[StoreOrder]:
        sort = arguments.get("sortKey") or "PROCESSED_AT"
        searched = search(arguments.get("query"))
        if searched.warnings:
            told_of = {"path": ["orders"], "query": arguments.get("query")}
            warnings.append({**told_of, "warnings": searched.warnings})
        found = [order for order in self._access.visible(self.store) if searched.fits(order)]
        return sorted(found, key=SORT_KEYS[sort], reverse=bool(arguments.get("reverse")))

    def _denied(self) -> dict[str, Any]:
        """Return the fields of an order that this app may not see."""
        denied = {}
        if not self._approved:
            denied["shippingAddress"] = (
                "This app is not approved to access the MailingAddress object."
            )
            denied["email"] = "This app is not approved to use the email field."
        if not self._read_customers:
            denied["customer"] = (
                "Access denied for customer field. Required access: `read_customers` access scope."
            )
        return {
            name: GraphQLError(message, extensions={"code": "ACCESS_DENIED"})
            for name, message in denied.items()
        }

    def _to_run(self, arguments: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the orders that a bulk operation finds."""
        found = self._found(arguments, [])
        self.store.note_served(found)
        return [rendered(order) for order in found]


def _coded(errors: list[GraphQLError]) -> list[dict[str, Any]]:
    return [{"extensions": {"code": "BAD_REQUEST"}, **error.formatted} for error in errors]


def _error(message: str, code: str) -> dict[str, Any]:
    return {"message": message, "extensions": {"code": code}}


def _throttled(requested: int, status: dict[str, float]) -> Response:
    cost = {"requestedQueryCost": requested, "actualQueryCost": None, "throttleStatus": status}
    return json_response(
        200, {"errors": [_error("Throttled", "THROTTLED")], "extensions": {"cost": cost}}
    )
