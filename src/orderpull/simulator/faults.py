"""The catalogue of faults: the change to a response, and whether its orders are consumed."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from email.utils import formatdate

from .damaged import DAMAGED, Damage
from .profile import Response, json_response
from .script import Script, cut_point, head, healthy, whole_within

Options = dict[str, str]

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
    shape: Callable[[Response, Options, str], Script]
    consumed: bool = True
    carries: bool = False
    options: Mapping[str, str] = field(default_factory=dict)


def _says(status: int, *, wait: bool = False) -> Callable[[Response, Options, str], Script]:
    """Respond with an error status; with `wait`, options add a header with the seconds to wait."""

    def shape(response: Response, options: Options, _: str) -> Script:
        reply = json_response(status, {"status": status, "message": "simulated fault"})
        return _instead(response, replace(reply, headers=_waits(options) if wait else {}))

    return shape


def _waits(options: Options) -> dict[str, str]:
    """Return the headers with a wait, in the forms of several APIs."""
    headers = {name: options[option] for option, name in WAIT_HEADERS.items() if options[option]}
    if options["retry-date"] and not options["retry-after"]:
        until = time.time() + float(options["retry-date"])
        return {"Retry-After": formatdate(until, usegmt=True), **headers}
    return headers


def _instead(response: Response, reply: Response) -> Script:
    """Send `reply` and nothing of the answer."""
    return replace(healthy(reply), intended=len(response.body) or len(reply.body), whole=())


def _bad_gateway(response: Response, _: Options, __: str) -> Script:
    return _instead(response, Response(502, HTML, content_type="text/html"))


def _html(response: Response, _: Options, __: str) -> Script:
    return _instead(response, Response(200, HTML, content_type="text/html"))


def _object(response: Response, _: Options, __: str) -> Script:
    return _instead(response, json_response(200, OTHER_OBJECT))


def _empty(response: Response, _: Options, __: str) -> Script:
    return _instead(response, Response(200, b""))


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


def _silence(response: Response, _: Options, __: str) -> Script:
    return Script(None, b"", b"", intended=len(response.body), whole=(), ending="silence")


def _reset_before(response: Response, _: Options, __: str) -> Script:
    return Script(None, b"", b"", intended=len(response.body), whole=(), ending="reset")


def _reset_headers(response: Response, _: Options, __: str) -> Script:
    script = healthy(response)
    return replace(
        script, head=script.head[: len(script.head) // 2], body=b"", whole=(), ending="reset"
    )


def _cut(response: Response, options: Options) -> Script:
    """Send part of the body under the length of the whole."""
    length = cut_point(response, float(options["fraction"]))
    return replace(
        healthy(response), body=response.body[:length], whole=whole_within(response.spans, length)
    )


def _reset_body(response: Response, options: Options, _: str) -> Script:
    return replace(_cut(response, options), ending="reset")


def _reset_after(response: Response, _: Options, __: str) -> Script:
    return replace(healthy(response), ending="reset")


def _close_body(response: Response, options: Options, _: str) -> Script:
    return replace(_cut(response, options), ending="close")


def _truncated(response: Response, options: Options, _: str) -> Script:
    script = _cut(response, options)
    return replace(script, head=head(response, len(script.body)))


def _damaged(damage: Damage) -> Callable[[Response, Options, str], Script]:
    def shape(response: Response, _: Options, __: str) -> Script:
        body = damage.apply(response.body)
        whole = damage.whole(response.body) if response.occurrences else ()
        return replace(healthy(response), head=head(response, len(body)), body=body, whole=whole)

    return shape


_IF_TOLD = ", with a header that tells the wait if an option says so"
_CUT = {"fraction": "0.5"}
_WAIT = {"retry-after": "", "retry-date": "", **dict.fromkeys(WAIT_HEADERS, "")}
_DRIP = {"delay": "0.05", "bytes": "16", "head": "0"}

NOT_CONSUMED = (
    Fault("401", "answers 401 with JSON", _says(401), consumed=False),
    Fault("403", "answers 403 with JSON", _says(403), consumed=False),
    Fault("404", "answers 404 with JSON", _says(404), consumed=False),
    Fault("429", f"answers 429{_IF_TOLD}", _says(429, wait=True), consumed=False, options=_WAIT),
    Fault("redirect", "answers 302 to another path here", _redirect, consumed=False),
)
NOTHING_ARRIVES = (
    Fault("500", "answers 500 with JSON", _says(500)),
    Fault("502", "answers 502 with HTML", _bad_gateway),
    Fault("503", f"answers 503{_IF_TOLD}", _says(503, wait=True), options=_WAIT),
    Fault("silence", "reads the request and never answers", _silence),
    Fault("reset-before", "breaks the connection before any byte", _reset_before),
    Fault("reset-headers", "breaks the connection in the middle of the headers", _reset_headers),
    Fault("html", "answers 200 with an HTML page", _html),
    Fault("object", "answers 200 with an object that has no orders", _object),
    Fault("empty", "answers 200 with no body", _empty),
)
SOMETHING_ARRIVES = (
    Fault(
        "slow",
        "sends the body, with :head the headers too, in small pieces",
        _slow,
        carries=True,
        options=_DRIP,
    ),
    Fault(
        "reset-body",
        "breaks the connection when part of the body has arrived",
        _reset_body,
        carries=True,
        options=_CUT,
    ),
    Fault("reset-after", "breaks the connection when all has arrived", _reset_after, carries=True),
    Fault(
        "close-body",
        "closes in order when part of the body has arrived",
        _close_body,
        carries=True,
        options=_CUT,
    ),
    Fault(
        "truncated",
        "answers with part of the body as if it were all",
        _truncated,
        carries=True,
        options=_CUT,
    ),
    Fault("content-type", "sends the right body as text/plain", _content_type, carries=True),
    Fault(
        "invalid-utf8",
        "has a byte that is no UTF-8 inside one order",
        _damaged(DAMAGED["invalid-utf8"]),
        carries=True,
    ),
)
DAMAGED_PAGES = tuple(
    Fault(f"damaged-{kind}", f"the page {damage.sentence}", _damaged(damage), carries=True)
    for kind, damage in DAMAGED.items()
)

FAULTS: dict[str, Fault] = {
    fault.name: fault
    for fault in (*NOT_CONSUMED, *NOTHING_ARRIVES, *SOMETHING_ARRIVES, *DAMAGED_PAGES)
}
"""Each kind of fault by its name."""
