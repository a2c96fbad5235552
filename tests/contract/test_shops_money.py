"""Money, titles, returns and customers of changing shops: each warehouse holds the truth to the cent."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import pytest

from orderpull import Settings, clock, pipeline
from orderpull.landing.forgotten import KEY
from orderpull.simulator import GENERIC_FILE, Simulator
from orderpull.simulator.shop import PASSWORD, USER, movers
from orderpull.simulator.shop.base import Platform
from orderpull.simulator.shop.generic import Generic
from orderpull.simulator.shop.movers import Action
from tests import rollup_oracle
from tests.docs.markdown import ROOT
from tests.platforms.loaded import differing
from tests.platforms.registry import PLATFORMS, platform
from tests.verify.platform_shop import CREDENTIALS
from tests.warehouses import KINDS, Warehouse, warehouse

pytestmark = pytest.mark.slow

ORDERS = {"oscar": 25}
"""Where each order takes several requests, fewer of them."""

FILES = {"generic": GENERIC_FILE, "oscar": ROOT / "examples" / "oscar.toml"}
"""The files of the APIs that are not built in."""

SOURCES = {
    **{name: f'start = "2026-01-01"\n{lines}' for name, lines in CREDENTIALS.items()},
    "generic": 'start = "2026-01-01"',
    "oscar": f'token = "{USER}:{PASSWORD}"',
}
SOURCES["vendure"] += "\nfull_reread_days = 1e-9"
"""The settings of each shop's source."""

TELLS_NO_REFUNDS = {"extensiv", "oscar"}

CHANGES: tuple[Action, ...] = (
    movers.send_back(6), movers.refund(3), movers.remove(5), movers.modify(6),
    movers.insert(3), movers.change_sku(2),
)  # fmt: skip


@pytest.mark.parametrize("name", [*PLATFORMS, "generic"])
def test_a_shop_that_changes_is_held_to_the_cent(tmp_path: Path, name: str) -> None:
    """Returns, refunds, removals, edits, cancellations, several currencies.

    The first warehouse is loaded during the pull, the others from the pages that it landed.
    """
    shop = _opened(name)
    with Simulator(shop) as simulator, _warehouses(tmp_path) as places:
        settings = [_settings(place, simulator.url, name) for place in places]
        for round_ in range(2):
            for each in settings:
                command = pipeline.run if each is settings[0] else pipeline.load
                result = command(each)
                assert result.ok, [str(source.error) for source in result.sources.values()]
            truth = shop.truth(lambda order: order.number)
            key = (tmp_path / "landing" / "shop" / KEY).read_bytes()
            for place in places:
                assert differing(place.query, truth, key) == [], place.kind
                assert rollup_oracle.differing(place.query, "UTC") == [], place.kind
                assert not place.query("SELECT * FROM orderpull_reject")
            if not round_:
                _change(shop)
        told = truth["orders"].values()
        assert len({row["currency"] for row in told}) == 3
        if name not in TELLS_NO_REFUNDS:
            assert sum(sum(filter(None, row["returned"].values())) for row in told) > 10
            assert sum(bool(row["refunded"]) for row in told) > 5


def _opened(name: str) -> Platform:
    """A shop an hour ago: what changes in a run is before the bound of the next one."""
    common: Any = {
        "orders": ORDERS.get(name, 45), "seed": 5, "step": 0.1,
        "now": clock.now().replace(tzinfo=UTC) - timedelta(hours=1),
    }  # fmt: skip
    return Generic(**common) if name == "generic" else platform(name, **common)


@contextmanager
def _warehouses(folder: Path) -> Iterator[list[Warehouse]]:
    with ExitStack() as stack:
        made = (warehouse(kind, folder / kind, prepared=True) for kind in KINDS)
        yield [stack.enter_context(each) for each in made]


def _settings(place: Warehouse, url: str, name: str) -> Settings:
    """Settings of a source that reads the shop at *url*, and a landing for all warehouses."""
    landing = place.folder.parent / "landing"
    return place.settings(url, SOURCES[name], api=str(FILES.get(name, name)), landing=landing)


def _change(shop: Platform) -> None:
    for action in CHANGES:
        action(shop.store)
    for order in [each for each in shop.store.orders.values() if each.counted][:2]:
        shop.store.cancel(order)
    long = shop.store.by_id(shop.store.odd["long"])
    assert long is not None
    for line in long.lines:
        line.returned = line.current
    shop.store.refund(long)
    shop.clock.advance(1)
