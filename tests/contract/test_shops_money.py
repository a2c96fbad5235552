"""Money, titles, returns and customers of changing shops: each warehouse holds the truth to the cent."""

import hmac
from collections import Counter
from datetime import UTC, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from orderpull import clock, pipeline
from orderpull.landing.forgotten import KEY
from orderpull.settings import Settings, read_settings
from orderpull.simulator import Simulator
from orderpull.simulator.shop import PASSWORD, TOKEN, USER, movers
from orderpull.simulator.shop.base import Platform
from orderpull.simulator.shop.movers import Action
from tests.docs.markdown import ROOT
from tests.platforms.registry import platform
from tests.rollup_oracle import differing
from tests.warehouses import Warehouse, warehouse

pytestmark = pytest.mark.slow

HOUR = timedelta(hours=1)
AMOUNTS = ("total", "discount", "shipping", "tax", "refunded")
PLAIN = ("counted", "currency", "channel")
SHOPS = {
    "extensiv": f'token = "{TOKEN}"\nrate = 1000',
    "medusa": f'user = "{USER}"\npassword = "{PASSWORD}"',
    "oscar": f'token = "{USER}:{PASSWORD}"',
    "vendure": f'user = "{USER}"\npassword = "{PASSWORD}"\nfull_reread_days = 1e-9',
}
"""The settings of each shop's source."""

CHANGES: tuple[Action, ...] = (
    movers.send_back(6), movers.refund(3), movers.remove(5), movers.modify(6),
    movers.insert(3), movers.change_sku(2),
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("extensiv", "duckdb"), ("medusa", "duckdb"), ("oscar", "duckdb"), ("vendure", "duckdb"),
        ("medusa", "postgresql"), ("vendure", "redshift"),
    ],
)  # fmt: skip
def test_a_shop_that_changes_is_held_to_the_cent(tmp_path: Path, name: str, kind: Any) -> None:
    """Returns, refunds, removals, edits, cancellations, several currencies."""
    orders = 25 if name == "oscar" else 45
    shop = platform(
        name, orders=orders, seed=5, now=clock.now().replace(tzinfo=UTC) - HOUR, step=0.1
    )
    with warehouse(kind, tmp_path / "here", prepared=True) as place, Simulator(shop) as simulator:
        settings = _settings(place, simulator.url, name)
        for round_ in range(2):
            result = pipeline.run(settings)
            assert result.ok, [str(each.error) for each in result.sources.values()]
            truth = shop.truth(lambda order: order.number)
            told, held = truth["orders"], _held(place)
            for number in truth["aside"]:
                assert not held.pop(number, {"counted": False})["counted"]
            assert held.keys() == told.keys()
            key = (place.folder / "landing" / "shop" / KEY).read_bytes()
            for number, row in told.items():
                assert held[number] == _expected(row, key), number
            assert not place.query("SELECT * FROM orderpull_reject")
            if not round_:
                _change(shop)
        currencies = Counter(row["currency"] for row in told.values())
        assert len(currencies) == 3
        assert differing(place.query, "UTC") == []
        if name not in ("extensiv", "oscar"):
            assert sum(sum(filter(None, row["returned"].values())) for row in told.values()) > 10
            assert sum(bool(row["refunded"]) for row in told.values()) > 5


def _settings(place: Warehouse, url: str, name: str) -> Settings:
    place.settings(url)
    file = place.folder / "orderpull.toml"
    block = file.read_text("utf-8").partition("[sources.shop]")[0]
    api = str(ROOT / "examples" / "oscar.toml") if name == "oscar" else name
    start = "" if name == "oscar" else 'start = "2026-01-01"\n'
    file.write_text(
        f'{block}[sources.shop]\napi = "{api}"\nbase_url = "{url}"\n{start}{SHOPS[name]}\n',
        encoding="utf-8",
    )
    return read_settings(file)


def _change(shop: Platform) -> None:
    for action in CHANGES:
        action(shop.store)
    for order in [each for each in shop.store.orders.values() if each.counted][:2]:
        shop.store.cancel(order)
    shop.clock.advance(1)


def _expected(row: dict[str, Any], key: bytes) -> dict[str, Any]:
    customer = row["customer"]
    if customer is not None:
        customer = hmac.digest(key, f"shop\0{customer}".encode(), "sha256").hex()[:32]
    return {
        **{name: row[name] for name in PLAIN},
        **{name: _major(row[name]) for name in AMOUNTS},
        "customer": customer,
        "items": {
            sku: (pieces, row["titles"][sku], _major(row["amounts"][sku]), row["returned"][sku])
            for sku, pieces in row["items"].items()
        },
    }


def _major(hundredths: float | None) -> Decimal | None:
    return None if hundredths is None else Decimal(str(hundredths)) / 100


def _held(place: Warehouse) -> dict[str, dict[str, Any]]:
    names = (*PLAIN, *AMOUNTS, "customer")
    held: dict[str, dict[str, Any]] = {}
    for number, *values in place.query(f"SELECT ordernumber, {', '.join(names)} FROM order_header"):
        held[number] = {**dict(zip(names, values, strict=True)), "items": {}}
    for number, sku, *values in place.query(
        "SELECT ordernumber, sku, quantity, title, amount, returned FROM order_item"
    ):
        held[number]["items"][sku] = tuple(values)
    return held
