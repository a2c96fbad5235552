"""Lines, refunds, customer and address of an order as Shopify's REST API tells them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orderpull.simulator.shop.base import money
from tests.platforms.names import split_name
from tests.platforms.shopify_order import country_name, province_name

if TYPE_CHECKING:
    from orderpull.simulator.shop.order import StoreLine, StoreOrder
    from tests.platforms.shopify_refunds import Refund


def line_item(order: StoreOrder, line: StoreLine) -> dict[str, Any]:
    title = line.title or ""
    product, _, variant = title.partition(" - ")
    off = [cents for cents in (line.discount, order.share_of(line)) if cents]
    return {
        "id": line.key,
        "sku": line.sku,
        "quantity": line.quantity,
        "current_quantity": line.current - line.returned,
        "price": money(line.cents),
        "total_discount": "0.00",
        "discount_allocations": [
            {
                "amount": money(cents),
                "amount_set": price_set(cents, order.currency),
                "discount_application_index": place,
            }
            for place, cents in enumerate(off)
        ],
        "title": product,
        "variant_title": variant or None,
        "name": title,
        "variant_id": line.key % 500 + 1 if line.sku is not None else None,
        "requires_shipping": True,
        "gift_card": False,
    }


def refund(order: StoreOrder, refunded: Refund) -> dict[str, Any]:
    """Return a refund; the amounts of its lines are numbers, those of payments texts.

    Some were tried before in vain, or void a payment that was never captured.
    """

    def payment(kind: str, status: str, cents: int) -> dict[str, Any]:
        key = refunded.key * 10 + len(payments)
        told = {"id": key, "kind": kind, "status": status, "amount": money(cents)}
        return {**told, "currency": order.currency}

    payments: list[dict[str, Any]] = []
    status = ("failure", "pending", "error", "")[refunded.key % 4]
    if status:
        payments.append(payment("refund", status, refunded.cents or 100))
    if refunded.cents:
        payments.append(payment("refund", "success", refunded.cents))
    elif refunded.key % 3 == 0:
        payments.append(payment("void", "success", order.total()))
    return {
        "id": refunded.key,
        "note": None,
        "order_adjustments": [],
        "transactions": payments,
        "refund_line_items": [
            {
                "id": refunded.key * 100 + place,
                "line_item_id": each.line.key,
                "quantity": each.pieces,
                "restock_type": each.kind.lower(),
                "subtotal": each.cents / 100,
                "subtotal_set": price_set(each.cents, order.currency),
                "total_tax": 0.0,
                "line_item": line_item(order, each.line),
            }
            for place, each in enumerate(refunded.lines)
        ],
    }


def customer(order: StoreOrder) -> dict[str, Any]:
    """Return the member `customer`, which orders without one lack."""
    if order.customer is None:
        return {}
    return {"customer": {"id": order.customer, "email": order.email, "tags": ""}}


def price_set(cents: int, currency: str) -> dict[str, Any]:
    amount = {"amount": money(cents), "currency_code": currency}
    return {"shop_money": amount, "presentment_money": amount}


def address(order: StoreOrder) -> dict[str, Any] | None:
    address = order.address
    if address is None:
        return None
    first, last = split_name(address.name)
    return {
        "first_name": first,
        "last_name": last,
        "name": address.name,
        "company": None,
        "address1": address.line1,
        "address2": address.line2,
        "city": order.city,
        "province": province_name(address.stateprovince),
        "province_code": address.stateprovince,
        "zip": address.postalcode,
        "country": country_name(address.country),
        "country_code": address.country,
        "phone": None,
    }
