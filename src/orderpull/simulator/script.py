"""The script of one response: its bytes, their speed, and the end of the connection."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal

from .profile import Response

Ending = Literal["keep", "close", "reset", "silence"]
"""Keep the connection, end it (FIN), break it (RST), or hold it until the client goes."""


@dataclass(frozen=True, slots=True)
class Script:
    """The bytes to send. Without a whole status line, the `status` stays None.

    `intended` is the length of a healthy body; `whole` are the positions of the orders that go out
    whole. With a `delay` (seconds) the body goes out `piece` bytes at a time, and with `drip_head`
    the head does, too.
    """

    status: int | None
    head: bytes
    body: bytes
    intended: int
    whole: Collection[int]
    ending: Ending = "keep"
    piece: int = 0
    delay: float = 0.0
    drip_head: bool = False


def healthy(response: Response) -> Script:
    """Return the script that sends the response unchanged."""
    return Script(
        status=response.status,
        head=head(response, len(response.body)),
        body=response.body,
        intended=len(response.body),
        whole=range(len(response.occurrences)),
    )


def head(response: Response, length: int) -> bytes:
    """Return status line and headers, with a Content-Length of `length`."""
    lines = [
        f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}",
        "Server: orderpull-simulator",
        f"Content-Type: {response.content_type}",
        f"Content-Length: {length}",
        *(f"{name}: {value}" for name, value in response.headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def whole_within(spans: Sequence[tuple[int, int]], length: int) -> range:
    """Return the positions of the orders that stand wholly in the first `length` bytes."""
    return range(sum(end <= length for _, end in spans))


def cut_point(response: Response, fraction: float) -> int:
    """Return how many bytes of the body to send: `fraction` of it, but never an end of an order."""
    length = int(len(response.body) * fraction)
    if length == 0:
        return 0
    for start, end in response.spans:
        if start < length < end:
            return length
        if length <= start:
            return (start + end) // 2
    return min(length, len(response.body) - 1)  # the closing bracket never goes out
