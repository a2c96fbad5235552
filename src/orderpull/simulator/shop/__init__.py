"""Shops whose orders change and can be requested again: store, clock, movers, tokens, truth.

    shop = Generic(orders=300, seed=3, moves={2: modify(5)})
    with Simulator(shop, faults=["500@3"]) as simulator:
        ...  # read the orders from simulator.url
    shop.truth()["orders"]  # by id: number, address's columns, items {sku: pieces}, money, customer

`moves` maps a list call with orders (counted from 1) to an action of `movers`, or several, that
follow it. The same actions work at any other time, such as `modify(5)(shop.store)` between two
runs. `Simulator.truth()` is `shop.truth()`, so it includes these changes. `shop.tamper` may be set
to a function that changes responses on their way out.

The shop has its own clock (`shop.clock`): it begins at `now=`, which must have a zone, and each
call moves it by `step=` seconds. With `live=True` it follows this machine's clock. At the start
every order was last changed at least ten minutes before `now`. Readers bound what they read by
their own clock, so let both agree: `live=True`, or the reader's clock set to the shop's.
`shop.store.odd` names the odd orders by their ids.

`shop.calls` counts calls by kind (list, child, token, bulk, other). The call log has the same kind
in `Call.kind`, and also counts calls hit by faults of the simulator. `tokens` holds the
credentials of clients: TOKEN, USER and PASSWORD, CLIENT_ID and CLIENT_SECRET, REFRESH_TOKEN.

The switches of all shops are described at `base.Common`, those of one at its class.
"""

from .auth import CLIENT_ID, CLIENT_SECRET, PASSWORD, REFRESH_TOKEN, TOKEN, USER

__all__ = ["CLIENT_ID", "CLIENT_SECRET", "PASSWORD", "REFRESH_TOKEN", "TOKEN", "USER"]
