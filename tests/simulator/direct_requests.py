"""Requests to a platform without a network, and a second count of the orders in its JSON."""

from __future__ import annotations

import base64
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from orderpull.simulator.profile import Request, Response

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from orderpull.simulator.shop.base import Platform
    from orderpull.simulator.shop.store import Store


def ask(
    shop: Platform,
    path: str,
    query: Mapping[str, object] | None = None,
    *,
    method: str = "GET",
    body: object = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """One request. A body that is a dict goes as JSON, a text as a form."""
    target = f"{path}?{urlencode(query)}" if query else path
    given = {"host": "shop.test"} | {k.lower(): v for k, v in (headers or {}).items()}
    if isinstance(body, str):
        return shop.respond(Request(method, target, given, body.encode()))
    sent = b"" if body is None else json.dumps(body).encode()
    given |= {"content-type": "application/json"} if sent else {}
    return shop.respond(Request(method, target, given, sent))


def got(response: Response, status: int = 200) -> Any:
    """The JSON of an answer that must have this status."""
    assert response.status == status, response.body
    return json.loads(response.body)


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def items(lines: list[tuple[str | None, int]]) -> dict[str, int]:
    """Pieces by SKU, as the tables have them."""
    found: dict[str, int] = {}
    for sku, pieces in lines:
        key = sku if sku and sku.strip() else "(no sku)"
        found[key] = found.get(key, 0) + pieces
    return found


def cents(text: str | float | None) -> int:
    """An amount in hundredths; 0 for none."""
    return int((Decimal(str(text or 0)) * 100).to_integral_exact())


def titles(lines: list[tuple[str | None, str | None]]) -> dict[str, str | None]:
    """The title of each SKU's first line that has one, as the tables have it."""
    found: dict[str, str | None] = {}
    for sku, title in lines:
        key = sku if sku and sku.strip() else "(no sku)"
        found[key] = found.get(key) or ((blank(title) or "")[:255] or None)
    return found


def grouped(rows: Mapping[str, Mapping[str, Any]]) -> dict[Any, set[str]]:
    """The orders of each customer, whatever the customer is called."""
    groups: dict[Any, set[str]] = {}
    for key, row in rows.items():
        groups.setdefault(row["customer"], set()).add(key)
    return groups


def told_of(
    counted: Mapping[str, Mapping[str, Any]], truth: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """The truth's rows, with those columns alone that were counted."""
    columns = next(iter(counted.values()))
    return {key: {name: row[name] for name in columns} for key, row in truth.items()}


def blank(text: str | None) -> str | None:
    """A text, or None for a blank one."""
    return text if text and text.strip() else None


def versions(store: Store) -> dict[str, tuple[datetime, int]]:
    """Time of the last change and number of changes of each order, by id."""
    return {store.id(order): (order.modified, order.version) for order in store.orders.values()}
