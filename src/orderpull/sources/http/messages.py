"""HTTP requests and responses as the rest of the package passes them on."""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked: a method, a path with query below the base URL, headers, and a body."""

    method: str
    target: str
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(slots=True)
class Response:
    """What came back, as far as it came.

    :param status: the HTTP status; 0 if no status line arrived.
    :param headers: in lower case.
    :param body: the bytes that arrived, unpacked.
    :param problem: how the exchange ended, if not well.
    """

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    problem: str | None = None


class ResponseSink:
    """Is told how an exchange goes. A consume-once pull keeps an :class:`InFlightRequest`."""

    def answered(self, status: int) -> None:
        """The status line and the headers have arrived."""

    def write(self, chunk: bytes) -> None:
        """A piece of the body has arrived, as it was sent: maybe packed."""


Send = Callable[[Request, ResponseSink], Response]
"""What a pull asks through; a test may give a plain function instead of a :class:`Client`."""
