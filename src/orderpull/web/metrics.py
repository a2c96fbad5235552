"""Figures for Prometheus: how the pages do, and how fresh and whole what they show is.

Labels are routes, statuses and the sources of the settings: as many as there are of those, and
nothing of an order.
"""

import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
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
from orderpull.answers import from_orders
from orderpull.errors import DestinationError
from orderpull.web.freshness import Standing
from orderpull.web.overview import Asked
from orderpull.web.queries import Desk
from orderpull.web.question import Question

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
RUNS_AT_MOST = 2**31 - 1
NEVER = float("inf")

# When a figure was first counted says nothing.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """The figures of one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "orderpull_http_requests", "Requests, by route and status.", ("route", "status"),
            registry=self.registry,
        )  # fmt: skip
        self.seconds = Histogram(
            "orderpull_http_request_duration_seconds", "How long requests took.", ("route",),
            buckets=SECONDS, registry=self.registry,
        )  # fmt: skip
        self.answers = Counter(
            "orderpull_answers", "Answers: read from the warehouse, or kept from before.",
            ("came",), registry=self.registry,
        )  # fmt: skip
        self.sign_ins = Counter(
            "orderpull_sign_ins", "Passwords that were sent: right, wrong, or too many.",
            ("went",), registry=self.registry,
        )  # fmt: skip
        for came in ("kept", "read"):
            self.answers.labels(came)
        for went in ("right", "wrong", "refused"):
            self.sign_ins.labels(went)
        ProcessCollector(registry=self.registry)

    def answered(self, was_read: bool) -> None:  # noqa: FBT001 - a callback's one argument
        """An answer was given."""
        self.answers.labels("read" if was_read else "kept").inc()

    def watch(self, desk: Desk) -> None:
        """Tell what the ledger that *desk* reads says, too."""
        self.registry.register(Ledger(desk))

    def page(self, request: Request) -> Response:  # noqa: ARG002 - a route's signature
        """``/metrics``."""
        return Response(generate_latest(self.registry), media_type=CONTENT_TYPE_LATEST)


class Ledger(Collector):
    """What the warehouse's ledger says of the sources of the settings."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The figures as they are now; of an unreadable warehouse only that it is."""
        readable = GaugeMetricFamily(
            "orderpull_warehouse_readable", "1: the warehouse can be read."
        )
        try:
            standing = self.desk.standing(Question())
            losses = self.desk.ask("losses", Question(), read_losses)
        except DestinationError:
            readable.add_metric((), 0)
            yield readable
            return
        readable.add_metric((), 1)
        yield readable
        yield from families(standing, losses, self.desk.sources, clock.now())


def read_losses(asked: Asked) -> dict[str, int]:
    """How many answers of each source may have been lost, in all its runs."""
    runs = from_orders.runs(RUNS_AT_MOST).subquery("runs")
    lost = sa.cast(sa.func.sum(runs.c.possible_loss), sa.BigInteger).label("lost")
    rows = asked.reader.rows(sa.select(runs.c.source, lost).group_by(runs.c.source))
    return {row["source"]: row["lost"] or 0 for row in rows}


def families(
    standing: Standing, losses: dict[str, int], sources: Sequence[str], now: datetime
) -> Iterator[GaugeMetricFamily]:
    """The ledger's figures, each for every one of *sources*."""
    rejects = dict.fromkeys(sources, 0)
    for row in standing.rejects:
        if row["source"] in rejects:
            rejects[row["source"]] += row["rejects"]
    last = {run["source"]: went_well(run) for run in standing.last}
    pulled = {name: at for name, at in standing.pulled.items() if at}
    told: dict[str, tuple[str, dict[str, float]]] = {
        "orderpull_source_read_age_seconds": (
            "Seconds since the source was last read to its end; +Inf: never.",
            {n: (now - pulled[n]).total_seconds() if n in pulled else NEVER for n in sources},
        ),
        "orderpull_source_last_run_ok": (
            "1: the source's last run ended well.",
            {name: last.get(name, 0) for name in sources},
        ),
        "orderpull_source_possible_losses": (
            "Answers that may have been lost, in all runs.",
            {name: losses.get(name, 0) for name in sources},
        ),
        "orderpull_source_rejects": ("Orders that are kept aside.", {**rejects}),
    }
    for name, (meaning, values) in told.items():
        family = GaugeMetricFamily(name, meaning, labels=("source",))
        for source, value in values.items():
            family.add_metric((source,), value)
        yield family


def went_well(run: dict[str, Any]) -> int:
    """1 if *run* ended, without an error and without a possible loss; else 0."""
    return int(not run["error"] and not run["possible_loss"] and run["finished_at"] is not None)


class Measured:
    """Counts each request with its route and status, and how long it took."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, and count."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, noting)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            self.metrics.requests.labels(route, str(status)).inc()
            self.metrics.seconds.labels(route).observe(time.perf_counter() - began)
