"""An order as Vendure tells it, with all the fields that can be chosen.

Its prices include the tax. Its totals are of the pieces left: what is cancelled leaves them, after
shipping, too. A refund changes no figure of the order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast

from orderpull.simulator.places import COUNTRIES
from orderpull.simulator.shop.order import ASIDE
from orderpull.simulator.shop.times import iso
from orderpull.simulator.truth import sku_key
from tests.platforms.graphql_request import read_schema
from tests.platforms.suborders import purchase_of

if TYPE_CHECKING:
    from graphql import GraphQLObjectType

    from orderpull.simulator.shop.order import StoreLine, StoreOrder

SCHEMA = read_schema("vendure")
ADDRESS = tuple(cast("GraphQLObjectType", SCHEMA.type_map["OrderAddress"]).fields)
COUNTRY_NAMES = {country.code: country.name for country in COUNTRIES}


class Money(NamedTuple):
    """Figures in hundredths."""

    subtotal: int
    shipping: int
    tax: int
    discount: int

    @property
    def total(self) -> int:
        """What is to be paid."""
        return self.subtotal + self.shipping


def rendered(order: StoreOrder) -> dict[str, Any]:
    """Return an order with all the fields that can be chosen."""
    placed = order.placed and iso(order.placed, "ms").replace(".000Z", f".{order.key % 1000:03}Z")
    money = money_of(order)
    return {
        "__typename": "Order",
        "id": str(order.key),
        "code": order.number,
        "state": state(order),
        "type": order_type(order),
        "active": order.state == "cart",
        "orderPlacedAt": placed,
        "createdAt": iso(order.created, "ms"),
        "updatedAt": iso(order.modified, "ms"),
        "currencyCode": order.currency,
        "total": money.total - money.tax,
        "totalWithTax": money.total,
        "subTotal": net(money.subtotal, order),
        "subTotalWithTax": money.subtotal,
        "shipping": net(money.shipping, order),
        "shippingWithTax": money.shipping,
        "taxSummary": [
            {
                "description": "VAT",
                "taxRate": order.tax_rate / 100,
                "taxBase": money.total - money.tax,
                "taxTotal": money.tax,
            }
        ],
        "discounts": [_discount(cents, order) for cents in _discounts(order) if cents],
        "totalQuantity": sum(left(order, line) for line in order.lines),
        "customer": _customer(order),
        "shippingAddress": _address(order),
        "billingAddress": dict.fromkeys(ADDRESS),
        "lines": [_line(order, line) for line in order.lines],
        "payments": [] if order.state in ASIDE else [_payment(order, money)],
    }


def state(order: StoreOrder) -> str:
    """Return the state as Vendure names it."""
    match order.state:
        case "cart":
            return "AddingItems"
        case "draft":
            return "Draft"
        case "cancelled":
            return "Cancelled"
        case _:
            paid = "PaymentSettled" if order.key % 7 == 0 else "PaymentAuthorized"
            return "Delivered" if is_shipped(order) else paid


def is_shipped(order: StoreOrder) -> bool:
    """Return True if all pieces of a sale were shipped."""
    back = any(line.returned for line in order.lines)
    return order.state == "placed" and (order.closed or back)


def order_type(order: StoreOrder) -> str:
    """Return the type as Vendure names it."""
    if purchase_of(order):
        return "Seller"
    return "Aggregate" if "split" in order.marks else "Regular"


def left(order: StoreOrder, line: StoreLine) -> int:
    """Return the pieces left: those sent back are cancelled."""
    return line.current - (line.returned if is_shipped(order) else 0)


def amount(order: StoreOrder, line: StoreLine) -> int:
    """Return the price of the pieces left after all discounts, rounded half up."""
    whole, pieces = line.quantity, left(order, line)
    return _rounded(order.amount_of(line, "ordered") * pieces, whole) if whole else 0


def money_of(order: StoreOrder) -> Money:
    """Return the figures of an order; cancelling it cancels the shipping, too."""
    shipping = 0 if order.state == "cancelled" else order.shipping
    amounts = [amount(order, line) for line in order.lines]
    tax = sum(each - net(each, order) for each in (*amounts, shipping))
    return Money(sum(amounts), shipping, tax, sum(_discounts(order)))


def net(cents: int, order: StoreOrder) -> int:
    """Return an amount without its tax, rounded half up."""
    return _rounded(cents * 10_000, 10_000 + order.tax_rate)


def customer_of(order: StoreOrder) -> str | None:
    """Return the id of the customer: a guest is one, too, the same at each purchase."""
    if order.customer is not None:
        return str(order.customer)
    return None if order.email is None else f"9{''.join(filter(str.isdigit, order.email))}"


def rows(order: StoreOrder) -> dict[str, Any]:
    """Return the rows of the truth: pieces as shipped, money of the pieces left."""
    money = money_of(order)

    amounts: dict[str, int] = {}
    for line in order.lines:
        sku = sku_key(line.sku)
        amounts[sku] = amounts.get(sku, 0) + amount(order, line)
    told = order.rows("current", "current")
    return {
        **told,
        "amounts": amounts,
        "returned": told["returned"] if is_shipped(order) else dict.fromkeys(told["items"]),
        "total": money.total,
        "discount": money.discount,
        "shipping": money.shipping,
        "tax": money.tax,
        "customer": customer_of(order),
        "channel": None,
    }


def _customer(order: StoreOrder) -> dict[str, Any] | None:
    if order.email is None:
        return None
    names = {"firstName": "Ada", "lastName": "L"}
    return {"id": customer_of(order), "emailAddress": order.email, **names}


def _discounts(order: StoreOrder) -> list[int]:
    """Return the discounts of lines and of the order, of the pieces left."""
    shares = [(order.share_of(line), line) for line in order.lines if line.quantity]

    def of(value: int, line: StoreLine) -> int:
        return _rounded(value * left(order, line), line.quantity)

    return [
        sum(of(line.discount, line) for _, line in shares),
        sum(of(share, line) for share, line in shares),
    ]


def _discount(cents: int, order: StoreOrder) -> dict[str, Any]:
    return {
        "adjustmentSource": "PROMOTION:1",
        "type": "PROMOTION",
        "description": "Sale",
        "amount": -net(cents, order),
        "amountWithTax": -cents,
    }


def _payment(order: StoreOrder, money: Money) -> dict[str, Any]:
    """Return the payment, with one refund of all that was paid back.

    Some were tried before in vain; others of nothing wait to be settled by hand.
    """
    pieces = {line.key: line.returned or _removed(order, line) for line in order.lines}

    def refund(state: str, cents: int) -> dict[str, Any]:
        told = {"id": f"{state}-{order.key}", "total": cents, "state": state}
        lines = [
            {
                "quantity": pieces[line.key],
                "orderLineId": str(line.key),
                "orderLine": {**_reference(line), "fulfillmentLines": _parcels(order, line)},
                "refund": told,
            }
            for line in order.lines
            if pieces[line.key] and state != "Pending"
        ]
        return {**told, "lines": lines}

    refunds = []
    if any(pieces.values()) or order.refunded:
        refunds = [refund("Failed", order.refunded or 100)] * (order.key % 2)
        refunds += [refund("Settled", order.refunded)] + [refund("Pending", 100)] * (order.key % 3)
    return {
        "id": str(order.key),
        "method": "card",
        "amount": money.total,
        "state": "Settled",
        "refunds": refunds,
    }


def _removed(order: StoreOrder, line: StoreLine) -> int:
    """Return the pieces removed before shipping, of a line of which nothing was shipped."""
    return 0 if _parcels(order, line) else line.quantity - line.current


def _address(order: StoreOrder) -> dict[str, str | None]:
    address = order.address
    if address is None:
        return dict.fromkeys(ADDRESS)
    return {
        "fullName": address.name,
        "company": "",
        "streetLine1": address.line1,
        "streetLine2": address.line2 or "",
        "city": order.city,
        "province": address.stateprovince,
        "postalCode": address.postalcode,
        "country": COUNTRY_NAMES.get(address.country or "", ""),
        "countryCode": address.country,
        "phoneNumber": "",
    }


def _line(order: StoreOrder, line: StoreLine) -> dict[str, Any]:
    pieces, total = left(order, line), amount(order, line)
    return {
        **_reference(line),
        "quantity": pieces,
        "orderPlacedQuantity": line.quantity if order.placed is not None else 0,
        "unitPriceWithTax": line.cents,
        "linePriceWithTax": line.cents * pieces,
        "proratedLinePrice": net(total, order),
        "proratedLinePriceWithTax": total,
        "fulfillmentLines": _parcels(order, line),
    }


def _parcels(order: StoreOrder, line: StoreLine) -> list[dict[str, Any]]:
    """Return the pieces that were shipped; several in two parcels."""
    first = line.current // 2
    return [
        {"quantity": pieces, "orderLine": _reference(line)}
        for pieces in (first, line.current - first)
        if pieces and is_shipped(order)
    ]


def _reference(line: StoreLine) -> dict[str, Any]:
    variant = {"id": str(line.key % 500), "sku": line.sku or "", "name": line.title or ""}
    return {"__typename": "OrderLine", "id": str(line.key), "productVariant": variant}


def _rounded(whole: int, part: int) -> int:
    return (2 * whole + part) // (2 * part)
