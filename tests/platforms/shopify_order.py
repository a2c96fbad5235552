"""An order as Shopify's two Admin APIs tell it, with all its fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orderpull.simulator.places import COUNTRIES
from orderpull.simulator.shop.base import money
from orderpull.simulator.shop.times import iso
from tests.platforms.names import split_name
from tests.platforms.shopify_connection import connection, connection_of
from tests.platforms.shopify_refunds import refunds_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from graphql import GraphQLResolveInfo

    from orderpull.simulator.shop.order import StoreLine, StoreOrder
    from tests.platforms.shopify_refunds import Refund

FIRST_ID = 450_789_469
BULK = "bulk"
"""The context of a query that runs as a bulk operation: connections hold all their nodes."""
COUNTRY_NAMES = {country.code: country.name for country in COUNTRIES}


def gid(kind: str, key: int) -> str:
    """Return an id such as gid://shopify/Order/450789469."""
    return f"gid://shopify/{kind}/{key}"


def province_name(code: str | None) -> str | None:
    """Return a province's name by what stands for its code."""
    return code and f"Province of {code}"


def country_name(code: str | None) -> str | None:
    """Return a country's English name, or what is given."""
    return COUNTRY_NAMES.get(code or "", code)


def rendered(order: StoreOrder) -> dict[str, Any]:
    """Return an order with all the fields that GraphQL can choose."""
    cancelled = order.state == "cancelled"

    def money_set(cents: int) -> dict[str, Any]:
        return _money_set(cents, order.currency)

    return {
        "__typename": "Order",
        "id": gid("Order", order.key),
        "legacyResourceId": str(order.key),
        "name": order.number,
        "number": order.key - FIRST_ID + 1001,
        "createdAt": iso(order.created, "s"),
        "updatedAt": iso(order.modified, "s"),
        "processedAt": iso(order.created, "s"),
        "cancelledAt": iso(order.modified, "s") if cancelled else None,
        "cancelReason": "CUSTOMER" if cancelled else None,
        "closedAt": iso(order.modified, "s") if order.closed else None,
        "closed": order.closed,
        "test": order.state == "test",
        "confirmed": True,
        "edited": any(line.current != line.quantity for line in order.lines),
        "currencyCode": order.currency,
        "email": order.email,
        "customer": _customer(order),
        "note": None,
        "tags": [],
        "displayFinancialStatus": "PARTIALLY_REFUNDED" if order.refunded else "PAID",
        "displayFulfillmentStatus": "FULFILLED" if order.closed else "UNFULFILLED",
        "sourceName": order.channel,
        "taxesIncluded": order.tax_included,
        "totalPriceSet": money_set(order.total()),
        "subtotalPriceSet": money_set(order.cents - order.discounted),
        "currentTotalPriceSet": money_set(order.total("current")),
        "totalDiscountsSet": money_set(order.discounted),
        "totalShippingPriceSet": money_set(order.shipping),
        "totalTaxSet": money_set(order.tax()),
        "totalRefundedSet": money_set(order.refunded),
        "refunds": lambda info, first=None: [
            refund_told(order, refund) for refund in refunds_of(order)[:first]
        ],
        "shippingAddress": _address(order),
        "billingAddress": None,
        "lineItems": lambda info, **arguments: _lines(order, info, arguments),
    }


def _customer(order: StoreOrder) -> dict[str, Any] | None:
    if order.customer is None:
        return None
    key = order.customer
    return {"__typename": "Customer", "id": gid("Customer", key), "legacyResourceId": str(key)}


def _lines(
    order: StoreOrder, info: GraphQLResolveInfo, arguments: dict[str, Any]
) -> dict[str, Any]:
    """Return a page of an order's lines, or all of them to a bulk operation."""
    lines = [line_item(order, line) for line in order.lines]
    if info.context is BULK:
        return connection_of(lines, [""] * len(lines), more=False, before=False)
    return connection(lines, arguments)


def line_item(order: StoreOrder, line: StoreLine) -> dict[str, Any]:
    """Return a line with all the fields that GraphQL can choose."""

    def money_set(cents: int) -> dict[str, Any]:
        return _money_set(cents, order.currency)

    product, _, title = (line.title or "").partition(" - ")
    off = [cents for cents in (line.discount, order.share_of(line)) if cents]
    variant = {"id": gid("ProductVariant", line.key % 500 + 1), "sku": line.sku}
    return {
        "__typename": "LineItem",
        "id": gid("LineItem", line.key),
        "sku": line.sku,
        "quantity": line.quantity,
        "currentQuantity": line.current - line.returned,
        "title": product,
        "variantTitle": title or None,
        "name": line.title or "",
        "vendor": "Shop",
        "requiresShipping": True,
        "isGiftCard": False,
        "originalUnitPriceSet": money_set(line.cents),
        "discountedUnitPriceSet": money_set(line.cents - line.discount // line.quantity),
        "originalTotalSet": money_set(line.cents * line.quantity),
        "discountAllocations": [{"allocatedAmountSet": money_set(cents)} for cents in off],
        "variant": variant if line.sku is not None else None,
    }


def refund_of(orders: Iterable[StoreOrder], told_id: str) -> dict[str, Any] | None:
    """Return the refund with this id, of one of `orders`."""
    for order in orders:
        for refund in refunds_of(order):
            if gid("Refund", refund.key) == told_id:
                return refund_told(order, refund)
    return None


def refund_told(order: StoreOrder, refund: Refund) -> dict[str, Any]:
    """Return a refund with all the fields that GraphQL can choose."""
    lines = [
        {
            "id": gid("RefundLineItem", refund.key * 100 + place),
            "lineItem": line_item(order, each.line),
            "quantity": each.pieces,
            "restockType": each.kind,
            "restocked": each.kind != "NO_RESTOCK",
            "subtotalSet": _money_set(each.cents, order.currency),
        }
        for place, each in enumerate(refund.lines)
    ]
    return {
        "__typename": "Refund",
        "id": gid("Refund", refund.key),
        "note": None,
        "totalRefundedSet": _money_set(refund.cents, order.currency),
        "refundLineItems": lambda _, **arguments: connection(lines, arguments),
    }


def _money_set(cents: int, currency: str) -> dict[str, Any]:
    amount = {"amount": money(cents), "currencyCode": currency}
    return {"shopMoney": amount, "presentmentMoney": amount}


def _address(order: StoreOrder) -> dict[str, Any] | None:
    address = order.address
    if address is None:
        return None
    first, last = split_name(address.name)
    return {
        "__typename": "MailingAddress",
        "id": gid("MailingAddress", order.key),
        "name": address.name,
        "firstName": first,
        "lastName": last,
        "company": None,
        "address1": address.line1,
        "address2": address.line2,
        "city": order.city,
        "province": province_name(address.stateprovince),
        "provinceCode": address.stateprovince,
        "zip": address.postalcode,
        "country": country_name(address.country),
        "countryCodeV2": address.country,
        "phone": None,
    }
