"""The profile `skubana-assessment`: a consume-once list of orders."""

from itertools import islice

from .places import CountryStyle
from .profile import Request, Response, json_response
from .stream import OrderStream

ORDERS_PATH = "/orders"


class SkubanaAssessment:
    """GET /orders answers a JSON array of the next `per_call` orders, and never these again."""

    name = "skubana-assessment"

    def __init__(
        self,
        *,
        orders: int = 2000,
        per_call: int = 100,
        seed: int = 1,
        endless: bool = False,
        malformed: float = 0,
        versions: float = 0.0,
        countries: CountryStyle = "mixed",
    ) -> None:
        """Describe the shop: `per_call` orders an answer; the rest is as in OrderStream.

        When all orders are handed out the answer is `[]`, unless `endless`. ValueError for a number
        out of its range.
        """
        if per_call < 1:
            raise ValueError(f"per_call must be 1 or more, not {per_call}")
        self.seed = seed
        self.exhausted = False
        self._per_call = per_call
        self._stream = iter(
            OrderStream(
                orders=orders,
                seed=seed,
                endless=endless,
                malformed=malformed,
                versions=versions,
                countries=countries,
            )
        )

    def respond(self, request: Request) -> Response:
        """Answer GET /orders with the next orders, other paths with 404, other methods with 405."""
        if request.path != ORDERS_PATH:
            return json_response(404, {"status": 404, "error": "Not Found", "path": request.path})
        if request.method != "GET":
            return json_response(
                405,
                {"status": 405, "error": "Method Not Allowed", "path": request.path},
                {"Allow": "GET"},
            )
        return self._next_orders()

    def _next_orders(self) -> Response:
        batch = list(islice(self._stream, self._per_call))
        self.exhausted = len(batch) < self._per_call
        spans = []
        start = 1
        for _, text in batch:
            spans.append((start, start + len(text)))
            start += len(text) + 1
        return Response(
            200,
            b"[" + b",".join([text for _, text in batch]) + b"]",
            occurrences=tuple(occurrence for occurrence, _ in batch),
            spans=tuple(spans),
            consumed=bool(batch),
        )
