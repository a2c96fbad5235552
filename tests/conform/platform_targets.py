"""The named platforms as targets of the conformance cases: they know nothing of the API files."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import Any

from orderpull.conform.mirror import SIZE
from orderpull.conform.outcome import ORDERS
from orderpull.conform.target import EXPIRES_AFTER, Target, VirtualWait, shop_switches
from orderpull.simulator.shop import CLIENT_ID, CLIENT_SECRET, PASSWORD, TOKEN, USER
from orderpull.simulator.shop.base import Platform
from orderpull.simulator.shop.order import StoreOrder
from orderpull.sources.spec.api import Api
from orderpull.sources.spec.reader import read_api
from tests.platforms.registry import platform

CASE_SWITCHES: Mapping[str, Mapping[str, Any]] = {
    "budget": {"bucket": 1000},
    "exports": {"bulk_fails": False},
    "endless": {"bulk_polls": 1_000_000},
    "repeats_last": {"repeat": {ceil(ORDERS / SIZE) + 1}},
}
"""The platforms' own switches, by the switch of the mirror that means the same."""


@dataclass
class PlatformTarget(Target):
    """A platform of the simulator, which knows nothing of the file.

    :param lets_in: the settings that let a source in.
    :param renewable: instead of those, where tokens run out; None: they never do.
    :param switches: of the platform, for every trial; and further ones, where tokens run out.
    :param by_key: whether the file knows orders by a number that is not the platform's own id.
    :param example: the file, if none of this name is built in; it knows orders by their numbers.
    """

    name: str
    is_authenticated: Mapping[str, str]
    renewable: Mapping[str, str] | None = None
    switches: Mapping[str, Any] = field(default_factory=dict)
    expiry: Mapping[str, Any] = field(default_factory=dict)
    by_key: bool = False
    example: Path | None = None

    api: Api = field(init=False)
    file: str = field(init=False)

    def __post_init__(self) -> None:
        self.file = str(self.example or self.name)
        self.api = read_api(self.file, Path())

    def credentials(self) -> Mapping[str, str]:
        """The settings that let a source in."""
        return self.renewable or self.is_authenticated

    def expiring(self) -> Mapping[str, Any] | None:
        """Switches with which a token runs out midway; None where it never does."""
        if self.renewable is None:
            return None
        return {"expires_after": EXPIRES_AFTER, **self.expiry}

    def open(self, waits: VirtualWait, **switches: Any) -> Platform:
        """A shop with these switches. Its clock is its own, and goes on when it refuses."""
        own = {**self.switches}
        for name, meant in CASE_SWITCHES.items():
            if switches.pop(name, False):
                own |= meant
        return platform(self.name, **shop_switches({**own, **switches}))

    def truth(self, shop: Platform) -> dict[str, Any]:
        """What a correct warehouse holds of *shop*, by the ids that the file reads."""
        return shop.truth(lambda order: self.name_of(shop, order))

    def name_of(self, shop: Platform, order: StoreOrder) -> str:
        """The id that the file reads of *order*."""
        if self.example:
            return order.number
        return str(order.key) if self.by_key else shop.store.id(order)


_CLIENT = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
_TOKEN = {"token": TOKEN}

PLATFORM_TARGETS = {
    target.name: target
    for target in (
        PlatformTarget("extensiv", _TOKEN),
        PlatformTarget("medusa", _TOKEN, {"user": USER, "password": PASSWORD}),
        PlatformTarget(
            "shopify", _TOKEN, _CLIENT, {"bulk_fails": True}, {"permanent": False}, by_key=True
        ),
        PlatformTarget("shopify-rest", _TOKEN, _CLIENT, {}, {"permanent": False}),
        PlatformTarget("vendure", _TOKEN, {"user": USER, "password": PASSWORD}),
        PlatformTarget(
            "woocommerce",
            {"token": f"{CLIENT_ID}:{CLIENT_SECRET}"},
            switches={"drafts": True},
        ),
    )
}
"""The platforms that there is both a built-in file and a simulated server of."""
