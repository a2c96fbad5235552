"""Telemetry: spans of a run, sent to a collector as traces and metrics, if that is turned on.

Else a span costs a function call, and no library is imported. :mod:`orderpull.telemetry.otlp` sends
by OpenTelemetry's own SDK.
"""

import atexit
import logging
import os
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec
from typing import Protocol

from orderpull.errors import SettingsError

Value = str | int | float | bool

ENDPOINTS = tuple(f"OTEL_EXPORTER_OTLP_{kind}ENDPOINT" for kind in ("", "TRACES_", "METRICS_"))
"""Variables of the environment that turn telemetry on, as OpenTelemetry names them."""

log = logging.getLogger("orderpull.telemetry")


class Span:
    """A span that ignores everything: telemetry is off."""

    def set(self, **attributes: Value) -> None:
        """Add *attributes*: counts, bytes and states, never data of orders."""

    def add_orders(self, source: str, counts: Mapping[str, int]) -> None:
        """Add the orders of *source* by outcome to the counts of a batch."""

    def fail(self, error: BaseException) -> None:
        """Mark the span as failed by the kind of *error*; its message may name an order."""


class Recorder(Protocol):
    """Records spans, and sends them in the background."""

    def span(
        self, name: str, parent: Span | None, attributes: Mapping[str, Value]
    ) -> AbstractContextManager[Span]:
        """Record a span within the context. :param parent: None: the span around it."""
        ...

    def flush(self, seconds: float) -> bool:
        """Send what waits. :return: False if it was not sent within *seconds*."""
        ...

    def stop(self) -> None:
        """Send what waits, within the time limit, and end."""
        ...


class _Process:
    """The state of this process. :ivar recorder: None: telemetry is off."""

    recorder: Recorder | None = None


_OFF = nullcontext(Span())
_process = _Process()


def span(
    name: str, *, parent: Span | None = None, **attributes: Value
) -> AbstractContextManager[Span]:
    """Record the span *name* within the context.

    :param parent: a span of another thread; None: the span around it in this thread.
    """
    recorder = _process.recorder
    return recorder.span(name, parent, attributes) if recorder else _OFF


def start(endpoint: str | None, seconds: float) -> None:
    """Turn telemetry on for this process, if *endpoint* or the environment names a collector.

    :param endpoint: base URL of a collector that speaks OTLP over HTTP.
    :param seconds: time limit for sending what waits when the process ends.
    :raises SettingsError: *endpoint* is set, and the SDK is not installed.
    """
    if _process.recorder is not None or not is_wanted(endpoint):
        return
    if not is_installed():
        if endpoint is None:  # the environment may be another program's, too
            log.warning("telemetry is off: pip install 'orderpull[otel]'")
            return
        raise SettingsError(
            "telemetry.endpoint needs OpenTelemetry's SDK, which is not installed.",
            "Run: pip install 'orderpull[otel]'.",
        )
    from orderpull.telemetry.otlp import OtlpRecorder

    _process.recorder = OtlpRecorder(endpoint, seconds)
    atexit.register(stop)


def is_wanted(endpoint: str | None) -> bool:
    """True if *endpoint* or the environment names a collector."""
    is_disabled = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    return not is_disabled and bool(endpoint or any(os.environ.get(name) for name in ENDPOINTS))


def is_installed() -> bool:
    """True if the extra ``otel`` is installed."""
    try:
        return find_spec("opentelemetry.exporter.otlp.proto.http") is not None
    except ModuleNotFoundError:
        return False


def flush(seconds: float) -> None:
    """Send what waits, for at most *seconds*: the process may be frozen afterwards."""
    if _process.recorder is not None:
        _process.recorder.flush(seconds)


def stop() -> None:
    """Send what waits, and turn telemetry off."""
    ended, _process.recorder = _process.recorder, None
    if ended is not None:
        atexit.unregister(stop)
        ended.stop()
