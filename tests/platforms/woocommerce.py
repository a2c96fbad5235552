"""The platform `woocommerce`: the REST API v3 of a WooCommerce shop, its orders and refunds."""

from __future__ import annotations

import re
from datetime import UTC
from typing import TYPE_CHECKING, Any, Unpack
from urllib.parse import urlencode

from orderpull.simulator.profile import Response, json_response
from orderpull.simulator.shop.auth import CLIENT_ID, CLIENT_SECRET, basic
from orderpull.simulator.shop.base import (
    Common,
    Kind,
    Platform,
    RefusedError,
    money,
)
from orderpull.simulator.shop.selecting import SORTS as KEYS
from orderpull.simulator.shop.selecting import between
from orderpull.simulator.shop.store import Shape
from orderpull.simulator.shop.times import read, written, zone
from tests.platforms.names import split_name
from tests.platforms.suborders import purchase_of, with_suborders
from tests.platforms.woocommerce_order import line_item, refund_record, refunds_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from orderpull.simulator.profile import Request
    from orderpull.simulator.shop.order import StoreOrder
    from orderpull.simulator.shop.selecting import Key

PATH = "/wp-json/wc/v3/orders"
MOST = 100
FIRST_ID = 700
SORTS: dict[str, Callable[[StoreOrder], Key]] = {
    "date": KEYS["created"],
    "modified": KEYS["modified"],
    "id": KEYS["id"],
    "include": KEYS["id"],
    "title": KEYS["id"],
    "slug": KEYS["id"],
}
STATUSES = [
    "any",
    "trash",
    "pending",
    "processing",
    "on-hold",
    "completed",
    "cancelled",
    "refunded",
    "failed",
    "checkout-draft",
]
OFFSET = re.compile(r"(Z|[+-]\d\d:?\d\d)$")
NOTICE = (
    b"<br />\n<b>Notice</b>:  Undefined index: tax in <b>/srv/plugin.php</b> on line <b>9</b>\n"
)
WAF = b"<html><head><title>429 Too Many Requests</title></head><body>Slow down.</body></html>\n"


