"""A shop on a simulated platform, pulled and verified."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any

from orderpull import clock, pipeline
from orderpull.settings import Settings, parse_settings
from orderpull.simulator import Simulator
from orderpull.simulator.shop import CLIENT_ID, CLIENT_SECRET, PASSWORD, TOKEN, USER
from orderpull.simulator.shop.base import Platform
from orderpull.simulator.shop.order import StoreOrder
from orderpull.verify.result import SourceVerified
from orderpull.verify.verify import Options, verify
from tests.platforms.medusa import SECRET_KEY
from tests.platforms.registry import platform

CREDENTIALS = {
    "extensiv": f'token = "{TOKEN}"\nrate = 1000',
    "medusa": f'token = "{SECRET_KEY}"',
    "shopify": f'token = "{TOKEN}"',
    "shopify-rest": f'token = "{TOKEN}"\nrate = 1000',
    "vendure": f'user = "{USER}"\npassword = "{PASSWORD}"',
    "woocommerce": f'token = "{CLIENT_ID}:{CLIENT_SECRET}"\nrate = 1000',
}

DAY = 86_400.0
Named = set[tuple[str, str]]


@dataclass
class PlatformShop:
    """A shop, and a folder with settings for it."""

    shop: Platform
    folder: Path
    settings: Settings

    def run(self) -> None:
        result = pipeline.run(self.settings)
        assert result.ok, [str(s.error) for s in result.sources.values()]

    def verify(self, **options: Any) -> SourceVerified:
        """The result of ``orderpull verify`` for the shop."""
        return verify(self.settings, (), Options(**options)).sources["shop"]

    @property
    def calls(self) -> int:
        """Requests that the shop has received."""
        return self.shop.calls.total() - self.shop.calls["token"]

    def orders(self) -> list[StoreOrder]:
        """The shop's orders that a warehouse should have."""
        truth = self.shop.truth()["orders"]
        return [o for o in self.shop.store.orders.values() if self.shop.store.id(o) in truth]


@contextmanager
def platform_shop(
    name: str, folder: Path, more: str = "", **switches: Any
) -> Iterator[PlatformShop]:
    """Serve a shop on the platform *name*, with the present as its time.

    :param more: further settings of the source.
    """
    shop = platform(name, now=clock.now().replace(tzinfo=UTC), **switches)
    with Simulator(shop) as simulator:
        text = (
            f'[sources.shop]\napi = "{name}"\nbase_url = "{simulator.url}"\n'
            f'start = "2026-01-01"\n{CREDENTIALS[name]}\n{more}\n'
        )
        file = folder / "orderpull.toml"
        file.write_text(text)
        yield PlatformShop(shop, folder, parse_settings(text, file))


def named(result: Any) -> Named:
    """Number and kind of each difference between shop and tables."""
    assert result.error is None
    found = [(d.order, d.kind) for d in result.differences if d.where == "shop-tables"]
    assert len(found) == len(set(found)), "an order is named twice"
    return set(found)
