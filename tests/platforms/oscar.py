"""The platform `oscar`: the admin API of a Django shop with django-oscar-api, 3.2."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Unpack

from orderpull.simulator.profile import json_response
from orderpull.simulator.shop.auth import PASSWORD, USER, basic
from orderpull.simulator.shop.base import Common, Kind, Platform, RefusedError, money
from orderpull.simulator.shop.store import Shape
from orderpull.simulator.shop.times import written
from tests.platforms.names import split_name

if TYPE_CHECKING:
    from orderpull.simulator.profile import Request, Response
    from orderpull.simulator.shop.order import StoreLine, StoreOrder

API = "/api"
ORDERS = re.compile(rf"{API}/admin/orders/")
LINES = re.compile(rf"{API}/admin/orders/(\d+)/lines/")
STOCK_RECORD = re.compile(rf"{API}/products/(\d+)/stockrecords/(\d+)/")
FIRST_NUMBER = 100_000


class Oscar(Platform):
    """`GET /api/admin/orders/` answers orders, newest first; a member of staff signs in by Basic.

    Whatever belongs to an order is a link: its lines, a line's stock record with the SKU, even the
    country. There is no time of change and no filter. Lists come in pages of `page_size` (Django
    REST Framework's PageNumberPagination), or whole where a project sets none.
    """

    name = "oscar"

    def __init__(
        self, *, page_size: int | None = 10, blocked: bool = False, **common: Unpack[Common]
    ) -> None:
        """Describe the shop; `blocked` by OSCARAPI_BLOCK_ADMIN_API_ACCESS, as it is at first."""
        self.shape = Shape(
            number=lambda place: str(FIRST_NUMBER + place),
            precision="us",
            fixed_numbers=True,
            taxes="included",
        )
        super().__init__(**common)
        self._page_size = page_size
        self._blocked = blocked
        self._products: dict[str, int] = {}

    def rows(self, order: StoreOrder) -> dict[str, Any]:
        """Return the rows without what is not told: titles, channels, returns and refunds."""
        row = super().rows(order)
        row["returned"] = row["titles"] = dict.fromkeys(row["items"])
        return {**row, "refunded": None, "channel": None}

    def kind(self, request: Request) -> Kind:
        """Return what the request is for."""
        if ORDERS.fullmatch(request.path):
            return "list"
        child = LINES.fullmatch(request.path) or STOCK_RECORD.fullmatch(request.path)
        return "child" if child else "other"

    def reply(self, request: Request) -> Response:
        """Answer a request."""
        kind = self.kind(request)
        if kind == "other":
            raise RefusedError(404, {"detail": "Not found."})
        if request.method != "GET":
            raise RefusedError(405, {"detail": f'Method "{request.method}" not allowed.'})
        if stock := STOCK_RECORD.fullmatch(request.path):
            return json_response(200, self._stock_record(request, int(stock[1]), int(stock[2])))
        self._require_staff(request)
        if lines := LINES.fullmatch(request.path):
            order = self.store.orders.get(int(lines[1]))
            listed = [self._line(request, order, line) for line in order.lines] if order else []
            return json_response(200, self._paged(request, listed))
        orders = sorted(self.store.orders.values(), key=lambda o: (o.created, o.key), reverse=True)
        page = self._paged(request, [self._order(request, order) for order in orders])
        shown = page["results"] if isinstance(page, dict) else page
        keys = {order["number"] for order in shown}
        return self.listing([order for order in orders if order.number in keys], page)

    def too_many(self) -> Response:
        """Refuse as Django REST Framework's throttles do, with Retry-After in seconds."""
        detail = "Request was throttled. Expected available in 7 seconds."
        return json_response(429, {"detail": detail}, {"Retry-After": "7"})

    def _require_staff(self, request: Request) -> None:
        """Refuse whoever is no staff, with 403: the first kind of login names no challenge."""
        given = basic(request)
        if given is None:
            raise RefusedError(403, {"detail": "Authentication credentials were not provided."})
        if given != (USER, PASSWORD):
            raise RefusedError(403, {"detail": "Invalid username/password."})
        if self._blocked:
            message = "You do not have permission to perform this action."
            raise RefusedError(403, {"detail": message})

    def _paged(self, request: Request, listed: list[dict[str, Any]]) -> Any:
        if self._page_size is None:
            return listed
        text, size = request.query.get("page", "1"), self._page_size
        pages = max(-(-len(listed) // size), 1)
        page = pages if text == "last" else int(text) if text.isdecimal() else 0
        if not 1 <= page <= pages:
            raise RefusedError(404, {"detail": "Invalid page."})

        def link(number: int) -> str | None:
            if not 1 <= number <= pages:
                return None
            query = "" if number == 1 else f"?page={number}"
            return self._url(request, request.path.removeprefix(API)) + query

        start = (page - 1) * size
        return {
            "count": len(listed),
            "next": link(page + 1),
            "previous": link(page - 1),
            "results": listed[start : start + size],
        }

    @staticmethod
    def _url(request: Request, path: str) -> str:
        return f"http://{request.headers.get('host', 'shop.test')}{API}{path}"

    def _order(self, request: Request, order: StoreOrder) -> dict[str, Any]:
        return {
            "number": order.number,
            "basket": self._url(request, f"/baskets/{order.key + 5}/"),
            "url": self._url(request, f"/admin/orders/{order.key}/"),
            "lines": self._url(request, f"/admin/orders/{order.key}/lines/"),
            "owner": self._url(request, f"/users/{order.customer}/") if order.customer else None,
            "billing_address": None,
            "currency": order.currency,
            "total_incl_tax": money(order.total()),
            "total_excl_tax": money(order.total() - order.tax()),
            "shipping_incl_tax": money(order.shipping),
            "shipping_excl_tax": money(order.shipping),
            "shipping_address": self._address(request, order),
            "shipping_method": "Free shipping",
            "shipping_code": "free-shipping",
            "status": "Cancelled" if order.state == "cancelled" else "new",
            "email": order.email or "",
            "date_placed": written(order.created, "iso", "us"),
            "payment_url": "You need to implement a view named 'api-payment'",
            "offer_discounts": [
                {"name": f"Line {line.key}", "amount": money(line.discount)}
                for line in order.lines
                if line.discount
            ],
            "voucher_discounts": [
                {"name": "Voucher", "amount": money(order.share_of(line))}
                for line in order.lines
                if order.share_of(line)
            ],
            "surcharges": [],
        }

    def _address(self, request: Request, order: StoreOrder) -> dict[str, Any] | None:
        address = order.address
        if address is None:
            return None
        first, last = split_name(address.name)
        country = address.country
        return {
            "id": order.key,
            "title": "",
            "first_name": first,
            "last_name": last,
            "line1": address.line1 or "",
            "line2": address.line2 or "",
            "line3": "",
            "line4": order.city or "",
            "state": address.stateprovince or "",
            "postcode": address.postalcode or "",
            "search_text": "",
            "phone_number": "",
            "notes": "",
            "country": self._url(request, f"/countries/{country}/") if country else None,
        }

    def _line(self, request: Request, order: StoreOrder, line: StoreLine) -> dict[str, Any]:
        product = stock = None
        if line.sku is not None:
            known = self._products.setdefault(line.sku, len(self._products) + 1)
            product = self._url(request, f"/products/{known}/")
            stock = f"{product}stockrecords/{known + 500}/"
        before, price = line.cents * line.quantity, order.amount_of(line, "ordered")
        return {
            "attributes": [],
            "url": self._url(request, f"/admin/orderlines/{line.key}/"),
            "product": product,
            "stockrecord": stock,
            "quantity": line.quantity,
            "price_currency": order.currency,
            "price_excl_tax": money(price),
            "price_incl_tax": money(price),
            "price_incl_tax_excl_discounts": money(before),
            "price_excl_tax_excl_discounts": money(before),
            "order": self._url(request, f"/orders/{order.key}/"),
        }

    def _stock_record(self, request: Request, product: int, number: int) -> dict[str, Any]:
        skus = {known: sku for sku, known in self._products.items()}
        if product not in skus or number != product + 500:
            raise RefusedError(404, {"detail": "Not found."})
        return {
            "url": self._url(request, f"/products/{product}/stockrecords/{number}/"),
            "id": number,
            "partner_sku": skus[product],
            "price_currency": "EUR",
            "price": "10.00",
            "num_in_stock": 17,
            "num_allocated": None,
            "low_stock_threshold": None,
            "product": product,
            "partner": 1,
        }
