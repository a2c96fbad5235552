"""The HTTP request and the response."""

from collections.abc import Callable
from dataclasses import dataclass, field

from orderpull.landing.inflight import ResponseSink

__all__ = ["Request", "Response", "ResponseSink", "Send"]


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request. :param target: path and query, relative to the base URL."""

    method: str
    target: str
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(slots=True)
class Response:
    """An HTTP response, possibly incomplete.

    :param status: HTTP status; 0 if no status line arrived.
    :param headers: header values by lower-case name.
    :param body: decompressed bytes that arrived.
    :param problem: the failure that ended the exchange; None if the response is complete.
    """

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    problem: str | None = None


Send = Callable[[Request, ResponseSink], Response]
"""Sends a request and returns its response; tests replace :meth:`Client.send` by a function."""
