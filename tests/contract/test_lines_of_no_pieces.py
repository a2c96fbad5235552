"""Lines of quantity 0, removed by an edit of the order: in each warehouse, pieces decide."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from orderpull.answers.choose import load_rollups
from orderpull.answers.filter import Filter
from orderpull.answers.from_orders import OrderQueries
from orderpull.model import TABLES, VIEWS
from orderpull.sources.spec.reader import parse_api
from tests.destinations.merge.history import TEA, History
from tests.rollup_oracle import differing
from tests.warehouses import KINDS, Warehouse, warehouse

pytestmark = pytest.mark.slow

API = TEA.replace('name = "to"', 'country = "to"')
AVERAGE = {"average": 2.0, "quantity": 2, "orders": 1}
BEST = [{"sku": "B", "quantity": 2, "orders": 1, "rank": 1, "title": None, "returned": None}]


def order(number: int, day: int, /, **pieces: int) -> dict[str, Any]:
    """An order to Germany as it was on *day* of January."""
    lines = [{"sku": sku, "n": count} for sku, count in pieces.items()]
    changed = f"2026-01-{day:02}T00:00:00Z"
    return {"id": f"{number}", "no": f"{number}", "to": "DE", "changed": changed, "lines": lines}


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Warehouse]:
    """A warehouse of three orders: of A and B, of A alone, and of no lines; then A is removed."""
    with warehouse(request.param, tmp_path / "here", prepared=True) as made:
        bought = [order(1, 1, A=3, B=2), order(2, 1, A=1), order(3, 1)]
        load(made, tmp_path, bought, [order(1, 2, A=0, B=2), order(2, 2, A=0)])
        yield made


def load(place: Warehouse, folder: Path, *pages: list[dict[str, Any]]) -> None:
    """Load *pages*, one after the other."""
    destination = place.open()
    destination.preflight()
    with destination.loader() as loader:
        shop = History(folder, loader, "shop", api=parse_api(API, "shop.toml"))
        for orders in pages:
            shop.serve_body(json.dumps({"orders": orders}).encode())
            shop.load()
    destination.publish(finished=True)


def check(place: Warehouse) -> None:
    """Views, queries over the orders and queries over the rollups agree, and count pieces only."""
    views = place.query("SELECT average, quantity, orders FROM average_items_per_order")
    assert [tuple(map(float, row)) for row in views] == [(2, 2, 1)]
    assert place.query("SELECT sku, quantity, orders, rank FROM popular_sku") == [("B", 2, 1, 1)]
    by_country = place.query("SELECT country, sku, quantity FROM popular_sku_by_country")
    assert by_country == [("DE", "B", 2)]
    assert differing(place.query, "UTC") == []
    everything = Filter()
    with place.open().reader() as reader:
        for queries in (OrderQueries(), load_rollups(reader, ZoneInfo("UTC"))):
            assert queries is not None
            assert reader.rows(queries.average_items_per_order(everything)) == [AVERAGE]
            assert reader.rows(queries.popular_sku(everything)) == BEST
            assert reader.rows(queries.count_skus(everything)) == [{"skus": 1}]
            none = {"orders": 0, "quantity": 0, "returned": 0, "returnable": 0}
            assert reader.rows(queries.sku_totals(everything, "A")) == [none]
            totals = reader.rows(queries.order_totals(everything))[0]
            assert (totals["orders"], totals["countries"]) == (3, 1)
        assert reader.rows(OrderQueries().orders_with_sku(everything, "A")) == []


def test_they_are_no_items(place: Warehouse) -> None:
    """Of an order of A 0 and B 2 and one of A 0, the average is 2, and A is no best-seller."""
    assert place.query("SELECT count(*) FROM order_item") == [(3,)]
    check(place)


def test_an_older_warehouse_is_counted_anew(place: Warehouse) -> None:
    """Views and rollups that counted such lines are replaced when orderpull opens the warehouse."""
    place.query(
        "CREATE OR REPLACE VIEW average_items_per_order AS SELECT CAST(1 AS double precision) "
        "AS average, CAST(2 AS bigint) AS quantity, CAST(2 AS bigint) AS orders"
    )
    place.query("UPDATE summary_day SET orders_with_items = orders_with_items + 1")
    place.query("UPDATE orderpull_schema SET version = 3")
    destination = place.open()
    destination.preflight()
    with destination.loader():
        pass
    destination.publish(finished=True)
    check(place)


def test_an_older_snapshot_is_read_from_its_orders(tmp_path: Path) -> None:
    """Until the next run replaces the rollups, the answers come from the orders.

    Columns that the older schema lacks are NULL.
    """
    with warehouse("duckdb", tmp_path, prepared=True) as made:
        load(made, tmp_path, [order(1, 1, A=3, B=2)])
        made.query("UPDATE orderpull_schema SET version = 3")
        for view in VIEWS:
            made.query(f"DROP VIEW {view}")
        for table in TABLES:
            for column in table.columns:
                if column.since > 3:
                    made.query(f"ALTER TABLE {table.name} DROP COLUMN {column.name}")
        made.query("CHECKPOINT")
        snapshot = tmp_path / "orders.snapshot.duckdb"
        snapshot.write_bytes((tmp_path / "orders.duckdb").read_bytes())
        with made.open().reader() as reader:
            assert load_rollups(reader, ZoneInfo("UTC")) is None
            assert reader.rows(OrderQueries().popular_sku(Filter(), 1)) == [
                {"sku": "A", "quantity": 3, "orders": 1, "rank": 1, "title": None, "returned": None}
            ]
            assert reader.rows(OrderQueries().revenue(Filter())) == []
