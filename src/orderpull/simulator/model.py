"""Orders of the simulated shop, independent of their JSON form."""

from typing import Literal, NamedTuple

Reason = Literal[
    "order_invalid",
    "number_missing",
    "number_invalid",
    "address_invalid",
    "lines_invalid",
    "line_invalid",
    "sku_invalid",
    "quantity_missing",
    "quantity_invalid",
]
"""Reject reasons: the codes that a correct loader gives to an order that it cannot shape."""


class Line(NamedTuple):
    """One line of an order: the SKU as written (None: null or missing) and the pieces meant."""

    sku: str | None
    quantity: int


class Address(NamedTuple):
    """A ship-to address as written, but `country` is the code meant, or the unknown text."""

    country: str | None
    line1: str | None
    line2: str | None
    name: str | None
    postalcode: str | None
    stateprovince: str | None


class Order(NamedTuple):
    """A good order: its number, its address if it has one, its lines (null lines left out)."""

    number: str
    address: Address | None
    lines: tuple[Line, ...]


class Occurrence(NamedTuple):
    """One order in one response: good (`order`) or malformed (`reason`).

    `number` is the order number, None for an order without a readable number.
    """

    number: str | None
    order: Order | None
    reason: Reason | None
