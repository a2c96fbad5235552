"""A Medusa whose orders change while they are read, as a profile for the simulator."""

from __future__ import annotations

import base64
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from orderpull.simulator.profile import json_response
from orderpull.sources.spec.times import parse_time

if TYPE_CHECKING:
    from collections.abc import Callable

    from orderpull.simulator import Request, Response

TOKEN = "sk_made_up"


class Medusa:
    """Admin orders: sorted, filtered and paged as the real server does it.

    :param moves: what happens after which answer, counted from 1.
    :param token: the secret key that it takes: as the user of basic authentication.
    """

    name = "medusa"
    seed = None
    exhausted = True

    def __init__(
        self, orders: int, moves: dict[int, Callable[[Medusa], None]], token: str = TOKEN
    ) -> None:
        self.accepted = "Basic " + base64.b64encode(f"{token}:".encode()).decode()
        self.orders: dict[str, dict[str, Any]] = {}
        self.moves = moves
        self.queries: list[dict[str, str]] = []
        self.began = datetime.now().astimezone() - timedelta(days=2)
        self.now = self.began
        for number in range(1, orders + 1):
            self.place(number)

    def place(self, number: int) -> None:
        """A new order, a second after the change before."""
        made: dict[str, Any] = {"id": f"order_{number}", "display_id": number, "version": 1}
        made |= {"status": "pending", "canceled_at": None, "currency_code": "eur", "total": 10}
        made["items"] = [{"variant_sku": f"SKU-{number % 9}", "quantity": 1}]
        made["shipping_address"] = {"country_code": "de", "address_1": f"Weg {number}"}
        self.orders[f"order_{number}"] = made
        self.change(f"order_{number}", 1)
        made["created_at"] = made["updated_at"]

    def change(self, order: str, quantity: int) -> None:
        """Change an order's only line."""
        self.now += timedelta(seconds=1)
        self.orders[order]["items"][0]["quantity"] = quantity
        stamp = self.now.astimezone().isoformat(timespec="milliseconds")
        self.orders[order]["updated_at"] = stamp

    def respond(self, request: Request) -> Response:
        """Answer one request; then the world moves on."""
        if request.path != "/admin/orders":
            return json_response(404, {"message": "no such path"})
        if request.headers.get("authorization") != self.accepted:
            return json_response(401, {"message": "Unauthorized"})
        query = request.query
        self.queries.append(query)
        assert query["order"] == "updated_at"
        found = sorted(self.orders.values(), key=lambda order: str(stamped(order)))
        lower, upper = (parse_time(query.get(f"updated_at[${end}]")) for end in ("gte", "lte"))
        found = [
            order
            for order in found
            if (not lower or stamped(order) >= lower) and (not upper or stamped(order) <= upper)
        ]
        offset, limit = int(query["offset"]), int(query["limit"])
        page = found[offset : offset + limit]
        told = {"orders": page, "count": len(found), "offset": offset, "limit": limit}
        reply = json_response(200, told)
        if move := self.moves.get(len(self.queries)):
            move(self)
        return reply


def stamped(order: dict[str, Any]) -> datetime:
    """When an order was changed."""
    time = parse_time(order["updated_at"])
    assert time
    return time
