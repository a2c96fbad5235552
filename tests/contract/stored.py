"""The orders that a warehouse holds."""

from typing import Any

from tests.warehouses import Warehouse


def stored_orders(place: Warehouse) -> dict[str, dict[str, Any]]:
    """Each order as the simulator's truth writes it; fails where one stands twice."""
    shaped: dict[str, dict[str, Any]] = {}
    names = ("country", "line1", "line2", "name", "postalcode", "stateprovince", "city")
    for number, *values in place.query(
        f"SELECT ordernumber, {', '.join(names)} FROM order_address"
    ):
        assert number not in shaped
        shaped[number] = {**dict(zip(names, values, strict=True)), "items": {}}
    for number, sku, quantity in place.query("SELECT ordernumber, sku, quantity FROM order_item"):
        assert sku not in shaped[number]["items"]
        shaped[number]["items"][sku] = quantity
    headers = [row[0] for row in place.query("SELECT ordernumber FROM order_header")]
    assert sorted(headers) == sorted(shaped)
    return shaped
