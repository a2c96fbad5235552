"""The platform `extensiv`: Extensiv Order Manager v1.1, once Skubana, its sign-in and orders."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Unpack
from urllib.parse import urlencode

from orderpull.simulator.places import COUNTRIES, written_country
from orderpull.simulator.profile import Response, json_response
from orderpull.simulator.shop.auth import (
    CLIENT_ID,
    CLIENT_SECRET,
    TOKEN,
    TokenIssuer,
    basic,
    bearer,
    parameters,
)
from orderpull.simulator.shop.base import Common, Kind, Platform, RefusedError, whole_number
from orderpull.simulator.shop.selecting import SORTS, between
from orderpull.simulator.shop.store import Shape
from orderpull.simulator.shop.times import iso, read

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from orderpull.simulator.profile import Request
    from orderpull.simulator.shop.order import StoreLine, StoreOrder

PATH = "/v1.1/orders"
AUTHORIZE_PATH = "/oauth/authorize"
TOKEN_PATH = "/oauth/token"
MOST = 500
FIRST_ID = 122_323
KNOWN = {
    *("modifiedDateFrom", "modifiedDateTo", "warehouseId", "page", "limit"),
    *("shipDateFrom", "shipDateTo"),
}
SHIPPED = ("Awaiting_Shipment", "Pending_Fulfillment", "Shipped", "On_Hold", "Awaiting_Dropship")
INBOUND = "FBA_Inbound_Shipment_Plan"
"""The status of a plan to stock a warehouse: it is no sale."""
BY_CODE = {country.code: country for country in COUNTRIES}
FORMS = ("{code}", "{iso3}", "{name}", "{code_lower}", "{iso3}")


class Extensiv(Platform):
    """`GET /v1.1/orders` answers a bare array, and an empty one behind the last page.

    TOKEN works as a bearer, and so does what the browser's way of signing in gives, which does not
    end unless `expires_after` says so. The app is CLIENT_ID with CLIENT_SECRET. Too many calls are
    told the wait in milliseconds. Plans to stock a warehouse are in the list. A line may have no
    product: then `listingSku` names what was sold.
    """

    name = "extensiv"

    def __init__(
        self,
        *,
        lower_inclusive: bool = True,
        upper_inclusive: bool = True,
        fractions: bool = False,
        shuffled: bool = False,
        sort: str = "id",
        casing: str = "as-is",
        quota: int | None = None,
        quota_wait: int = 1500,
        expires_after: int | None = None,
        **common: Unpack[Common],
    ) -> None:
        """Describe the account.

        `lower_inclusive` and `upper_inclusive` say whether an order of the very second that
        `modifiedDateFrom` or `modifiedDateTo` names is answered; with `fractions` times have
        milliseconds. `shuffled` gives another order of orders at each call, else they stand by `id`
        or by `modified`. `casing` writes the statuses as-is, upper, lower or without their signs
        (plain). `quota` lets so many list calls through before each is refused once, with
        `quota_wait` milliseconds to wait. ValueError for a value that there is none of.
        """
        if sort not in ("id", "modified") or casing not in CASINGS:
            raise ValueError(f"sort is id or modified, casing one of {', '.join(CASINGS)}")
        precision = "ms" if fractions else "s"
        self.shape = Shape(
            number=lambda n: f"{131_000 + n}ABC",
            first_key=FIRST_ID,
            precision=precision,
            aside=("test",),
            taxes="on top",
        )
        super().__init__(**common)
        self._bounds = (lower_inclusive, upper_inclusive)
        self._precision = precision
        self._shuffled = shuffled
        self._sort = sort
        self._casing = CASINGS[casing]
        self._quota = quota
        self._quota_wait = quota_wait
        self._left = quota
        self._tokens = TokenIssuer(self.clock, expires_after=expires_after)
        self._codes: dict[str, str] = {}

    def rows(self, order: StoreOrder) -> dict[str, Any]:
        """Return the rows without what is not told: returns, refunds, the tax of no lines."""
        row = super().rows(order)
        row["returned"] = dict.fromkeys(row["items"])
        row["tax"] = row["tax"] if row["items"] else None
        return {**row, "refunded": None}

    def kind(self, request: Request) -> Kind:
        """Return what the request is for."""
        if request.path in (AUTHORIZE_PATH, TOKEN_PATH):
            return "token"
        return "list" if request.path == PATH else "other"

    def reply(self, request: Request) -> Response:
        """Answer a request."""
        if request.path == AUTHORIZE_PATH:
            return self._authorize(request)
        if request.path == TOKEN_PATH:
            return self._exchange(request)
        if request.path != PATH or request.method != "GET":
            raise _refused(404, "not found")
        token = bearer(request)
        if token != TOKEN and not self._tokens.accept(token):
            raise _refused(401, "unauthorized")
        if self._left == 0:
            self._left = self._quota
            return self.too_many()
        if self._left is not None:
            self._left -= 1
        return self._list(request)

    def too_many(self) -> Response:
        """Refuse with the wait in milliseconds."""
        body = {"errors": [{"message": "Quota exceeded", "errorCode": "quota_exceeded"}]}
        return json_response(429, body, {"x-skubana-quota-retryAfter": str(self._quota_wait)})

    # ---------------------------------------------------------------------------------- signing in

    def _authorize(self, request: Request) -> Response:
        """Send the browser back with a code, as if its user had agreed."""
        query = request.query
        back = query.get("redirect_uri")
        if (query.get("response_type"), query.get("client_id")) != ("code", CLIENT_ID) or not back:
            raise _refused(400, "client_id, redirect_uri or response_type is wrong")
        code = f"made-up-code-{len(self._codes) + 1}"
        self._codes[code] = back
        given = {"code": code, **({"state": query["state"]} if "state" in query else {})}
        url = f"{back}{'&' if '?' in back else '?'}{urlencode(given)}"
        return Response(302, b"", headers={"Location": url})

    def _exchange(self, request: Request) -> Response:
        """Give a token for a code; each works once. The parameters may stand in the query."""
        given = {**parameters(request), **request.query}
        if request.method != "POST" or basic(request) != (CLIENT_ID, CLIENT_SECRET):
            raise RefusedError(401, {"error": "invalid_client"})
        if given.get("grant_type") != "authorization_code":
            raise RefusedError(400, {"error": "unsupported_grant_type"})
        back = self._codes.pop(str(given.get("code")), None)
        if back is None or back != given.get("redirect_uri"):
            raise RefusedError(400, {"error": "invalid_grant"})
        token = self._tokens.issue()
        scope = "read_orders"
        return json_response(200, {"access_token": token, "token_type": "bearer", "scope": scope})

    # ------------------------------------------------------------------------------------ the list

    def _list(self, request: Request) -> Response:
        query = request.query
        unknown = set(query) - KNOWN
        page = whole_number(query.get("page"), 1)
        size = whole_number(query.get("limit"), 100)
        if unknown or not page or not size or size > MOST:
            raise _refused(400, f"page is from 1, limit to {MOST}; unknown: {sorted(unknown)}")
        lower, upper = (self._moment(query.get(f"modifiedDate{end}")) for end in ("From", "To"))
        found = between(
            self.store.orders.values(),
            lower,
            upper,
            lower_inclusive=self._bounds[0],
            upper_inclusive=self._bounds[1],
        )
        found.sort(key=SORTS["modified" if self._sort == "modified" else "id"])
        if self._shuffled:
            self.store.random.shuffle(found)
        orders = found[(page - 1) * size : page * size]
        return self.listing(orders, [self.rendered(order) for order in orders])

    @staticmethod
    def _moment(text: str | None) -> datetime | None:
        """Read `2026-01-01T00:00:00Z`; anything else is refused, fractions too."""
        if text is None:
            return None
        try:
            moment = read(text)
        except ValueError:
            moment = None
        if moment is None or text != iso(moment, "s"):
            raise _refused(400, "dates are yyyy-MM-ddTHH:mm:ssZ")
        return moment

    def rendered(self, order: StoreOrder) -> dict[str, Any]:
        """Return an order as JSON has it."""
        address = order.address
        paid = self._stamp(order.created + timedelta(seconds=5))
        cancelled = order.state == "cancelled"
        return {
            "orderId": order.key,
            "orderNumber": order.number,
            "orderType": "SALE",
            "orderStatus": self._casing(_status(order)),
            "unresolvedStatus": None,
            "currency": order.currency,
            "orderDate": self._stamp(order.created),
            "createdDate": paid,
            "modifiedDate": self._stamp(order.modified),
            "paymentDate": paid,
            "shipByDate": None,
            "shipDate": self._stamp(order.modified) if order.closed else None,
            "shipName": address and address.name,
            "shipCompany": None,
            "shipAddress1": address and address.line1,
            "shipAddress2": address and address.line2,
            "shipAddress3": None,
            "shipCity": order.city if address else None,
            "shipState": address and address.stateprovince,
            "shipZipCode": address and address.postalcode,
            "shipCountry": address and _country(address.country, order.key),
            "shipPhone": None,
            "shipEmail": order.email,
            "orderTotal": _money(order.total(), order.currency),
            "orderItemTotal": _money(order.cents, order.currency),
            "discount": _money(order.discounted, order.currency),
            "shippingCost": _money(order.shipping, order.currency),
            "salesChannel": {"salesChannelId": 7, "name": order.channel, "active": True}
            if order.channel
            else None,
            "customer": _customer(order),
            "shipments": [],
            "orderItems": _lines(order) or None,
            "relatedOrderIds": [],
            "cancelReason": {"type": "BUYER", "details": None} if cancelled else None,
            "external": False,
            "gift": False,
        }

    def _stamp(self, moment: datetime) -> str:
        return iso(moment, self._precision)


CASINGS: dict[str, Callable[[str], str]] = {
    "as-is": str,
    "upper": str.upper,
    "lower": str.lower,
    "plain": lambda status: status.replace("_", " "),
}


def _status(order: StoreOrder) -> str:
    if order.state == "test":
        return INBOUND
    if order.state == "cancelled":
        return "Cancelled"
    return "Shipped" if order.closed else SHIPPED[order.key % len(SHIPPED)]


def _country(meant: str | None, key: int) -> str | None:
    """Write a country in one of the ways that free text allows."""
    country = BY_CODE.get(meant or "")
    return meant if country is None else written_country(country, FORMS[key % len(FORMS)])


def _money(cents: int, currency: str) -> dict[str, Any]:
    return {"amount": cents / 100, "currency": currency}


def _customer(order: StoreOrder) -> dict[str, Any] | None:
    if order.customer is None:
        return None
    known = {"customerId": order.customer, "name": "Ada L", "companyName": None}
    return {**known, "emailAddresses": [order.email]}


def _lines(order: StoreOrder) -> list[dict[str, Any]]:
    """Return the lines; the first one bears the tax on shipping, too."""
    whole = sum(order.amount_of(line, "ordered") for line in order.lines)
    taxes = [
        order.tax() * order.amount_of(line, "ordered") // whole if whole else 0
        for line in order.lines
    ]
    if taxes:
        taxes[0] += order.tax() - sum(taxes)
    return [_line(order, line, tax) for line, tax in zip(order.lines, taxes, strict=True)]


def _line(order: StoreOrder, line: StoreLine, tax: int) -> dict[str, Any]:
    """Return a line; every fifth has no product, and names the SKU in its listing alone."""
    off = line.discount + order.share_of(line)
    return {
        "orderItemId": line.key,
        "listingName": line.title,
        "listingSku": line.sku,
        "product": None if line.key % 5 == 0 else {"masterSku": line.sku, "name": line.title},
        "quantityOrdered": line.quantity,
        "unitPrice": _money(line.cents, order.currency),
        "tax": _money(tax, order.currency),
        "discount": _money(off, order.currency) if off else None,
    }


def _refused(status: int, message: str) -> RefusedError:
    error = {"message": message, "errorCode": str(status), "identifier": None, "index": None}
    return RefusedError(status, {"results": [], "errors": [error]})
