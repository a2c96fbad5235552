"""The catalogue of malformed orders, each with the reject reason of a correct loader."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from .model import Reason

JsonObject = dict[str, Any]

TOO_LARGE = 2**53 + 1


@dataclass(frozen=True, slots=True)
class Malformed:
    """One kind of malformed order."""

    kind: str
    reason: Reason
    spoil: Callable[[JsonObject], Any]

    def broken(self, order: JsonObject) -> Any:  # noqa: ANN401 - it may be any JSON value
        """Return a broken copy of a good order; it may be any JSON value.

        Where the order lacks the address or line that is to be broken, one is added.
        """
        return self.spoil(deepcopy(order))

    @property
    def keeps_number(self) -> bool:
        """True if the order number can still be read."""
        return not self.reason.startswith(("order_", "number_"))


def _instead(value: object) -> Callable[[JsonObject], Any]:
    return lambda _: value


def _member(name: str, value: object) -> Callable[[JsonObject], Any]:
    return lambda order: {**order, name: value}


def _without_number(order: JsonObject) -> JsonObject:
    del order["orderNumber"]
    return order


def _in_address(name: str, value: object) -> Callable[[JsonObject], Any]:
    return lambda order: {
        **order,
        "shipToAddress": {**(order.get("shipToAddress") or {}), name: value},
    }


def _as_line(value: object) -> Callable[[JsonObject], Any]:
    return lambda order: {**order, "orderItems": [*(order.get("orderItems") or []), value]}


def _in_line(name: str, value: object) -> Callable[[JsonObject], Any]:
    return _as_line({"sku": "MUG-RED-S", "quantity": 1, name: value})


CATALOGUE = (
    Malformed("order-number", "order_invalid", _instead(12345)),
    Malformed("order-string", "order_invalid", _instead("100-4711")),
    Malformed("order-list", "order_invalid", _instead(["100-4711", 1])),
    Malformed("order-null", "order_invalid", _instead(None)),
    Malformed("order-true", "order_invalid", _instead(value=True)),
    Malformed("number-missing", "number_missing", _without_number),
    Malformed("number-null", "number_missing", _member("orderNumber", None)),
    Malformed("number-empty", "number_missing", _member("orderNumber", "")),
    Malformed("number-blank", "number_missing", _member("orderNumber", "   ")),
    Malformed("number-true", "number_invalid", _member("orderNumber", value=True)),
    Malformed("number-list", "number_invalid", _member("orderNumber", ["100-4711"])),
    Malformed("number-object", "number_invalid", _member("orderNumber", {"id": "100-4711"})),
    Malformed(
        "address-string", "address_invalid", _member("shipToAddress", "1 Main St, Springfield")
    ),
    Malformed("address-list", "address_invalid", _member("shipToAddress", [{"country": "US"}])),
    Malformed("address-number", "address_invalid", _member("shipToAddress", 10001)),
    Malformed("address-true", "address_invalid", _member("shipToAddress", value=True)),
    Malformed("address-field-true", "address_invalid", _in_address("line1", value=True)),
    Malformed("address-field-list", "address_invalid", _in_address("name", ["Ada", "L."])),
    Malformed("address-field-object", "address_invalid", _in_address("country", {"code": "US"})),
    Malformed(
        "lines-object", "lines_invalid", _member("orderItems", {"sku": "MUG-RED-S", "quantity": 1})
    ),
    Malformed("lines-string", "lines_invalid", _member("orderItems", "MUG-RED-S x 1")),
    Malformed("lines-number", "lines_invalid", _member("orderItems", 2)),
    Malformed("lines-true", "lines_invalid", _member("orderItems", value=True)),
    Malformed("line-string", "line_invalid", _as_line("MUG-RED-S")),
    Malformed("line-number", "line_invalid", _as_line(7)),
    Malformed("line-list", "line_invalid", _as_line(["MUG-RED-S", 1])),
    Malformed("line-true", "line_invalid", _as_line(value=True)),
    Malformed("sku-true", "sku_invalid", _in_line("sku", value=True)),
    Malformed("sku-list", "sku_invalid", _in_line("sku", ["MUG-RED-S"])),
    Malformed("sku-object", "sku_invalid", _in_line("sku", {"code": "MUG-RED-S"})),
    Malformed("quantity-missing", "quantity_missing", _as_line({"sku": "MUG-RED-S"})),
    Malformed("quantity-null", "quantity_missing", _in_line("quantity", None)),
    Malformed("quantity-empty", "quantity_missing", _in_line("quantity", "")),
    Malformed("quantity-blank", "quantity_missing", _in_line("quantity", "  ")),
    Malformed("quantity-fraction", "quantity_invalid", _in_line("quantity", 1.5)),
    Malformed("quantity-fraction-text", "quantity_invalid", _in_line("quantity", "1.5")),
    Malformed("quantity-negative", "quantity_invalid", _in_line("quantity", -1)),
    Malformed("quantity-negative-text", "quantity_invalid", _in_line("quantity", "-1")),
    Malformed("quantity-true", "quantity_invalid", _in_line("quantity", value=True)),
    Malformed("quantity-word", "quantity_invalid", _in_line("quantity", "abc")),
    Malformed("quantity-exponent", "quantity_invalid", _in_line("quantity", "1e3")),
    Malformed("quantity-list", "quantity_invalid", _in_line("quantity", [1])),
    Malformed("quantity-object", "quantity_invalid", _in_line("quantity", {"value": 1})),
    Malformed("quantity-too-large", "quantity_invalid", _in_line("quantity", TOO_LARGE)),
)

MALFORMED: dict[str, Malformed] = {malformed.kind: malformed for malformed in CATALOGUE}
"""Each kind of malformed order by its name."""
