"""Prometheus metrics: requests to the pages, and freshness and completeness of the data.

Labels are routes, statuses and the sources of the settings: a bounded number of series, and no
data of an order.
"""

import time
from collections.abc import Iterator, Sequence
from datetime import datetime

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orderpull import clock
from orderpull.answers import ledger
from orderpull.errors import DestinationError
from orderpull.web.cache import CachedQueries
from orderpull.web.context import QueryContext
from orderpull.web.freshness import Freshness
from orderpull.web.question import Question

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
NEVER = float("inf")

# The series *_created would double the output without being used.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """The metrics of one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "orderpull_http_requests", "Requests, by route and status.", ("route", "status"),
            registry=self.registry,
        )  # fmt: skip
        self.seconds = Histogram(
            "orderpull_http_request_duration_seconds", "Duration of requests.", ("route",),
            buckets=SECONDS, registry=self.registry,
        )  # fmt: skip
        self.answers = Counter(
            "orderpull_answers", "Answers: read from the warehouse, or kept in the cache.",
            ("came",), registry=self.registry,
        )  # fmt: skip
        self.sign_ins = Counter(
            "orderpull_sign_ins", "Passwords received: right, wrong, or refused by the throttle.",
            ("went",), registry=self.registry,
        )  # fmt: skip
        for origin in ("kept", "read"):
            self.answers.labels(origin)
        for result in ("right", "wrong", "refused"):
            self.sign_ins.labels(result)
        ProcessCollector(registry=self.registry)

    def count_answer(self, was_read: bool) -> None:  # noqa: FBT001 - a callback's one argument
        """Count an answer, read from the warehouse or cached."""
        self.answers.labels("read" if was_read else "kept").inc()

    def page(self, request: Request) -> Response:  # noqa: ARG002 - a route's signature
        """Answer ``/metrics``."""
        return Response(generate_latest(self.registry), media_type=CONTENT_TYPE_LATEST)


class LedgerCollector(Collector):
    """Metrics from the warehouse's ledger, for the sources of the settings."""

    def __init__(self, queries: CachedQueries) -> None:
        self.queries = queries

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Read the current metrics; of an unreadable warehouse only that it is unreadable."""
        readable = GaugeMetricFamily(
            "orderpull_warehouse_readable", "1: the warehouse can be read."
        )
        try:
            freshness = self.queries.freshness(Question())
            losses = self.queries.get(Question(), read_possible_losses)
        except DestinationError:
            readable.add_metric((), 0)
            yield readable
            return
        readable.add_metric((), 1)
        yield readable
        yield from source_gauges(freshness, losses, self.queries.sources, clock.now())


def read_possible_losses(context: QueryContext) -> dict[str, int]:
    """Number of responses of each source that may have been lost, in all its runs."""
    rows = context.reader.rows(ledger.possible_losses())
    return {row["source"]: row["possible_loss"] or 0 for row in rows}


def source_gauges(
    freshness: Freshness, losses: dict[str, int], sources: Sequence[str], now: datetime
) -> Iterator[GaugeMetricFamily]:
    """The ledger's gauges, each with a value for every one of *sources*."""
    rejects = dict.fromkeys(sources, 0)
    for row in freshness.rejects:
        if row["source"] in rejects:
            rejects[row["source"]] += row["rejects"]
    last = {
        run["source"]: not (run["error"] or run["possible_loss"] or run["finished_at"] is None)
        for run in freshness.last
    }
    pulled = {name: time for name, time in freshness.pulled.items() if time}
    gauges: dict[str, tuple[str, dict[str, float]]] = {
        "orderpull_source_read_age_seconds": (
            "Seconds since the source was last read to its end; +Inf: never.",
            {n: (now - pulled[n]).total_seconds() if n in pulled else NEVER for n in sources},
        ),
        "orderpull_source_last_run_ok": (
            "1: the source's last run succeeded.",
            {name: last.get(name, 0) for name in sources},
        ),
        "orderpull_source_possible_losses": (
            "Responses that may have been lost, in all runs.",
            {name: losses.get(name, 0) for name in sources},
        ),
        "orderpull_source_rejects": ("Rejected orders.", {**rejects}),
    }
    for name, (meaning, values) in gauges.items():
        family = GaugeMetricFamily(name, meaning, labels=("source",))
        for source, value in values.items():
            family.add_metric((source,), value)
        yield family


class MetricsMiddleware:
    """Counts each request by route and status, and measures its duration."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, and count it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, send_and_note)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            self.metrics.requests.labels(route, str(status)).inc()
            self.metrics.seconds.labels(route).observe(time.perf_counter() - began)
