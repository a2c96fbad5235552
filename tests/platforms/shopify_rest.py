"""The platform `shopify-rest`: the older Admin REST API of a Shopify shop, in linked pages."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, Unpack
from urllib.parse import urlencode

from orderpull.simulator.profile import json_response
from orderpull.simulator.shop.base import (
    Common,
    Kind,
    Platform,
    RefusedError,
    money,
    whole_number,
)
from orderpull.simulator.shop.selecting import SORTS, after, between, packed, unpacked
from orderpull.simulator.shop.store import Shape
from orderpull.simulator.shop.times import read, written, zone
from tests.platforms.shopify_access import TOKEN_PATH, Access, versioned
from tests.platforms.shopify_cost import Bucket
from tests.platforms.shopify_order import FIRST_ID
from tests.platforms.shopify_refunds import refunds_of
from tests.platforms.shopify_rest_order import address, customer, line_item, price_set, refund
from tests.platforms.shopify_search import STATUSES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from orderpull.simulator.profile import Request, Response
    from orderpull.simulator.shop.order import StoreOrder

PATH = re.compile(r"/admin/api/(?:\d{4}-\d{2}|unstable)/orders(?P<one>/[^/]+)?\.json")
MOST = 250
SIZE = 50
BESIDE = ("limit", "fields")
"""What may stand beside page_info."""
FILTERS = (
    *("status", "ids", "since_id", "name", "updated_at_min", "updated_at_max"),
    *("created_at_min", "created_at_max", "order"),
)
TOO_MANY = (
    "Exceeded 2 calls per second for api client. Reduce request rates to resume uninterrupted "
    "service."
)


class ShopifyRest(Platform):
    """`GET /admin/api/2026-10/orders.json` answers an object with `orders`, the open ones only.

    `status=any` gives all. The next page stands in a Link header, and beside its `page_info` only
    limit and fields may be sent. Bounds are inclusive. An order that is not shipped has no
    `shipping_address` at all. Calls fill a bucket; when it is full, the clock goes on for as long
    as Retry-After says.
    """

    name = "shopify-rest"

    def __init__(
        self,
        *,
        timezone: str = "America/New_York",
        read_all_orders: bool = True,
        permanent: bool = True,
        expires_after: int | None = None,
        serves: str | None = None,
        bucket: int = 40,
        leaks: float = 2.0,
        **common: Unpack[Common],
    ) -> None:
        """Describe the shop: its `timezone`, a bucket of so many calls, and how many leak a second.

        The rest is as in Shopify.
        """
        self.shape = Shape(
            number=lambda n: f"#{1000 + n}",
            first_key=FIRST_ID,
            aside=("test",),
            quantity="current",
        )
        super().__init__(**common)
        self._serves = serves
        self._zone = zone(timezone)
        self._bucket = Bucket(self.clock, bucket, leaks)
        self._access = Access(
            self.clock,
            expires_after=expires_after,
            read_all_orders=read_all_orders,
            permanent=permanent,
        )

    def kind(self, request: Request) -> Kind:
        """Return what the request is for."""
        if request.path == TOKEN_PATH:
            return "token"
        found = PATH.fullmatch(request.path)
        if found is None:
            return "other"
        return "child" if found["one"] else "list"

    def respond(self, request: Request) -> Response:
        """Answer a request, and tell by which version."""
        return versioned(super().respond(request), request.path, self._serves)

    def reply(self, request: Request) -> Response:
        """Answer a request."""
        if request.path == TOKEN_PATH:
            return self._access.grant(request)
        found = PATH.fullmatch(request.path)
        if found is None or request.method != "GET":
            raise RefusedError(404, {"errors": "Not Found"})
        self._access.require(request)
        if self._bucket.points < 1:
            response = self.too_many()
            self.clock.advance(float(response.headers["Retry-After"]))
            return response
        self._bucket.spend(1)
        if found["one"] == "/count":
            filters = {name: request.query[name] for name in FILTERS if name in request.query}
            return json_response(200, {"count": len(self._found(filters))}, self._limit())
        return self._one(found["one"]) if found["one"] else self._list(request)

    def too_many(self) -> Response:
        """Refuse with Retry-After in seconds, written with a fraction."""
        wait = max(math.ceil(self._bucket.wait(1)), 1)
        return json_response(
            429, {"errors": TOO_MANY}, {"Retry-After": f"{wait:.1f}", **self._limit()}
        )

    def _limit(self) -> dict[str, str]:
        used = math.ceil(self._bucket.size - self._bucket.points)
        return {"X-Shopify-Shop-Api-Call-Limit": f"{used}/{int(self._bucket.size)}"}

    # ------------------------------------------------------------------------------------ the list

    def _list(self, request: Request) -> Response:
        query = request.query
        size = whole_number(query.get("limit"), SIZE)
        if not size or size > MOST:
            raise _refused("limit", f"must be from 1 to {MOST}")
        filters = {name: query[name] for name in FILTERS if name in query}
        place: dict[str, Any] = {}
        if "page_info" in query:
            for name in query:
                if name not in (*BESIDE, "page_info"):
                    why = f"{name} cannot be passed when page_info is present"
                    raise RefusedError(400, {"errors": {name: why}})
            try:
                place = unpacked(query["page_info"])
                filters = place["filters"]
            except (ValueError, KeyError):
                raise _refused("page_info", "Invalid value.") from None
        found = self._found(filters)
        field, descending = _order(filters.get("order"))
        key = SORTS[field]
        rest = found
        if place:
            backwards = place["rel"] == "previous"
            rest = after(found, key, tuple(place["key"]), descending=descending != backwards)
            rest = rest[-size:] if backwards else rest
        orders = rest[:size]
        headers = self._limit()
        if orders:
            links = [
                self._link(request, rel, size, {"filters": filters, "key": key(edge), "rel": rel})
                for rel, edge, end in (
                    ("previous", orders[0], found[0]),
                    ("next", orders[-1], found[-1]),
                )
                if edge is not end
            ]
            headers |= {"Link": ", ".join(links)} if links else {}
        rendered = [self._chosen(order, query.get("fields")) for order in orders]
        return self.listing(orders, {"orders": rendered}, headers=headers)

    @staticmethod
    def _link(request: Request, rel: str, size: int, place: dict[str, Any]) -> str:
        host = request.headers.get("host", "")
        query = urlencode({"limit": size, "page_info": packed(place)})
        return f'<http://{host}{request.path}?{query}>; rel="{rel}"'

    def _found(self, filters: Mapping[str, str]) -> list[StoreOrder]:
        status = STATUSES.get(filters.get("status", "open"))
        if status is None:
            raise _refused("status", "is not included in the list")
        found = [order for order in self._access.visible(self.store) if status(order)]
        for name, of in MOMENTS.items():
            lower, upper = (self._moment(filters, f"{name}_{end}") for end in ("min", "max"))
            found = between(found, lower, upper, of=of)
        if "ids" in filters:
            found = [order for order in found if str(order.key) in filters["ids"].split(",")]
        if "since_id" in filters:
            since = whole_number(filters["since_id"], 0)
            if since is None:
                raise _refused("since_id", "must be a number")
            found = [order for order in found if order.key > since]
        if "name" in filters:
            found = [order for order in found if order.number == filters["name"]]
        field, descending = _order(filters.get("order"))
        return sorted(found, key=SORTS[field], reverse=descending)

    def _moment(self, filters: Mapping[str, str], name: str) -> datetime | None:
        if name not in filters:
            return None
        try:
            return read(filters[name], where=self._zone)
        except ValueError:
            raise _refused(name, "is invalid") from None

    def _one(self, told_id: str) -> Response:
        order = self.store.by_id(told_id.removeprefix("/"))
        if order is None:
            raise RefusedError(404, {"errors": "Not Found"})
        return json_response(200, {"order": self.rendered(order)}, self._limit())

    def _chosen(self, order: StoreOrder, fields: str | None) -> dict[str, Any]:
        whole = self.rendered(order)
        if fields is None:
            return whole
        return {name: whole[name] for name in fields.split(",") if name in whole}

    def _stamp(self, moment: datetime) -> object:
        return written(moment, "iso-offset", "s", self._zone)

    def rendered(self, order: StoreOrder) -> dict[str, Any]:
        """Return an order as JSON has it."""
        cancelled = order.state == "cancelled"
        shipping = address(order)
        return {
            "id": order.key,
            "admin_graphql_api_id": f"gid://shopify/Order/{order.key}",
            "name": order.number,
            "order_number": order.key - FIRST_ID + 1001,
            "number": order.key - FIRST_ID + 1,
            "created_at": self._stamp(order.created),
            "updated_at": self._stamp(order.modified),
            "processed_at": self._stamp(order.created),
            "cancelled_at": self._stamp(order.modified) if cancelled else None,
            "cancel_reason": "customer" if cancelled else None,
            "closed_at": self._stamp(order.modified) if order.closed else None,
            "currency": order.currency,
            "taxes_included": order.tax_included,
            "total_price": money(order.total()),
            "current_total_price": money(order.total("current")),
            "subtotal_price": money(order.cents - order.discounted),
            "total_line_items_price": money(order.cents),
            "total_discounts": money(order.discounted),
            "total_shipping_price_set": price_set(order.shipping, order.currency),
            "total_tax": money(order.tax()),
            "financial_status": "partially_refunded" if order.refunded else "paid",
            "fulfillment_status": "fulfilled" if order.closed else None,
            "test": order.state == "test",
            "source_name": order.channel,
            "tags": "",
            "email": order.email or "",
            **customer(order),
            "refunds": [refund(order, each) for each in refunds_of(order)],
            "line_items": [line_item(order, line) for line in order.lines],
            **({} if shipping is None else {"shipping_address": shipping}),
        }


MOMENTS: dict[str, Callable[[StoreOrder], datetime]] = {
    "updated_at": lambda order: order.modified,
    "created_at": lambda order: order.created,
}


def _order(told_of: str | None) -> tuple[str, bool]:
    """Return the sort that `order=updated_at asc` names, and whether it goes down."""
    field, _, direction = (told_of or "created_at desc").partition(" ")
    known = {"updated_at": "modified", "created_at": "created", "processed_at": "created"}
    return known.get(field, "id"), direction.lower() != "asc"


def _refused(name: str, why: str) -> RefusedError:
    return RefusedError(400, {"errors": {name: [why]}})
