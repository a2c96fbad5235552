"""What keeps the pages to those they are for: hosts, methods, sign-in, what a browser may load."""

import asyncio
import ipaddress
from collections.abc import Collection
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orderpull.web.auth import Door, only

QUERY_AT_MOST = 16_384
HEADERS_AT_MOST = 32_768
"""Bytes of all headers together."""

HEADERS = {
    "content-security-policy": "default-src 'self'; base-uri 'none'; object-src 'none'; "
    "form-action 'self'; frame-ancestors 'none'; img-src 'self' data:",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    # Not no-referrer: with it, browsers would not say of a form whether it is one of ours.
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
FORMS = frozenset({"/sign-in", "/sign-out"})
"""What is answered by POST."""

BY_PROXIES = ("forwarded", "via", "x-forwarded-for", "x-real-ip")
"""Headers that proxies add: who asks is not on this machine, though the connection is."""

OPEN = FORMS | {"/healthz", "/readyz"}
"""What is answered to everybody, besides ``/static``."""

FOR_PROGRAMS = ("/api/", "/metrics", "/healthz", "/readyz")
"""What is answered in JSON when it fails; the rest is for people."""


class Guard:
    """Lets through what is read by GET or HEAD, under a name of ours, by whoever may see it.

    The host is looked at since a page elsewhere can have its own name lead to this machine, and
    would then be let to read what stands here.

    :param hosts: the names of ours, besides this machine's.
    """

    def __init__(self, app: ASGIApp, door: Door, hosts: Collection[str] = ()) -> None:
        self.app = app
        self.door = door
        self.hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        begun = False

        async def with_headers(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
            await send(message)

        answer: ASGIApp = self.refusal(scope) or self.app
        try:
            await answer(scope, receive, with_headers)
        except asyncio.CancelledError:
            # The server ends, and has waited as long as it would.
            if begun:
                raise
            await _refused(scope, 503, "The pages are being closed.")(scope, receive, with_headers)

    def refusal(self, scope: Scope) -> Response | None:
        """Why a request is not let through, if it is not."""
        headers, path = Headers(scope=scope), scope["path"]
        if unfit := _unfit(scope):
            return unfit
        if not self._is_ours(headers, scope):
            return _refused(
                scope, 421, "This is not served under that name.",
                "Use 127.0.0.1, or add the name to hosts in [web] of orderpull.toml.",
            )  # fmt: skip
        if not self.door.web.signs_in and any(name in headers for name in BY_PROXIES):
            return _refused(
                scope, 403, "This came through a proxy, and nobody has to sign in here.",
                "Set a password, a token or a proxy_header in [web] of orderpull.toml.",
            )  # fmt: skip
        if scope["method"] == "POST" and not is_from_here(headers):
            return _refused(scope, 403, "This form was sent from another page than ours.")
        scope["visitor"] = self.door.visitor(scope)
        if scope["visitor"] or path in OPEN or path.startswith("/static/"):
            return None
        return _sign_in_first(scope, headers)

    def _is_ours(self, headers: Headers, scope: Scope) -> bool:
        """Whether the host is this machine, a name of ours, or the address that was connected to.

        The last is safe: no name leads a browser to an address and shows it as one.
        """
        host = _host(only(headers, "host"))
        server = (scope.get("server") or ("",))[0]
        return bool(host) and (is_loopback(host) or host in self.hosts or host == server)


def _unfit(scope: Scope) -> Response | None:
    """What is refused whoever asks: it would change something, or is too long."""
    forms = {"POST"} if scope["path"] in FORMS else set()
    if scope["method"] not in {"GET", "HEAD"} | forms:
        said = _refused(scope, 405, "Nothing is changed here, only read.")
        said.headers["allow"] = "GET, HEAD"
        return said
    if len(scope["query_string"]) > QUERY_AT_MOST:
        return _refused(scope, 414, "The address is too long.")
    if sum(len(name) + len(value) for name, value in scope["headers"]) > HEADERS_AT_MOST:
        return _refused(scope, 431, "The headers are too long.")
    return None


def is_from_here(headers: Headers) -> bool:
    """Whether a browser says that a form is one of our own pages'; who says nothing is refused.

    ``Sec-Fetch-Site`` is told to https and to this machine, ``Origin`` to all.
    """
    site, origin = only(headers, "sec-fetch-site"), only(headers, "origin")
    same_origin = origin.partition("://")[2] == only(headers, "host")
    return (site or origin) != "" and site in {"", "same-origin"} and (not origin or same_origin)


def _sign_in_first(scope: Scope, headers: Headers) -> Response:
    if scope["path"].startswith(FOR_PROGRAMS):
        said = _refused(
            scope, 401, "Only who signs in is answered.",
            "Send the header Authorization: Bearer TOKEN, with token of [web] in orderpull.toml.",
        )  # fmt: skip
        said.headers["www-authenticate"] = 'Bearer realm="orderpull"'
        return said
    asked = scope["path"] + ("?" + scope["query_string"].decode("latin-1")).rstrip("?")
    address = "/sign-in?next=" + quote(asked, safe="")
    if headers.get("hx-request") == "true":
        return Response(status_code=401, headers={"hx-redirect": address})
    return RedirectResponse(address, 303)


def _refused(scope: Scope, status: int, message: str, hint: str = "") -> Response:
    if scope["path"].startswith(FOR_PROGRAMS):
        return JSONResponse({"error": message, "hint": hint}, status)
    return PlainTextResponse(f"{message} {hint}".strip() + "\n", status)


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
