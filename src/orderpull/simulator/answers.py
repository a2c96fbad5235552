"""The three answers that a correct warehouse gives over the true orders."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

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
        with_items += bool(order["items"])
        for sku, pieces in order["items"].items():
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
