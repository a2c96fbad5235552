"""The named platforms, and a shop on one of them by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.platforms.extensiv import Extensiv
from tests.platforms.medusa import Medusa
from tests.platforms.oscar import Oscar
from tests.platforms.shopify import Shopify
from tests.platforms.shopify_rest import ShopifyRest
from tests.platforms.vendure import Vendure
from tests.platforms.woocommerce import WooCommerce

if TYPE_CHECKING:
    from orderpull.simulator.shop.base import Platform

PLATFORMS: dict[str, type[Platform]] = {
    kind.name: kind
    for kind in (Extensiv, Medusa, Oscar, Shopify, ShopifyRest, Vendure, WooCommerce)
}
"""Each platform by its name."""


def platform(name: str, **switches: Any) -> Platform:
    """Return a shop on the platform of this name, such as `platform("vendure", orders=50)`.

    ValueError for an unknown name or a value that does not fit, TypeError for an unknown switch.
    """
    kind = PLATFORMS.get(name)
    if kind is None:
        raise ValueError(f"unknown platform {name!r}; there are {', '.join(PLATFORMS)}")
    return kind(**switches)
