"""The truth: contents of a correct warehouse, computed from the shop's own model."""

import json
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .model import Address, Occurrence, Order
from .profile import StatefulShop

NO_SKU = "(no sku)"
EVERY_CALL_UP_TO = 10_000
GROWTH = 2
ADDRESS_FIELDS = Address._fields
NO_ADDRESS = (None,) * len(ADDRESS_FIELDS)


@dataclass(slots=True)
class Delivery:
    """The orders of one call, and the positions of those that went out whole."""

    call: int
    consumed: bool
    fault: str | None
    occurrences: tuple[Occurrence, ...]
    whole: Collection[int]


class Truth:
    """Everything handed out so far. The caller serialises access.

    A `shop` whose orders can be requested again knows the truth itself, whatever was served.
    """

    def __init__(self, profile: str, seed: int | None, shop: StatefulShop | None = None) -> None:
        self._profile = profile
        self._seed = seed
        self._shop = shop
        self._deliveries: list[Delivery] = []
        self.handed_out = 0

    def add(self, delivery: Delivery) -> None:
        """Add one call; its `whole` may change later."""
        self._deliveries.append(delivery)
        self.handed_out += len(delivery.occurrences)

    def as_json(self) -> dict[str, Any]:
        """Return the truth, ready for JSON.

        `orders` holds what went out whole, the version handed out last; `rejected` every malformed
        order that went out whole; `lost` every order that was handed out and did not go out whole,
        for which no loader can answer.
        """
        if self._shop is not None:
            return self._shop.truth()
        orders: dict[str, dict[str, Any]] = {}
        rejected: list[dict[str, Any]] = []
        lost: list[dict[str, Any]] = []
        for delivery in self._deliveries:
            for position, (number, order, reason) in enumerate(delivery.occurrences):
                place = {"call": delivery.call, "position": position}
                if position not in delivery.whole:
                    lost.append({"ordernumber": number, "fault": delivery.fault, **place})
                elif order is None:
                    rejected.append({"ordernumber": number, "reason": reason, **place})
                else:
                    orders[order.number] = _rows(order)
        return {
            "profile": self._profile,
            "seed": self._seed,
            "handed_out": self.handed_out,
            "orders": orders,
            "rejected": rejected,
            "lost": lost,
            "calls": [_call(delivery) for delivery in self._deliveries],
            "answers": answers(orders),
        }


class TruthFile:
    """The truth as a JSON file, replaced atomically.

    It is written at every call up to 10,000 orders handed out; beyond, when these have doubled,
    with the last order and when the simulator stops, since each writing takes longer.
    """

    def __init__(self, path: Path, truth: Truth) -> None:
        """Write the file for the first time: OSError when it cannot be written."""
        self._path = path
        self._truth = truth
        self._written = 0
        self.write()

    def update(self, *, last: bool) -> None:
        """Write if it is time to; `last` says that no more orders will come."""
        handed_out = self._truth.handed_out
        ended = last and handed_out > self._written
        if ended or handed_out <= EVERY_CALL_UP_TO or handed_out >= self._written * GROWTH:
            self.write()

    def write(self) -> None:
        """Write now."""
        temporary = self._path.with_name(f".{self._path.name}.tmp")
        temporary.write_text(
            json.dumps(self._truth.as_json(), ensure_ascii=False), encoding="utf-8"
        )
        temporary.replace(self._path)
        self._written = self._truth.handed_out


def _call(delivery: Delivery) -> dict[str, Any]:
    numbers = [occurrence.number for occurrence in delivery.occurrences]
    return {"call": delivery.call, "consumed": delivery.consumed, "ordernumbers": numbers}


def _rows(order: Order) -> dict[str, Any]:
    """Return the rows of one order by the rules of the tables."""
    items: dict[str, int] = {}
    for line in order.lines:
        sku = sku_key(line.sku)
        items[sku] = items.get(sku, 0) + line.quantity
    return {**address_columns(order.address), "city": None, "items": items}


def address_columns(address: Address | None) -> dict[str, str | None]:
    """Return the columns of an address; a missing address and blank values become None."""
    return {
        name: _text(value)
        for name, value in zip(ADDRESS_FIELDS, address or NO_ADDRESS, strict=True)
    }


def _text(value: str | None) -> str | None:
    """Return a text without U+0000; None for a blank text."""
    if value is None:
        return None
    kept = value.replace("\0", "")
    return kept if kept and not kept.isspace() else None


def sku_key(value: str | None) -> str:
    """Return the SKU of a line, or NO_SKU for a line without SKU."""
    return _text(value) or NO_SKU


LONGEST_TITLE = 255


def title_column(value: str | None) -> str | None:
    """Return the title of a line as the warehouse holds it: cut at 255 characters."""
    kept = _text(value)
    return kept and kept[:LONGEST_TITLE]


NO_COUNTRY = "(no country)"
TOP_OVERALL = 20
TOP_BY_COUNTRY = 10

Sales = dict[str, list[int]]
"""For each SKU: pieces and orders."""


def answers(orders: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return average items per order, the most popular SKUs, and these by country.

    The average is over orders with at least one item (None without any). SKUs stand by pieces, most
    first, equal ones by the bytes of their UTF-8; `orders` counts the orders that have the SKU.
    """
    overall: Sales = defaultdict(lambda: [0, 0])
    by_country: dict[str, Sales] = defaultdict(lambda: defaultdict(lambda: [0, 0]))
    with_items = 0
    for order in orders.values():
        items = {sku: pieces for sku, pieces in order["items"].items() if pieces}
        with_items += bool(items)
        for sku, pieces in items.items():
            for sales in (overall, by_country[order["country"] or NO_COUNTRY]):
                sales[sku][0] += pieces
                sales[sku][1] += 1
    quantity = sum(pieces for pieces, _ in overall.values())
    return {
        "average_items_per_order": {
            "average": quantity / with_items if with_items else None,
            "quantity": quantity,
            "orders": with_items,
        },
        "popular_sku": _ranking(overall, TOP_OVERALL),
        "popular_sku_by_country": {
            country: _ranking(by_country[country], TOP_BY_COUNTRY) for country in sorted(by_country)
        },
    }


def _ranking(sales: Sales, top: int) -> list[dict[str, Any]]:
    ranked = sorted(sales.items(), key=lambda entry: (-entry[1][0], entry[0].encode()))
    return [
        {"sku": sku, "quantity": pieces, "orders": orders, "rank": rank}
        for rank, (sku, (pieces, orders)) in enumerate(ranked[:top], start=1)
    ]
