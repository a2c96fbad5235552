"""Lines and refunds of an order as WooCommerce tells them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from orderpull.simulator.shop.base import money
from orderpull.simulator.shop.times import written

if TYPE_CHECKING:
    from datetime import tzinfo

    from orderpull.simulator.shop.order import StoreLine, StoreOrder


class Refund(NamedTuple):
    """A refund: `cents` went back, for some pieces of `lines`."""

    key: int
    cents: int
    lines: list[tuple[StoreLine, int]]


def refunds_of(order: StoreOrder) -> list[Refund]:
    """Return the refunds of `order`: one of a piece of each line that came back, one of the rest.

    The last one pays all the money back.
    """
    lines = [line for line in order.lines if line.returned]
    more = [(line, line.returned - 1) for line in lines if line.returned > 1]
    groups = [group for group in ([(line, 1) for line in lines], more) if group]
    if order.refunded and not groups:
        groups = [[]]
    return [
        Refund(90_000 + order.key * 10 + place, order.refunded * (place == len(groups)), group)
        for place, group in enumerate(groups, start=1)
    ]


def line_item(order: StoreOrder, line: StoreLine) -> dict[str, Any]:
    total = order.amount_of(line, "ordered")
    return {
        "id": line.key,
        "name": line.title or "",
        "product_id": 22 if line.sku is not None else 0,
        "variation_id": 23,
        "quantity": line.quantity,
        "tax_class": "",
        "subtotal": money(line.cents * line.quantity),
        "subtotal_tax": "0.00",
        "total": money(total),
        "total_tax": "0.00",
        "taxes": [],
        "meta_data": [],
        "sku": line.sku,
        "price": _number_of(total, line.quantity),
    }


def _number_of(total: int, pieces: int) -> float:
    """Return the price of a piece, as PHP divides: a whole number where it comes out even."""
    price = total / 100 / pieces
    return int(price) if price.is_integer() else price


def refund_record(order: StoreOrder, refund: Refund, where: tzinfo) -> dict[str, Any]:
    """Return a refund: pieces and amounts of its lines are below 0."""
    return {
        "id": refund.key,
        "date_created": written(order.modified, "iso-naive", "s", where),
        "date_created_gmt": written(order.modified, "iso-naive", "s"),
        "amount": money(refund.cents),
        "reason": "",
        "refunded_by": 1,
        "refunded_payment": False,
        "meta_data": [],
        "line_items": [
            {
                **line_item(order, line),
                "id": refund.key * 100 + place,
                "quantity": -pieces,
                "subtotal": f"-{money(line.cents * pieces)}",
                "total": f"-{money(line.cents * pieces)}",
                "meta_data": [{"id": 1, "key": "_refunded_item_id", "value": str(line.key)}],
            }
            for place, (line, pieces) in enumerate(refund.lines)
        ],
        "shipping_lines": [],
        "tax_lines": [],
        "fee_lines": [],
    }
