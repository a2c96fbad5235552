"""Security middleware: host check, methods, same-origin check against CSRF, sign-in, headers."""

import asyncio
import ipaddress
from collections.abc import Collection
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orderpull.web.auth import Authenticator, single_header

MAX_QUERY_BYTES = 16_384
MAX_HEADER_BYTES = 32_768
"""Bytes of all headers together."""

SECURITY_HEADERS = {
    "content-security-policy": "default-src 'self'; base-uri 'none'; object-src 'none'; "
    "form-action 'self'; frame-ancestors 'none'; img-src 'self' data:",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    # With no-referrer, browsers would send "Origin: null", and every form would be refused.
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
POST_PATHS = frozenset({"/sign-in", "/sign-out"})
"""Paths that accept POST."""

PROXY_HEADERS = ("forwarded", "via", "x-forwarded-for", "x-real-ip")
"""Headers that proxies add. Such a request comes from another machine, whatever its connection."""

PUBLIC_PATHS = POST_PATHS | {"/healthz", "/readyz"}
"""Paths that need no sign-in, besides ``/static``."""

JSON_PATHS = ("/api/", "/metrics", "/healthz", "/readyz")
"""Paths for programs; their errors are JSON."""


class SecurityMiddleware:
    """Lets GET and HEAD requests through that name a known host and come from a signed-in user.

    The host check stops DNS rebinding: a page elsewhere can point its own name to this machine.

    :param hosts: further names of this server, besides localhost.
    """

    def __init__(self, app: ASGIApp, auth: Authenticator, hosts: Collection[str] = ()) -> None:
        self.app = app
        self.auth = auth
        self.hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
            await send(message)

        answer: ASGIApp = self.refusal(scope) or self.app
        try:
            await answer(scope, receive, send_with_headers)
        except asyncio.CancelledError:
            # The server shuts down and its grace period is over.
            if started:
                raise
            closing = _error_response(scope, 503, "The server is shutting down.")
            await closing(scope, receive, send_with_headers)

    def refusal(self, scope: Scope) -> Response | None:
        """Return the response that refuses a request; None if it may pass."""
        headers, path = Headers(scope=scope), scope["path"]
        if invalid := _invalid(scope):
            return invalid
        if not self._is_known_host(headers, scope):
            return _error_response(
                scope, 421, "This server is not known under that name.",
                "Use 127.0.0.1, or add the name to hosts in [web] of orderpull.toml.",
            )  # fmt: skip
        if not self.auth.web.signs_in and any(name in headers for name in PROXY_HEADERS):
            return _error_response(
                scope, 403, "This request came through a proxy, and no sign-in is configured.",
                "Set a password, a token or a proxy_header in [web] of orderpull.toml.",
            )  # fmt: skip
        if scope["method"] == "POST" and not is_same_origin(headers):
            return _error_response(scope, 403, "This form was sent from a page of another site.")
        scope["user"] = self.auth.authenticate(scope)
        if scope["user"] or path in PUBLIC_PATHS or path.startswith("/static/"):
            return None
        return _sign_in_required(scope, headers)

    def _is_known_host(self, headers: Headers, scope: Scope) -> bool:
        """True if the Host header is localhost, one of *hosts*, or the server's own address.

        An address is safe: DNS rebinding needs a name.
        """
        host = _host(single_header(headers, "host"))
        server = (scope.get("server") or ("",))[0]
        return bool(host) and (is_loopback(host) or host in self.hosts or host == server)


def _invalid(scope: Scope) -> Response | None:
    allowed = {"GET", "HEAD"} | ({"POST"} if scope["path"] in POST_PATHS else set())
    if scope["method"] not in allowed:
        response = _error_response(scope, 405, "The pages are read-only.")
        response.headers["allow"] = "GET, HEAD"
        return response
    if len(scope["query_string"]) > MAX_QUERY_BYTES:
        return _error_response(scope, 414, "The address is too long.")
    if sum(len(name) + len(value) for name, value in scope["headers"]) > MAX_HEADER_BYTES:
        return _error_response(scope, 431, "The headers are too long.")
    return None


def is_same_origin(headers: Headers) -> bool:
    """True if the browser says that a form comes from one of our pages (CSRF protection).

    Browsers send ``Sec-Fetch-Site`` over https and to localhost, and ``Origin`` always. A request
    without both headers is refused.
    """
    site, origin = single_header(headers, "sec-fetch-site"), single_header(headers, "origin")
    same_origin = origin.partition("://")[2] == single_header(headers, "host")
    return (site or origin) != "" and site in {"", "same-origin"} and (not origin or same_origin)


def _sign_in_required(scope: Scope, headers: Headers) -> Response:
    if scope["path"].startswith(JSON_PATHS):
        response = _error_response(
            scope, 401, "Sign-in is required.",
            "Send the header Authorization: Bearer TOKEN, with token of [web] in orderpull.toml.",
        )  # fmt: skip
        response.headers["www-authenticate"] = 'Bearer realm="orderpull"'
        return response
    target = scope["path"] + ("?" + scope["query_string"].decode("latin-1")).rstrip("?")
    address = "/sign-in?next=" + quote(target, safe="")
    if headers.get("hx-request") == "true":
        return Response(status_code=401, headers={"hx-redirect": address})
    return RedirectResponse(address, 303)


def _error_response(scope: Scope, status: int, message: str, hint: str = "") -> Response:
    if scope["path"].startswith(JSON_PATHS):
        return JSONResponse({"error": message, "hint": hint}, status)
    return PlainTextResponse(f"{message} {hint}".strip() + "\n", status)


def _host(header: str) -> str:
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""


def is_loopback(host: str) -> bool:
    """True if *host* is the loopback address, which only this machine can reach."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
