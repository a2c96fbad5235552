"""The script of a response, and the catalogue of faults: scripts that go wrong."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from http import HTTPStatus
from typing import Literal

from .damaged import DAMAGED, Damage
from .profile import Response, json_response

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


Options = dict[str, str]
Shape = Callable[[Response, Options, str], Script]
"""Returns the script for a response, the fault's options and the target of the request."""

MOVED_PREFIX = "/moved"
"""Prefix of redirects. The server drops it and serves the path that follows."""
WAIT_HEADERS = {
    "retry-after": "Retry-After",
    "quota-ms": "x-skubana-quota-retryAfter",
    "reset": "X-Rate-Limit-Reset",
    "reset-ms": "X-Rate-Limit-Time-Reset-Ms",
    "rate": "x-amzn-RateLimit-Limit",
}
"""Headers with a wait, by option: in seconds, in milliseconds (-ms), or as requests a second."""
HTML = b"<!DOCTYPE html><html><head><title>Error</title></head><body>Bad Gateway</body></html>\n"
OTHER_OBJECT = {"status": "busy", "message": "the list of orders is being rebuilt"}


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault.

    `consumed`: the call takes its orders out of a consume-once profile. `carries`: some of the
    profile's response goes out, so `:keep` is an error. `options`: the defaults of its options.
    """

    name: str
    sentence: str
    shape: Shape
    consumed: bool = True
    carries: bool = False
    options: Mapping[str, str] = field(default_factory=dict)


def _reply(reply: Response) -> Shape:
    """Send `reply` and nothing of the response."""
    return lambda response, _, __: _instead(response, reply)


def _instead(response: Response, reply: Response) -> Script:
    return replace(healthy(reply), intended=len(response.body) or len(reply.body), whole=())


def _status(status: int) -> Shape:
    """Send an error as JSON; options add a header with the wait."""
    reply = json_response(status, {"status": status, "message": "simulated fault"})
    return lambda response, options, _: _instead(response, replace(reply, headers=_waits(options)))


def _waits(options: Options) -> dict[str, str]:
    """Return the headers with a wait, in the forms of several APIs."""
    headers = {name: options[key] for key, name in WAIT_HEADERS.items() if options.get(key)}
    if options.get("retry-date") and not options["retry-after"]:
        until = time.time() + float(options["retry-date"])
        return {"Retry-After": formatdate(until, usegmt=True), **headers}
    return headers


def _redirect(response: Response, _: Options, target: str) -> Script:
    return _instead(response, Response(302, b"", headers={"Location": MOVED_PREFIX + target}))


def _content_type(response: Response, _: Options, __: str) -> Script:
    return healthy(replace(response, content_type="text/plain"))


def _slow(response: Response, options: Options, _: str) -> Script:
    return replace(
        healthy(response),
        piece=int(options["bytes"]),
        delay=float(options["delay"]),
        drip_head=float(options["head"]) > 0,
    )


def _nothing(ending: Ending) -> Shape:
    return lambda response, _, __: Script(None, b"", b"", len(response.body), (), ending)


def _reset_headers(response: Response, _: Options, __: str) -> Script:
    script = healthy(response)
    return replace(
        script, head=script.head[: len(script.head) // 2], body=b"", whole=(), ending="reset"
    )


def _reset_after(response: Response, _: Options, __: str) -> Script:
    return replace(healthy(response), ending="reset")


def _cut(name: str, sentence: str, ending: Ending) -> Fault:
    """Send part of the body; a connection that goes on gets the length of the part."""

    def shape(response: Response, options: Options, _: str) -> Script:
        length = cut_point(response, float(options["fraction"]))
        return replace(
            healthy(response),
            head=head(response, length if ending == "keep" else len(response.body)),
            body=response.body[:length],
            whole=whole_within(response.spans, length),
            ending=ending,
        )

    return Fault(name, sentence, shape, carries=True, options={"fraction": "0.5"})


def _damaged(name: str, sentence: str, damage: Damage) -> Fault:
    def shape(response: Response, _: Options, __: str) -> Script:
        body = damage.apply(response.body)
        whole = damage.whole(response.body) if response.occurrences else ()
        return replace(healthy(response), head=head(response, len(body)), body=body, whole=whole)

    return Fault(name, sentence, shape, carries=True)


_IF_TOLD = ", with a header that tells the wait if an option says so"
_WAIT = {"retry-after": "", "retry-date": "", **dict.fromkeys(WAIT_HEADERS, "")}
_DRIP = {"delay": "0.05", "bytes": "16", "head": "0"}

NOT_CONSUMED = (
    Fault("401", "answers 401 with JSON", _status(401), consumed=False),
    Fault("403", "answers 403 with JSON", _status(403), consumed=False),
    Fault("404", "answers 404 with JSON", _status(404), consumed=False),
    Fault("429", f"answers 429{_IF_TOLD}", _status(429), consumed=False, options=_WAIT),
    Fault("redirect", "answers 302 to another path here", _redirect, consumed=False),
)
NOTHING_ARRIVES = (
    Fault("500", "answers 500 with JSON", _status(500)),
    Fault("502", "answers 502 with HTML", _reply(Response(502, HTML, "text/html"))),
    Fault("503", f"answers 503{_IF_TOLD}", _status(503), options=_WAIT),
    Fault("silence", "reads the request and never answers", _nothing("silence")),
    Fault("reset-before", "breaks the connection before any byte", _nothing("reset")),
    Fault("reset-headers", "breaks the connection in the middle of the headers", _reset_headers),
    Fault("html", "answers 200 with an HTML page", _reply(Response(200, HTML, "text/html"))),
    Fault(
        "object",
        "answers 200 with an object that has no orders",
        _reply(json_response(200, OTHER_OBJECT)),
    ),
    Fault("empty", "answers 200 with no body", _reply(Response(200, b""))),
)
SOMETHING_ARRIVES = (
    Fault(
        "slow",
        "sends the body, with :head the headers too, in small pieces",
        _slow,
        carries=True,
        options=_DRIP,
    ),
    _cut("reset-body", "breaks the connection when part of the body has arrived", "reset"),
    Fault("reset-after", "breaks the connection when all has arrived", _reset_after, carries=True),
    _cut("close-body", "closes in order when part of the body has arrived", "close"),
    _cut("truncated", "answers with part of the body as if it were all", "keep"),
    Fault("content-type", "sends the right body as text/plain", _content_type, carries=True),
    _damaged("invalid-utf8", DAMAGED["invalid-utf8"].sentence, DAMAGED["invalid-utf8"]),
)
DAMAGED_PAGES = tuple(
    _damaged(f"damaged-{kind}", f"the page {damage.sentence}", damage)
    for kind, damage in DAMAGED.items()
)

FAULTS: dict[str, Fault] = {
    fault.name: fault
    for fault in (*NOT_CONSUMED, *NOTHING_ARRIVES, *SOMETHING_ARRIVES, *DAMAGED_PAGES)
}
"""Each kind of fault by its name."""
