"""Shops on the platforms that sellers really use: their JSON, their refusals, and the truth.

    shop = platform("woocommerce", orders=300, seed=3, moves={2: modify(5)})
    with Simulator(shop, faults=["500@3"]) as simulator:
        ...  # read the orders from simulator.url as the platform's manual says
    shop.truth()["orders"]  # by id: number, counted, the address's columns, items {sku: pieces}
    shop.truth(by=lambda order: str(order.key))  # Shopify's orders by their numeric ids

`moves` says what happens after which list call that was answered with orders (from 1): an action of
`movers` or several. The same actions can be done at any other time, such as `modify(5)(shop.store)`
between two runs. `before_call(n, store)` is called before the n-th list call is answered. All this
is the shop's doing, so `shop.truth()` tells of it; `Simulator.truth()` is the same.

The shop's clock is its own (`shop.clock`): it begins at `now=`, which must have a zone, and each
call moves it by `step=` seconds. `live=True` lets it go with this machine's. All orders have been
changed ten minutes before `now` or earlier. Readers bound what they read by their own clock, so let
both go together: `live=True`, or the reader's clock set to the shop's. `shop.store.odd` names the
odd orders by their ids.

`shop.calls` counts calls by kind (list, child, token, bulk, other), and so does the call log, in
`Call.kind`, where those struck by faults of the simulator count too. What a client signs in with
stands in `tokens`: TOKEN, USER and PASSWORD, CLIENT_ID and CLIENT_SECRET, REFRESH_TOKEN.

The switches of all platforms are described at `base.Common`, those of one at its class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .extensiv import Extensiv
from .generic import Generic
from .medusa import Medusa
from .shopify import Shopify
from .shopify_rest import ShopifyRest
from .tokens import CLIENT_ID, CLIENT_SECRET, PASSWORD, REFRESH_TOKEN, TOKEN, USER
from .vendure import Vendure
from .woocommerce import WooCommerce

if TYPE_CHECKING:
    from .base import Platform

PLATFORMS: dict[str, type[Platform]] = {
    kind.name: kind
    for kind in (Extensiv, Generic, Medusa, Shopify, ShopifyRest, Vendure, WooCommerce)
}
"""Each platform by its name."""

__all__ = [
    "CLIENT_ID",
    "CLIENT_SECRET",
    "PASSWORD",
    "PLATFORMS",
    "REFRESH_TOKEN",
    "TOKEN",
    "USER",
    "platform",
]


def platform(name: str, **switches: Any) -> Platform:  # noqa: ANN401 - each platform has its own
    """Return a shop on the platform of this name, such as `platform("vendure", orders=50)`.

    ValueError for an unknown name or a value that does not fit, TypeError for an unknown switch.
    """
    kind = PLATFORMS.get(name)
    if kind is None:
        raise ValueError(f"unknown platform {name!r}; there are {', '.join(PLATFORMS)}")
    unknown = sorted(set(switches) - known_switches(kind))
    if unknown:
        raise TypeError(f"{name} has no switch {', '.join(unknown)}")
    return kind(**switches)


def known_switches(kind: type[Platform]) -> set[str]:
    """Return the names of the switches that this platform has."""
    import inspect

    from .base import Common

    own = inspect.signature(kind.__init__).parameters
    return (set(own) | set(Common.__annotations__)) - {"self", "common"}
