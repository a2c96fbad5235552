"""Calls of `orderpull verify` over 30 days of 100,000 orders, for each simulated platform.

    .venv/bin/python bench/verify_calls.py [ORDERS] [PLATFORM...]

The warehouse is filled by INSERT with what the shop holds, because a pull of so many orders from a
simulated shop takes an hour. All requests of the verification are real.
"""

import logging
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

import duckdb

sys.path.insert(0, str(Path(__file__).parents[1]))

from orderpull import clock, pipeline
from orderpull.sources.reading import FURTHER
from orderpull.verify import verify as verify_module
from orderpull.verify.shop import ShopAndTables
from orderpull.verify.verify import Options, verify
from tests.verify.platform_shop import CREDENTIALS, PlatformShop, platform_shop

FILL = """INSERT INTO order_header BY NAME SELECT unnest($1::VARCHAR[]) AS ordernumber,
    unnest($2::VARCHAR[]) AS order_id, unnest($3::TIMESTAMP[]) AS modified_at,
    unnest($4::TIMESTAMP[]) AS ordered_at, true AS counted, 'shop' AS source"""


def fill(home: PlatformShop) -> None:
    """Write the shop's orders into the warehouse, and the time up to which they were read."""
    landing = pipeline.preflight(home.settings).landing_of("shop")
    store = home.shop.store
    orders = home.orders()
    legacy = home.shop.name == "shopify"  # its order_id is legacyResourceId
    ids = [str(order.key) if legacy else store.id(order) for order in orders]
    changed = [order.modified.replace(tzinfo=None) for order in orders]
    placed = [order.created.replace(tzinfo=None) for order in orders]
    # Vendure's second cursor: a full read each day takes it back by a day.
    read_to = clock.iso(max(placed) - timedelta(days=1))
    landing.keep_note(FURTHER, f'{{"orderPlacedAt": {{"at": "{read_to}"}}}}'.encode())
    with duckdb.connect(str(home.folder / "orders.duckdb")) as warehouse:
        warehouse.execute(FILL, [[order.number for order in orders], ids, changed, placed])
        warehouse.execute(
            "INSERT INTO orderpull_cursor BY NAME SELECT 'shop' AS source, '' AS landing, "
            "0 AS loaded_through, '[]' AS gaps, $1 AS cursor, now()::TIMESTAMP AS updated_at, "
            "1 AS loads",
            [clock.iso(max(changed))],
        )
        warehouse.execute("DELETE FROM summary_state")


def measure(name: str, orders: int) -> None:
    """Verify a shop that holds what the warehouse holds, then one that holds an order more."""
    with tempfile.TemporaryDirectory() as folder:
        more = "timeout = 900"  # the simulated shops are slow with so many orders
        shop = platform_shop(name, Path(folder), more, orders=orders, odd=False, same_stamp=0)
        with shop as home:
            fill(home)
            month = clock.now() - timedelta(days=30)
            clean = verify(home.settings, (), Options(month)).sources["shop"]
            missed = home.shop.store.insert(late=9 * 86_400)
            other = verify(home.settings, (), Options(month)).sources["shop"]
            found = [(each.order, each.kind) for each in other.differences
                     if each.where == "shop-tables"]  # fmt: skip
    if found != [(missed.number, "missing")]:
        raise SystemExit(f"{name}: named {found} for {missed.number}, missing; {other.error}")
    print(f"| `{name}` | {clean.calls:,} | {other.calls:,} |", flush=True)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")  # what verify foretells
    verify_module.COMPARISONS = (ShopAndTables(),)
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    for platform_name in sys.argv[2:] or CREDENTIALS:
        measure(platform_name, count)
