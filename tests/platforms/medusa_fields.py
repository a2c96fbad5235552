"""Which fields of an order Medusa tells: `fields=id,*items,+email,-total`."""

from __future__ import annotations

from typing import Any

DEFAULT = (
    *("id", "display_id", "custom_display_id", "status", "version", "summary", "total"),
    *("metadata", "locale", "created_at", "updated_at"),
)
ALWAYS = ("payment_status", "fulfillment_status")
RELATIONS = ("items", "shipping_address", "sales_channel", "summary")


def pruned(order: dict[str, Any], fields: str | None) -> dict[str, Any]:
    """Return of a whole order what `fields` asks for.

    Names without a sign replace the default, `+` (which a query turns into a blank) and `*` add,
    `-` takes away; `*items` is a relation with all its fields, `items.id` with one of them.
    ValueError for a field that there is none of.
    """
    chosen: dict[str, set[str] | None] = dict.fromkeys(DEFAULT)
    named = [name for name in (fields or "").split(",") if name]
    if any(name[0] not in " +-*" for name in named):
        chosen = {"id": None}
    for name in named:
        if name[0] == "-":
            chosen.pop(name[1:], None)
        else:
            _choose(chosen, name, order)
    kept = {name: _part(order[name], chosen[name]) for name in order if name in chosen}
    return {**kept, **{name: order[name] for name in ALWAYS}}


def _choose(chosen: dict[str, set[str] | None], name: str, order: dict[str, Any]) -> None:
    first, _, rest = name.lstrip(" +*").partition(".")
    rest = rest.removesuffix(".*").removesuffix("*")
    if first not in order:
        raise ValueError(f"Entity 'Order' does not have property '{first}'")
    if not rest or first not in RELATIONS:
        chosen[first] = None
        return
    parts = chosen.setdefault(first, {"id"})
    if parts is not None:
        parts.add(rest.partition(".")[0])


def _part(value: Any, names: set[str] | None) -> Any:
    if names is None or value is None:
        return value
    if isinstance(value, list):
        return [_part(one, names) for one in value]
    return {name: one for name, one in value.items() if name in names}