class WooCommerce(Platform):
    """`GET /wp-json/wc/v3/orders` answers an array; signed in with CLIENT_ID and CLIENT_SECRET.

    `modified_after` and its like are exclusive on both sides, and in the site's local time unless
    `dates_are_gmt=true`; an offset in them is not looked at. A line's SKU is the product's of now:
    `movers.change_sku(silently=True)` rewrites history. Deleted orders are listed with
    `status=trash`. It tells nothing when there were too many calls: the page is a web server's.
    """

    name = "woocommerce"

    def __init__(
        self,
        *,
        timezone: str = "America/New_York",
        old: bool = False,
        strips_authorization: bool = False,
        plugin_numbers: bool = False,
        drafts: bool = False,
        notice: bool = False,
        vendors: bool = False,
        **common: Unpack[Common],
    ) -> None:
        """Describe the site. ValueError for a switch whose value does not fit.

        `timezone` is the site's. An `old` site refuses `orderby=modified`. A host that
        `strips_authorization` leaves the query as the only way to sign in. With `plugin_numbers`
        numbers are not the ids, with `drafts` checkouts that were begun are in the list, with
        `notice` PHP says something before the JSON, with `vendors` a marketplace plugin adds an
        order for each vendor.
        """
        self._vendors = vendors
        self.shape = Shape(
            number=lambda n: f"WC-2026-{n:04d}" if plugin_numbers else str(FIRST_ID + n - 1),
            first_key=FIRST_ID,
            aside=("draft",) if drafts else (),
            taxes="on top",
        )
        super().__init__(**common)
        self._zone = zone(timezone)
        self._old = old
        self._strips_authorization = strips_authorization
        self._notice = notice

    def kind(self, request: Request) -> Kind:
        """Return what the request is for."""
        path = request.path.rstrip("/")
        return "list" if path == PATH else "child" if path.startswith(f"{PATH}/") else "other"

    def reply(self, request: Request) -> Response:
        """Answer a request."""
        kind = self.kind(request)
        if kind == "other" or request.method != "GET":
            message = "No route was found matching the URL and request method."
            raise _error(404, "rest_no_route", message)
        keys = (request.query.get("consumer_key", ""), request.query.get("consumer_secret", ""))
        if not self._strips_authorization:
            keys = basic(request) or keys
        if keys != (CLIENT_ID, CLIENT_SECRET):
            message = "Sorry, you cannot list resources."
            raise _error(401, "woocommerce_rest_cannot_view", message)
        response = self._list(request) if kind == "list" else self._child(request)
        if not self._notice:
            return response
        return Response(
            response.status, NOTICE + response.body, "text/html", listed=response.listed
        )

    def too_many(self) -> Response:
        """Refuse with the page of the web server in front."""
        return Response(429, WAF, "text/html")

    def _list(self, request: Request) -> Response:
        query = request.query
        size = _number(query, "per_page", 10, 1, MOST)
        page = _number(query, "page", 1, 1)
        skip = _number(query, "offset", (page - 1) * size, 0)
        sorts = [name for name in SORTS if not (self._old and name == "modified")]
        orderby = _one_of(query, "orderby", "date", sorts)
        descending = _one_of(query, "order", "desc", ["asc", "desc"]) == "desc"
        found = sorted(self._found(query), key=SORTS[orderby], reverse=descending)
        orders = found[skip : skip + size]
        pages = -(-len(found) // size)
        headers = {"X-WP-Total": str(len(found)), "X-WP-TotalPages": str(pages)}
        links = [
            f"<http://{request.headers.get('host', '')}{PATH}?"
            f'{urlencode({**query, "page": to})}>; rel="{rel}"'
            for rel, to, there in (("prev", page - 1, page > 1), ("next", page + 1, page < pages))
            if there
        ]
        if links:
            headers["Link"] = ", ".join(links)
        fields = query.get("_fields")
        rendered = [self.rendered(order) for order in orders]
        if fields:
            named = fields.split(",")
            rendered = [{name: one[name] for name in named if name in one} for one in rendered]
        return self.listing(orders, rendered, headers=headers)

    def _found(self, query: Mapping[str, str]) -> list[StoreOrder]:
        wanted = query.get("status", "any").split(",")
        for status in wanted:
            _one_of({"status": status}, "status", "any", STATUSES)
        found = list(self.store.orders.values())
        if self._vendors:
            found = list(with_suborders(found))
        if "trash" in wanted:
            found += self.store.deleted.values()
        if "any" not in wanted:
            found = [order for order in found if self._status(order) in wanted]
        if "include" in query:
            named = query["include"].split(",")
            found = [order for order in found if str(order.key) in named]
        gmt = query.get("dates_are_gmt", "").lower() in ("true", "1")
        for lower, upper, of in (
            ("modified_after", "modified_before", _modified),
            ("after", "before", _created),
        ):
            found = between(
                found,
                self._bound(query, lower, gmt=gmt),
                self._bound(query, upper, gmt=gmt),
                lower_inclusive=False,
                upper_inclusive=False,
                of=of,
            )
        return found

    def _bound(self, query: Mapping[str, str], name: str, *, gmt: bool) -> datetime | None:
        if name not in query:
            return None
        try:
            return read(OFFSET.sub("", query[name]), where=UTC if gmt else self._zone)
        except ValueError:
            raise _invalid(name, f"Invalid date: {name}.") from None

    def _status(self, order: StoreOrder) -> str:
        if order.key in self.store.deleted:
            return "trash"
        if order.state == "draft":
            return "checkout-draft"
        if order.state == "cancelled":
            return "cancelled"
        return "completed" if order.closed else "on-hold" if order.key % 9 == 0 else "processing"

    def _child(self, request: Request) -> Response:
        told_id, *rest = request.path.removeprefix(f"{PATH}/").rstrip("/").split("/")
        order = self.store.by_id(told_id)
        if order is None:
            raise _error(404, "woocommerce_rest_shop_order_invalid_id", "Invalid ID.")
        if not rest:
            return json_response(200, self.rendered(order))
        if rest != ["refunds"]:
            raise _error(404, "rest_no_route", "No route was found matching the URL.")
        return json_response(
            200, [refund_record(order, each, self._zone) for each in refunds_of(order)]
        )

    def _local(self, moment: datetime) -> object:
        return written(moment, "iso-naive", "s", self._zone)

    def rendered(self, order: StoreOrder) -> dict[str, Any]:
        """Return an order as JSON has it."""
        first, last = split_name(order.address and order.address.name)
        address = order.address
        shipping = {
            "first_name": first,
            "last_name": last,
            "company": "",
            "address_1": (address and address.line1) or "",
            "address_2": (address and address.line2) or "",
            "city": order.city or "" if address else "",
            "state": (address and address.stateprovince) or "",
            "postcode": (address and address.postalcode) or "",
            "country": (address and address.country) or "",
        }
        return {
            "id": order.key,
            "parent_id": purchase_of(order),
            "status": self._status(order),
            "currency": order.currency,
            "version": "10.3.4",
            "prices_include_tax": False,
            "date_created": self._local(order.created),
            "date_modified": self._local(order.modified),
            "created_via": order.channel or "",
            "discount_total": money(order.discounted),
            "discount_tax": "0.00",
            "shipping_total": money(order.shipping),
            "shipping_tax": "0.00",
            "cart_tax": money(order.tax()),
            "total": money(order.total()),
            "total_tax": money(order.tax()),
            "customer_id": order.customer or 0,
            "number": order.number,
            "billing": {**shipping, "email": order.email or "", "phone": ""},
            "shipping": {**shipping, "phone": ""},
            "payment_method": "bacs",
            "date_created_gmt": written(order.created, "iso-naive", "s"),
            "date_modified_gmt": written(order.modified, "iso-naive", "s"),
            "line_items": [line_item(order, line) for line in order.lines],
            "tax_lines": [],
            "shipping_lines": [
                {"id": order.key + 1, "method_title": "Flat rate", "total": money(order.shipping)}
            ],
            "fee_lines": [],
            "coupon_lines": [],
            "refunds": [
                {"id": refund.key, "reason": "", "total": f"-{money(refund.cents)}"}
                for refund in refunds_of(order)
            ],
        }


def _modified(order: StoreOrder) -> datetime:
    return order.modified


def _created(order: StoreOrder) -> datetime:
    return order.created


def _error(status: int, code: str, message: str, **more: object) -> RefusedError:
    body = {"code": code, "message": message, "data": {"status": status, **more}}
    return RefusedError(status, body)


def _invalid(name: str, why: str) -> RefusedError:
    message = f"Invalid parameter(s): {name}"
    return _error(400, "rest_invalid_param", message, params={name: why})


def _number(
    query: Mapping[str, str], name: str, default: int, least: int, most: int | None = None
) -> int:
    text = query.get(name, str(default))
    if not text.isdecimal():
        raise _invalid(name, f"{name} is not of type integer.")
    number = int(text)
    if number < least or (most is not None and number > most):
        limit = f"between {least} (inclusive) and {most} (inclusive)"
        if most is None:
            limit = f"greater than or equal to {least}"
        raise _invalid(name, f"{name} must be {limit}")
    return number


def _one_of(query: Mapping[str, str], name: str, default: str, known: list[str]) -> str:
    value = query.get(name, default)
    if value not in known:
        raise _invalid(name, f"{name} is not one of {', '.join(known)}.")
    return value
