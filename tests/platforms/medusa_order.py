"""An order as Medusa tells it, with all its fields."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from orderpull.simulator.shop.times import iso
from tests.platforms.names import split_name

if TYPE_CHECKING:
    from orderpull.simulator.shop.order import StoreLine, StoreOrder

LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
PIECES = (
    *("fulfilled_quantity", "delivered_quantity", "shipped_quantity", "return_requested_quantity"),
    *("return_received_quantity", "return_dismissed_quantity", "written_off_quantity"),
)
TOTALS = ("subtotal", "total", "original_subtotal", "original_total", "refundable_total")
NO_TOTALS = (
    *("discount_subtotal", "discount_tax_total", "discount_total", "tax_total"),
    *("original_tax_total", "fulfilled_total", "shipped_total", "return_requested_total"),
    *("return_received_total", "return_dismissed_total", "write_off_total"),
)
NO_TEXT = (
    *("thumbnail", "product_description", "product_subtitle", "product_type", "product_type_id"),
    *("product_collection", "variant_barcode", "variant_option_values"),
)


def ulid(prefix: str, key: int) -> str:
    """Return an id such as order_01J…: ids of later keys sort behind those of earlier ones."""
    digest = int.from_bytes(hashlib.sha256(f"{prefix}/{key}".encode()).digest()[:8], "big")
    number, signs = (key << 64) + digest, ""
    for _ in range(22):
        number, place = divmod(number, len(LETTERS))
        signs = LETTERS[place] + signs
    return f"{prefix}_01M8{signs}"


def rendered(order: StoreOrder) -> dict[str, Any]:
    """Return an order with all the fields that can be asked for."""
    cancelled = order.state == "cancelled"
    status = "canceled" if cancelled else "completed" if order.closed else "pending"
    return {
        "id": ulid("order", order.key),
        "display_id": int(order.number) if order.number.isdecimal() else order.key,
        "custom_display_id": None,
        "version": order.version,
        "status": status,
        "canceled_at": iso(order.modified, "ms") if cancelled else None,
        "created_at": iso(order.created, "ms"),
        "updated_at": iso(order.modified, "ms"),
        "email": "somebody@mail.test",
        "currency_code": order.currency.lower(),
        "locale": None,
        "metadata": None,
        "summary": {"current_order_total": _major(order.cents)},
        "total": _major(order.cents),
        "items": [_item(order, line) for line in order.lines],
        "shipping_address": _address(order),
        "payment_status": "canceled" if cancelled else "authorized",
        "fulfillment_status": "fulfilled" if order.closed else "not_fulfilled",
    }


def _address(order: StoreOrder) -> dict[str, Any] | None:
    address = order.address
    if address is None:
        return None
    first, last = split_name(address.name)
    return {
        "id": ulid("ordaddr", order.key),
        "customer_id": None,
        "company": None,
        "first_name": first,
        "last_name": last,
        "address_1": address.line1,
        "address_2": address.line2 or "",
        "city": order.city,
        "country_code": address.country and address.country.lower(),
        "province": address.stateprovince,
        "postal_code": address.postalcode,
        "phone": None,
        "metadata": None,
        "created_at": iso(order.created, "ms"),
        "updated_at": iso(order.created, "ms"),
        "deleted_at": None,
    }


def _item(order: StoreOrder, line: StoreLine) -> dict[str, Any]:
    price, total = _major(line.cents), _major(line.cents * line.quantity)
    totals = {**dict.fromkeys(TOTALS, total), **dict.fromkeys(NO_TOTALS, 0)}
    totals["refundable_total_per_unit"] = price
    stamps = {
        "created_at": iso(order.created, "ms"),
        "updated_at": iso(order.created, "ms"),
        "deleted_at": None,
    }
    return {
        "id": ulid("ordli", line.key),
        "title": "Étui",
        "subtitle": "v0",
        **dict.fromkeys(NO_TEXT),
        "variant_id": ulid("variant", line.key % 500),
        "product_id": ulid("prod", line.key % 500),
        "product_title": "Étui",
        "product_handle": "étui",
        "variant_sku": line.sku,
        "variant_title": "v0",
        "requires_shipping": True,
        "is_giftcard": False,
        "is_discountable": True,
        "is_tax_inclusive": False,
        "is_custom_price": False,
        "metadata": {},
        "raw_compare_at_unit_price": None,
        "raw_unit_price": _raw(price),
        **stamps,
        "tax_lines": [],
        "adjustments": [],
        "compare_at_unit_price": None,
        "unit_price": price,
        "quantity": line.quantity,
        "raw_quantity": _raw(line.quantity),
        "line_item_metadata": {},
        "detail": _detail(order, line, stamps),
        **totals,
        **{f"raw_{name}": _raw(value) for name, value in totals.items()},
    }


def _detail(order: StoreOrder, line: StoreLine, stamps: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": ulid("orditem", line.key),
        "version": order.version,
        "metadata": {},
        "order_id": ulid("order", order.key),
        "raw_unit_price": None,
        "raw_compare_at_unit_price": None,
        "raw_quantity": _raw(line.quantity),
        **{f"raw_{name}": _raw(0) for name in PIECES},
        **stamps,
        "item_id": ulid("ordli", line.key),
        "unit_price": None,
        "compare_at_unit_price": None,
        "quantity": line.quantity,
        **dict.fromkeys(PIECES, 0),
    }


def _major(cents: int) -> int | float:
    return cents // 100 if cents % 100 == 0 else cents / 100


def _raw(value: float) -> dict[str, Any]:
    return {"value": str(value), "precision": 20}
