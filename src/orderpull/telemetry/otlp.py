"""Traces and metrics by OpenTelemetry's SDK, sent as OTLP over HTTP.

Threads of the SDK send in the background; a collector that is down costs a run nothing but memory
for 2,048 spans. At the end of the process what waits is sent within a time limit.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from queue import SimpleQueue
from typing import Any
from urllib.parse import urlsplit

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import NoOpTracerProvider, SpanKind, StatusCode

from orderpull import __version__
from orderpull.telemetry import Span, Value

OUTCOMES = ("inserted", "updated", "unchanged", "stale", "rejected")

NAMES = {
    "method": "http.request.method",
    "host": "server.address",
    "status": "http.response.status_code",
    "bytes": "http.response.body.size",
    "retry": "http.request.resend_count",
    "error": "error.type",
    "bucket": "aws.s3.bucket",
}
"""Attributes with a name in OpenTelemetry's conventions; the others begin with ``orderpull.``."""

_CALLS = frozenset({"page", "token", "download", "s3"})
"""Spans that another computer answers."""

log = logging.getLogger("orderpull.telemetry")

_within: ContextVar[bool] = ContextVar("within", default=False)
"""True within the span of a run, in its threads, too."""


class OtlpSpan(Span):
    """A span of the SDK, with its attributes by our names."""

    def __init__(self, inner: Any, attributes: Mapping[str, Value]) -> None:  # noqa: ANN401 - the SDK may be missing
        self.inner = inner
        self.attributes = dict(attributes)
        self.orders: dict[str, Mapping[str, int]] = {}

    def set(self, **attributes: Value) -> None:
        """Add *attributes*."""
        self.attributes |= attributes

    def add_orders(self, source: str, counts: Mapping[str, int]) -> None:
        """Add the orders of *source* by outcome; the attributes are the sums over all sources."""
        self.orders[source] = counts
        sums = {name: sum(each[name] for each in self.orders.values()) for name in counts}
        self.set(**sums)

    def fail(self, error: BaseException) -> None:
        """Mark the span as failed by the kind of *error*."""
        self.set(error=type(error).__name__)


