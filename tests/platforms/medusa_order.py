"""An order as Medusa tells it, with all its fields."""

from __future__ import annotations

import hashlib
import zlib
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from orderpull.simulator.shop.times import iso
from tests.platforms.medusa_totals import Item, number, order_totals
from tests.platforms.names import split_name

if TYPE_CHECKING:
    from orderpull.simulator.shop.order import StoreOrder

LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
PIECES = (
    *("fulfilled_quantity", "delivered_quantity", "shipped_quantity", "return_requested_quantity"),
    *("return_received_quantity", "return_dismissed_quantity", "written_off_quantity"),
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
    items = [Item(order, line) for line in order.lines]
    money = order_totals(order, items)
    paid_back = Fraction(order.refunded, 100)
    return {
        "id": ulid("order", order.key),
        "display_id": int(order.number) if order.number.isdecimal() else order.key,
        "custom_display_id": None,
        "version": order.version,
        "status": status,
        "canceled_at": iso(order.modified, "ms") if cancelled else None,
        "created_at": iso(order.created, "ms"),
        "updated_at": iso(order.modified, "ms"),
        "email": order.email,
        "customer_id": customer_of(order),
        "currency_code": order.currency.lower(),
        "locale": None,
        "metadata": None,
        "sales_channel": {"id": f"sc_{order.channel}", "name": order.channel}
        if order.channel
        else None,
        "summary": {
            **dict.fromkeys(("current_order_total", "accounting_total"), number(money["total"])),
            "original_order_total": number(money["total"]),
            "transaction_total": number(money["total"] - paid_back),
            "pending_difference": 0,
            "paid_total": number(money["total"]),
            "refunded_total": number(paid_back),
            "credit_line_total": 0,
        },
        **{name: number(value) for name, value in money.items()},
        "items": [_item(order, item) for item in items],
        "shipping_address": _address(order),
        "payment_status": "canceled" if cancelled else "authorized",
        "fulfillment_status": "fulfilled" if order.closed else "not_fulfilled",
    }


def customer_of(order: StoreOrder) -> str | None:
    """Return the id of the customer; a guest has one, too, the same at each purchase."""
    if order.customer is not None:
        return ulid("cus", order.customer)
    if order.email is None:
        return None
    return ulid("cus", 1_000_000 + zlib.crc32(order.email.encode()))


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


def _item(order: StoreOrder, item: Item) -> dict[str, Any]:
    line = item.line
    title, _, variant = (line.title or "").rpartition(" - ")
    if not title:
        title, variant = variant, ""
    totals = item.totals()
    stamps = {
        "created_at": iso(order.created, "ms"),
        "updated_at": iso(order.created, "ms"),
        "deleted_at": None,
    }
    return {
        "id": ulid("ordli", line.key),
        "title": title,
        "subtitle": variant,
        **dict.fromkeys(NO_TEXT),
        "variant_id": ulid("variant", line.key % 500),
        "product_id": ulid("prod", line.key % 500),
        "product_title": title,
        "product_handle": title.lower(),
        "variant_sku": line.sku,
        "variant_title": variant,
        "requires_shipping": True,
        "is_giftcard": False,
        "is_discountable": True,
        "is_tax_inclusive": order.tax_included,
        "is_custom_price": False,
        "metadata": {},
        "raw_compare_at_unit_price": None,
        "raw_unit_price": _raw(item.price),
        **stamps,
        "tax_lines": [{"code": "vat", "rate": order.tax_rate / 100}] if order.tax_rate else [],
        "adjustments": [{"code": "PROMO", "amount": number(item.off), "is_tax_inclusive": True}]
        if item.off
        else [],
        "compare_at_unit_price": None,
        "unit_price": number(item.price),
        "quantity": item.pieces,
        "raw_quantity": _raw(Fraction(item.pieces)),
        "line_item_metadata": {},
        "detail": _detail(order, item, stamps),
        **{name: number(value) for name, value in totals.items()},
        **{f"raw_{name}": _raw(value) for name, value in totals.items()},
    }


def _detail(order: StoreOrder, item: Item, stamps: dict[str, Any]) -> dict[str, Any]:
    pieces = dict.fromkeys(PIECES, 0) | item.detail()
    return {
        "id": ulid("orditem", item.line.key),
        "version": order.version,
        "metadata": {},
        "order_id": ulid("order", order.key),
        "raw_unit_price": None,
        "raw_compare_at_unit_price": None,
        "raw_quantity": _raw(Fraction(item.pieces)),
        **{f"raw_{name}": _raw(Fraction(value)) for name, value in pieces.items()},
        **stamps,
        "item_id": ulid("ordli", item.line.key),
        "unit_price": None,
        "compare_at_unit_price": None,
        "quantity": item.pieces,
        **pieces,
    }


def _raw(value: Fraction) -> dict[str, Any]:
    return {"value": str(number(value)), "precision": 20}
