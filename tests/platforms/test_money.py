"""Titles, money, returns and customers: loaded as each shop has them, also after changes."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from orderpull import pipeline, read_settings
from orderpull.simulator import GENERIC_FILE, Simulator
from orderpull.simulator.shop import movers
from orderpull.simulator.shop.generic import Generic
from tests.platforms.loaded import differing
from tests.platforms.registry import platform
from tests.verify.platform_shop import CREDENTIALS
from tests.warehouses import Warehouse, warehouse

if TYPE_CHECKING:
    from pathlib import Path

    from orderpull.destinations.protocol import Kind
    from orderpull.simulator.shop.base import Platform

pytestmark = pytest.mark.slow

PLACES: list[tuple[str, Kind]] = [
    ("generic", "duckdb"),
    ("shopify", "duckdb"),
    ("shopify-rest", "duckdb"),
    ("woocommerce", "duckdb"),
    ("shopify-rest", "redshift"),
    ("woocommerce", "postgresql"),
]


def opened(name: str) -> Platform:
    """A shop with the clock of this machine."""
    return (
        Generic(orders=120, live=True)
        if name == "generic"
        else platform(name, orders=120, live=True)
    )


def run(place: Warehouse, name: str, url: str) -> None:
    """One run of a source that reads the shop at *url*."""
    api = f'"{GENERIC_FILE}"' if name == "generic" else f'"{name}"'
    block = f'start = "2026-01-01"\n{CREDENTIALS.get(name, "rate = 1000")}'
    place.settings(url, block)
    file = place.folder / "orderpull.toml"
    file.write_text(file.read_text("utf-8").replace('"skubana-assessment"', api), "utf-8")
    result = pipeline.run(read_settings(file))
    assert result.ok, [str(source.error) for source in result.sources.values()]


def truth_of(shop: Platform) -> dict[str, dict[str, Any]]:
    """The truth by the ids that the API files read."""
    rows = shop.truth(lambda order: str(order.key))["orders"]
    return {key: dict(row) for key, row in rows.items()}


@pytest.mark.parametrize(("name", "kind"), PLACES, ids=lambda each: each)
def test_loaded_orders_are_the_shops_also_after_changes(
    name: str, kind: Kind, tmp_path: Path
) -> None:
    """Edits, removals, returns of all lines of a long order, refunds and cancelling between runs."""
    shop = opened(name)
    with warehouse(kind, tmp_path / "here", prepared=True) as place, Simulator(shop) as simulator:
        run(place, name, simulator.url)
        assert differing(place.query, truth_of(shop)) == []
        before = shop.store.now()
        for move in (movers.send_back, movers.remove, movers.refund, movers.modify, movers.cancel):
            move(6)(shop.store)
        long = shop.store.by_id(shop.store.odd["long"])
        assert long is not None
        for line in long.lines:
            line.returned = line.current
        shop.store.refund(long)
        for order in shop.store.orders.values():
            if order.modified >= before:  # some bounds leave out the second of the request
                order.modified -= timedelta(seconds=5)
        run(place, name, simulator.url)
        assert differing(place.query, truth_of(shop)) == []
