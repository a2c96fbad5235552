"""What the simulated shop means by an order, apart from how the order is written in JSON."""

from __future__ import annotations

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
"""Why an order cannot be shaped: the codes a correct loader gives to a rejected order."""


class Line(NamedTuple):
    """One line of an order: the SKU as given (None: null or not there) and the pieces meant."""

    sku: str | None
    quantity: int


class Address(NamedTuple):
    """A ship-to address as given, but `country` is the code meant (or the unknown text given)."""

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
    """One order in one answer: a good one (`order`), or a malformed one (`reason`).

    `number` is the order number a reader can find in it, None where there is none.
    """

    number: str | None
    order: Order | None
    reason: Reason | None
