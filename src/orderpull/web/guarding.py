"""What keeps the pages to those they are for: hosts, methods, and what a browser may load."""

import ipaddress
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

QUERY_AT_MOST = 16_384
HEADERS = {
    "content-security-policy": "default-src 'self'; base-uri 'none'; object-src 'none'; "
    "form-action 'self'; frame-ancestors 'none'; img-src 'self' data:",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


class Guard:
    """Lets through what is read by GET or HEAD at an address of this machine.

    The host is looked at since a page elsewhere can have its own name lead to 127.0.0.1, and
    would then be let to read what stands here.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
            await send(message)

        refused = refusal(scope)
        await (refused or self.app)(scope, receive, with_headers)


def refusal(scope: Scope) -> PlainTextResponse | None:
    """Why a request is not let through, if it is not."""
    if scope["method"] not in {"GET", "HEAD"}:
        return PlainTextResponse("Pages are only read here.\n", 405, {"allow": "GET, HEAD"})
    if len(scope["query_string"]) > QUERY_AT_MOST:
        return PlainTextResponse("The address is too long.\n", 414)
    if not is_loopback(_host(Headers(scope=scope).get("host", ""))):
        return PlainTextResponse("This is served to this machine only: use 127.0.0.1.\n", 421)
    return None


def _host(header: str) -> str:
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""


def is_loopback(host: str) -> bool:
    """Whether *host* is this machine, as only itself can reach it."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