class _Failures(logging.Handler):
    """Counts what the SDK logs, in place of writing it: it logs each failed try."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.count = 0

    def emit(self, _: logging.LogRecord) -> None:
        self.count += 1


class OtlpRecorder:
    """Records spans and metrics, and sends them to one collector.

    :param endpoint: its base URL; the variables of the environment come first.
    :param seconds: time limit of :meth:`stop`.
    """

    def __init__(self, endpoint: str | None, seconds: float) -> None:
        self._seconds = seconds
        self._failures = _Failures()
        sdk = logging.getLogger("opentelemetry")
        sdk.handlers[:], sdk.propagate = [self._failures], False
        about = {"service.version": __version__}
        if "OTEL_SERVICE_NAME" not in os.environ:
            about["service.name"] = "orderpull"
        resource = Resource.create(about)
        self._where = _host(os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or endpoint)
        self._tracers = _tracer_provider(resource, endpoint, seconds)
        self._meters = _meter_provider(resource, endpoint, seconds)
        self._tracer = self._tracers.get_tracer("orderpull", __version__)
        self._metrics = _Metrics(self._meters.get_meter("orderpull", __version__))
        self._sender = _Sender()

    @contextmanager
    def span(
        self, name: str, parent: Span | None, attributes: Mapping[str, Value]
    ) -> Iterator[Span]:
        """Record a span within the context, and its metrics at the end."""
        context = None
        if isinstance(parent, OtlpSpan):
            context = trace.set_span_in_context(parent.inner)
        elif name != "run" and not _within.get():
            yield Span()  # such as a batch that a verification loads into a copy
            return
        started, token = time.monotonic(), _within.set(True)
        with self._tracer.start_as_current_span(
            f"orderpull.{name}",
            context=context,
            kind=SpanKind.CLIENT if name in _CALLS else SpanKind.INTERNAL,
            record_exception=False,  # its message may name an order
            set_status_on_exception=False,
        ) as inner:
            span = OtlpSpan(inner, attributes)
            try:
                yield span
            except BaseException as error:
                span.fail(error)
                raise
            finally:
                for key, value in span.attributes.items():
                    inner.set_attribute(NAMES.get(key, f"orderpull.{key}"), value)
                if "error" in span.attributes:
                    inner.set_status(StatusCode.ERROR)
                self._metrics.measure(name, span, time.monotonic() - started)
                _within.reset(token)

    def flush(self, seconds: float) -> bool:
        """Send what waits; return False if that was not done within *seconds*."""

        def send() -> None:
            for provider in (self._tracers, self._meters):
                if hasattr(provider, "force_flush"):
                    provider.force_flush()

        return self._tell(sent=self._sender.do(send, seconds))

    def stop(self) -> None:
        """Send what waits, within the time limit, and end."""

        def shut_down() -> None:
            for provider in (self._tracers, self._meters):
                if hasattr(provider, "shutdown"):
                    provider.shutdown()

        self._tell(sent=self._sender.do(shut_down, self._seconds))

    def _tell(self, *, sent: bool) -> bool:
        if not sent or self._failures.count:
            log.warning("telemetry did not reach %s; nothing else is affected", self._where)
            self._failures.count = 0
            return False
        return True


class _Metrics:
    """The instruments of the metrics, and what they take from each span."""

    def __init__(self, meter: Any) -> None:  # noqa: ANN401 - the SDK may be missing
        self.runs = meter.create_histogram("orderpull.run.duration", "s", "duration of runs")
        self.requests = meter.create_histogram(
            "orderpull.request.duration", "s", "duration of requests for pages, retries apart"
        )
        self.bytes = meter.create_counter("orderpull.response.size", "By", "bodies of responses")
        self.pages = meter.create_counter("orderpull.pages", "{page}", "landed pages")
        self.losses = meter.create_counter(
            "orderpull.possible_losses", "{response}", "responses with which orders may be lost"
        )
        self.orders = meter.create_counter("orderpull.orders", "{order}", "orders by outcome")

    def measure(self, name: str, ended: OtlpSpan, seconds: float) -> None:
        """Add the span *name* with its attributes."""
        span = ended.attributes
        if name == "run":
            self.runs.record(seconds, _labels(span, "command", "exit_code"))
        elif name == "page":
            self.requests.record(seconds, _labels(span, "source", "status", "error"))
            self.bytes.add(span.get("bytes", 0), _labels(span, "source"))
        elif name == "source":
            self.pages.add(span.get("pages", 0), _labels(span, "source"))
            self.losses.add(span.get("possible_loss", 0), _labels(span, "source"))
        elif name == "batch" and not span.get("again"):
            for source, counts in ended.orders.items():
                for outcome in OUTCOMES:
                    labels = {"orderpull.source": source, "orderpull.outcome": outcome}
                    self.orders.add(counts[outcome], labels)


class _Sender:
    """A thread that does what may take long, so that the caller waits for a limited time.

    It is started early: Python 3.12 starts no thread while it ends.
    """

    def __init__(self) -> None:
        self._queue: SimpleQueue[tuple[Callable[[], None], threading.Event]] = SimpleQueue()
        threading.Thread(target=self._work, name="telemetry", daemon=True).start()

    def do(self, work: Callable[[], None], seconds: float) -> bool:
        """Do *work*; return False if it was not done within *seconds*."""
        done = threading.Event()
        self._queue.put((work, done))
        return done.wait(seconds)

    def _work(self) -> None:
        while True:
            work, done = self._queue.get()
            with suppress(Exception):  # telemetry fails no run
                work()
            done.set()


def _tracer_provider(resource: Any, endpoint: str | None, seconds: float) -> Any:  # noqa: ANN401 - the SDK may be missing
    if os.environ.get("OTEL_TRACES_EXPORTER", "otlp").lower() == "none":
        return NoOpTracerProvider()
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    exporter = OTLPSpanExporter(_url(endpoint, "traces"), timeout=_timeout(seconds))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


def _meter_provider(resource: Any, endpoint: str | None, seconds: float) -> Any:  # noqa: ANN401 - the SDK may be missing
    if os.environ.get("OTEL_METRICS_EXPORTER", "otlp").lower() == "none":
        return NoOpMeterProvider()
    exporter = OTLPMetricExporter(_url(endpoint, "metrics"), timeout=_timeout(seconds))
    reader = PeriodicExportingMetricReader(exporter)
    return MeterProvider([reader], resource, shutdown_on_exit=False)


def _url(endpoint: str | None, signal: str) -> str | None:
    """The URL for *signal*; None: the SDK takes it from the environment."""
    names = ("OTEL_EXPORTER_OTLP_ENDPOINT", f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT")
    if endpoint is None or any(os.environ.get(name) for name in names):
        return None
    return f"{endpoint.rstrip('/')}/v1/{signal}"


def _timeout(seconds: float) -> float | None:
    """The time limit of one request; None: the SDK takes it from the environment."""
    return None if os.environ.get("OTEL_EXPORTER_OTLP_TIMEOUT") else seconds


def _labels(span: Mapping[str, Value], *keys: str) -> dict[str, Value]:
    return {NAMES.get(key, f"orderpull.{key}"): span[key] for key in keys if key in span}


def _host(url: str | None) -> str:
    """Host and port of *url*, without its user, path and query."""
    parts = urlsplit(url or "")
    return parts.netloc.rpartition("@")[2] or "the collector"
