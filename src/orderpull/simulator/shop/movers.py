"""Changes of a shop while it is read: actions on the store, done between calls.

An action on several orders begins with those served longest ago and unchanged since. Orders behind
them move up in the list, so a reader that counts positions skips some. With `served=False` it
begins with the newest orders that were not served yet.
"""

from collections.abc import Callable
from itertools import islice

from .order import State, StoreOrder
from .store import Store

Action = Callable[[Store], None]


def modify(
    count: int = 1, *, served: bool = True, silently: bool = False, late: float = 0.0
) -> Action:
    """Change orders, and their stamps unless `silently`.

    With `late` the stamp is so many seconds old, as of a transaction that commits only now.
    """

    def edit(store: Store, order: StoreOrder) -> None:
        store.edit(order, silently=silently, late=late)

    return _each(count, served, edit)


def insert(count: int = 1, state: State = "placed", *, late: float = 0.0) -> Action:
    """Add orders, stamped now; with `late`, stamped so many seconds ago and seen only now."""

    def act(store: Store) -> None:
        for _ in range(count):
            store.insert(late=late, state=state)

    return act


def delete(count: int = 1, *, served: bool = True) -> Action:
    """Delete orders."""
    return _each(count, served, lambda store, order: store.delete(order))


def cancel(count: int = 1, *, served: bool = True) -> Action:
    """Cancel orders."""
    return _each(count, served, lambda store, order: store.cancel(order))


def send_back(count: int = 1, *, served: bool = True) -> Action:
    """Let pieces come back after shipping."""
    return _each(count, served, lambda store, order: store.send_back(order))


def remove(count: int = 1, *, served: bool = True) -> Action:
    """Take pieces off orders before shipping."""
    return _each(count, served, lambda store, order: store.remove(order))


def refund(count: int = 1, *, served: bool = True) -> Action:
    """Refund money; nothing comes back."""
    return _each(count, served, lambda store, order: store.refund(order))


def change_sku(count: int = 1, *, served: bool = True, silently: bool = False) -> Action:
    """Give lines another SKU."""
    return _each(count, served, lambda store, order: store.change_sku(order, silently=silently))


def edit_number(count: int = 1, *, served: bool = True) -> Action:
    """Give orders another number."""
    return _each(count, served, lambda store, order: store.edit_number(order))


def _each(count: int, served: bool, act: Callable[[Store, StoreOrder], None]) -> Action:  # noqa: FBT001
    def all_of_them(store: Store) -> None:
        for order in _struck(store, count, served):
            act(store, order)

    return all_of_them


def _struck(store: Store, count: int, served: bool) -> list[StoreOrder]:  # noqa: FBT001
    if served:
        keys = list(islice((key for key in store.served if key in store.orders), count))
    else:
        keys = [key for key in reversed(store.orders) if key not in store.served][:count]
    return [store.orders[key] for key in keys]
