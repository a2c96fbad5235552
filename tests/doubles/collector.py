"""A collector of OpenTelemetry: takes OTLP over HTTP on 127.0.0.1, and decodes it."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass
class Collector:
    """What has arrived so far.

    :param bodies: the bodies of all requests, by path.
    """

    url: str
    bodies: list[tuple[str, bytes]] = field(default_factory=list)

    def spans(self) -> list[Any]:
        """The spans, in the order of their starts."""
        requests = [
            ExportTraceServiceRequest.FromString(b) for p, b in self.bodies if p == "/v1/traces"
        ]
        spans = [
            span
            for request in requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]
        return sorted(spans, key=lambda span: span.start_time_unix_nano)

    def resource(self) -> dict[str, Any]:
        """The attributes of the process."""
        request = next(b for p, b in self.bodies if p == "/v1/traces")
        return values(ExportTraceServiceRequest.FromString(request).resource_spans[0].resource)

    def metrics(self) -> dict[str, list[tuple[dict[str, Any], float]]]:
        """The last points of each metric: attributes, and sum or count."""
        found: dict[str, list[tuple[dict[str, Any], float]]] = {}
        for path, body in self.bodies:
            if path != "/v1/metrics":
                continue
            for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                for metric in (m for scope in resource.scope_metrics for m in scope.metrics):
                    points = metric.histogram.data_points or metric.sum.data_points
                    found[metric.name] = [
                        (values(point), getattr(point, "count", 0) or point.as_int)
                        for point in points
                    ]
        return found


def values(item: Any) -> dict[str, Any]:
    """The attributes of a span, a point or a resource."""
    return {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in item.attributes}


@contextmanager
def collector() -> Iterator[Collector]:
    """A collector that listens."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            made.bodies.append((self.path, body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *_: object) -> None:  # noqa: A002
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        made = Collector(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()
