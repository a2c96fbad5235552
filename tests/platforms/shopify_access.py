"""Access to Shopify's Admin APIs: tokens, and how far back orders can be seen."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from orderpull.simulator.profile import json_response
from orderpull.simulator.shop.auth import (
    CLIENT_ID,
    CLIENT_SECRET,
    TOKEN,
    TokenIssuer,
    client,
    parameters,
)
from orderpull.simulator.shop.base import RefusedError

if TYPE_CHECKING:
    from orderpull.simulator.profile import Request, Response
    from orderpull.simulator.shop.order import StoreOrder
    from orderpull.simulator.shop.store import Store
    from orderpull.simulator.shop.times import Clock

TOKEN_PATH = "/admin/oauth/access_token"
TOKEN_HEADER = "x-shopify-access-token"
LIFETIME = 86_399.0
HORIZON = timedelta(days=60)
INVALID = "[API] Invalid API key or access token (unrecognized login or wrong password)"


class Access:
    """Takes TOKEN for ever, and for a day the tokens that the client-credentials grant gives."""

    def __init__(
        self, clock: Clock, *, expires_after: int | None, read_all_orders: bool, permanent: bool
    ) -> None:
        """Begin; `permanent` says whether TOKEN is taken."""
        self.scopes = ["read_orders", *(["read_all_orders"] if read_all_orders else [])]
        self._clock = clock
        self._permanent = permanent
        self._read_all_orders = read_all_orders
        self._tokens = TokenIssuer(clock, lifetime=LIFETIME, expires_after=expires_after)

    def require(self, request: Request) -> None:
        """Raise RefusedError unless the request brings a good token."""
        token = request.headers.get(TOKEN_HEADER)
        if not (self._permanent and token == TOKEN) and not self._tokens.accept(token):
            raise RefusedError(401, {"errors": INVALID})

    def grant(self, request: Request) -> Response:
        """Give a token for the client's id and secret."""
        given = parameters(request)
        if request.method != "POST" or client(request, given) != (CLIENT_ID, CLIENT_SECRET):
            raise RefusedError(401, {"error": "invalid_client"})
        if given.get("grant_type") != "client_credentials":
            raise RefusedError(400, {"error": "unsupported_grant_type"})
        token = {"access_token": self._tokens.issue(), "scope": ",".join(self.scopes)}
        return json_response(200, {**token, "expires_in": int(LIFETIME)})

    def visible(self, store: Store) -> list[StoreOrder]:
        """Return the orders that the scopes let be seen."""
        oldest = self._clock.now - HORIZON
        return [
            order
            for order in store.orders.values()
            if self._read_all_orders or order.created >= oldest
        ]


def versioned(response: Response, path: str, serves: str | None) -> Response:
    """Add the version that answered: the one in *path*, unless the shop *serves* another.

    A shop answers with its oldest version where the one that is asked for is no longer supported.
    """
    asked = re.match(r"/admin/api/([^/]+)/", path)
    if asked is None:
        return response
    version = {"X-Shopify-API-Version": serves or asked[1]}
    return replace(response, headers={**response.headers, **version})
