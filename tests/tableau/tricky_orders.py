"""Orders as they are hard to count: ties, no country, no items, no sale, one number twice."""

import random
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from orderpull import Settings, read_settings
from orderpull.destinations import open_destination
from tests.duckdb_file import attached

COUNTRIES = ("DE", "US", "FR", "O'Land", None)
SKUS = (
    "PEN",
    "pen",
    "PEN ",
    "TEE-M",
    "TEE-L",
    "Ä",
    "ä",
    "Z",
    "z",
    "1",
    "10",
    "2",
    "(no sku)",
    "🚲",
)
LOADED = datetime(2026, 3, 1, 12, 30)
ORDERED = datetime(2026, 1, 1)
"""When the first was placed; one came each hour after it, and each tenth has no date."""

Row = dict[str, Any]


def orders(count: int = 600, seed: int = 7) -> dict[str, list[Row]]:
    """Rows for each table: few SKUs and small quantities, so that many sums are equal."""
    chance = random.Random(seed)
    rows: dict[str, list[Row]] = {"order_header": [], "order_address": [], "order_item": []}
    for index in range(count):
        key = {"source": chance.choice(("shop", "outlet")), "ordernumber": f"#{index // 2}"}
        if any(key.items() <= row.items() for row in rows["order_header"][-1:]):
            continue
        counted = chance.random() > 0.15
        loaded = LOADED + timedelta(minutes=0 if not counted else -index)
        rows["order_header"].append(
            key
            | {
                "order_id": str(index),
                "counted": counted,
                "loaded_at": loaded,
                "currency": chance.choice(("EUR", "EUR", "USD", None)),
                "ordered_at": ORDERED + timedelta(hours=index) if index % 10 else None,
            }
        )
        address = {
            "country": chance.choice(COUNTRIES),
            "name": "Ada Secret",
            "line1": "1 Hidden St",
        }
        rows["order_address"].append(key | address)
        for sku in chance.sample(SKUS, chance.choice((0, 1, 1, 2, 3))):
            amount = f"{chance.randint(0, 8) * 2.5:.2f}" if chance.random() > 0.1 else None
            item = {"sku": sku, "quantity": chance.randint(0, 3), "amount": amount}
            rows["order_item"].append(key | item | {"title": f"{sku.strip()}, {index % 3}"})
    return rows


def duckdb_shop(folder: Path, rows: dict[str, list[Row]], more: str = "") -> Settings:
    """A snapshot that holds *rows*."""
    file = folder / "orderpull.toml"
    file.write_text(
        f"{more}\n"
        '[sources.shop]\napi = "skubana-assessment"\nbase_url = "http://x"\n'
        '[sources.outlet]\napi = "skubana-assessment"\nbase_url = "http://x"\n',
        encoding="utf-8",
    )
    settings = read_settings(file)
    destination = open_destination(settings.destination, folder)
    destination.preflight()
    with attached(folder / "orders.duckdb", read_only=False) as connection:
        for table, some in rows.items():
            connection.execute(insert(table, some))
    destination.publish(finished=True)
    return settings


def insert(table: str, rows: list[Row]) -> str:
    """One statement for all *rows*."""
    values = ", ".join(f"({', '.join(map(_literal, row.values()))})" for row in rows)
    return f"INSERT INTO {table} ({', '.join(rows[0])}) VALUES {values}"


def _literal(value: object) -> str:
    if value is None:
        return "NULL"
    return str(value) if isinstance(value, int) else "'{}'".format(str(value).replace("'", "''"))
