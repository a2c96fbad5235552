"""Login by OAuth 2.0's authorization code (RFC 6749, 4.1): a person allows access in a browser.

A callback server on this machine receives the browser's redirect (RFC 8252, 7.3). If the browser
runs on another machine, the person pastes the URL of the redirect.
"""

import hmac
import secrets
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qs, urlsplit

from orderpull.errors import OrderpullError, SettingsError, SourceError, SourceRefused
from orderpull.landing import open_landing
from orderpull.settings import Settings
from orderpull.sources.endpoint import Endpoint
from orderpull.sources.spec.reader import read_api

HOST = "127.0.0.1"
LOOPBACK = frozenset({HOST, "localhost"})
PATH = "/callback"
PASTE_PORT = 8765
"""Default port of the redirect URI if the URL is pasted; nothing listens on it."""

POLL_SECONDS = 0.2
"""Seconds between two checks for the redirect; Ctrl-C takes effect as quickly."""

_SILENT_SECONDS = 10.0
MAX_ERROR_LENGTH = 120
"""Characters of an API's error text that are shown."""

_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>orderpull</title>
<body style="font: 1.1rem/1.5 sans-serif; max-width: 40rem; margin: 4rem auto; padding: 0 1rem">
<h1 style="font-size: 1.4rem">{}</h1><p>{}</p></body></html>"""


@dataclass(frozen=True, slots=True)
class RedirectUri:
    """The URI to which the API redirects the browser, as registered with the app.

    :param uri: may contain ``{port}``, for a port that is known later.
    :param port: port of the callback server on this machine; None if the URI names another machine.
    """

    uri: str
    port: int | None

    @classmethod
    def of(cls, uri: str | None, port: int) -> "RedirectUri":
        """Parse *uri*; without one, use a URI of this machine with *port* (0: any free port).

        :raises SettingsError: *uri* is not an HTTP URL that a browser can be redirected to.
        """
        if uri is None:
            return cls(f"http://{HOST}:{{port}}{PATH}", port)
        try:
            parts = urlsplit(uri)
            own = parts.port
        except ValueError:
            parts, own = urlsplit(""), None
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.fragment:
            raise SettingsError(
                f"--redirect-uri {uri!r} is not a URL that a browser can be sent to.",
                "Use the one that is registered with the app, such as http://127.0.0.1:8765/.",
            )
        is_local = parts.scheme == "http" and parts.hostname in LOOPBACK
        return cls(uri, (own or 80) if is_local else None)

    @property
    def for_paste(self) -> "RedirectUri":
        """The same URI without a callback server: the person pastes the URL."""
        return RedirectUri(self.uri.replace("{port}", str(self.port or PASTE_PORT)), None)


class Login:
    """One login of one source.

    :raises OrderpullError: the source has no such login, or its landing cannot store the token.
    """

    def __init__(self, settings: Settings, name: str, redirect_uri: RedirectUri) -> None:
        source = settings.chosen((name,))[name]
        api = read_api(source.api, settings.folder)
        self.name = name
        self.endpoint = Endpoint(name, source, api)
        self.authenticator = self.endpoint.authenticator
        if source.token is not None:
            raise SettingsError(
                f"[sources.{name}] has a token, which is all its API needs.", "No login is needed."
            )
        spec = self.authenticator.spec
        if spec.token is None or spec.token.grant != "authorization_code":
            how = "signs in by itself" if spec.token else "needs a token at most"
            raise SettingsError(f"[sources.{name}] {how}.", "No login is needed.")
        self.landing = open_landing(settings.landing, settings.folder).source(name)
        self.landing.prepare()
        self.authenticator.use_store(self.landing)
        self.redirect_uri = redirect_uri.uri
        self._state = secrets.token_urlsafe(24)

    @property
    def url(self) -> str:
        """The page on which a person allows access."""
        return self.authenticator.authorize_url(self.redirect_uri, self._state)

    def finish(self, url: str) -> None:
        """Exchange the code in the redirect's *url* for a token, and store the token.

        :raises SourceRefused: access was not allowed, or *url* belongs to another login.
        :raises SourceError: the API returned no token.
        :raises LandingError: the token could not be stored.
        """
        query = {key: values[0] for key, values in parse_qs(urlsplit(url.strip()).query).items()}
        if not hmac.compare_digest(query.get("state", "").encode(), self._state.encode()):
            raise SourceRefused(
                "The URL does not belong to this login: its state differs.",
                f"Run `orderpull login {self.name}` again, and use the page that it opens.",
            )
        if "code" not in query:
            error = query.get("error_description") or query.get("error") or "no code came back"
            text = "".join(c for c in error[:MAX_ERROR_LENGTH] if c.isprintable())
            raise SourceRefused(
                f"Access to source {self.name!r} was not allowed: {text}.",
                "Allow it as a user who may do so; then run the same command again.",
            )
        try:
            with self.landing.pulling():
                self.authenticator.exchange_code(query["code"], self.redirect_uri)
        except SourceError as error:
            raise self.endpoint.with_source(error) from None


class CallbackServer(ThreadingHTTPServer):
    """The HTTP server on this machine that receives the browser's redirect.

    :raises SettingsError: the port is in use.
    """

    daemon_threads = True

    def __init__(self, redirect_uri: RedirectUri) -> None:
        self._ended = threading.Event()
        self._once = threading.Lock()
        self._received = False
        self._error: OrderpullError | None = None
        self._login: Login | None = None
        port = redirect_uri.port or 0
        try:
            super().__init__((HOST, port), _CallbackHandler)
        except OSError as error:
            raise SettingsError(
                f"Cannot listen on port {port} of this machine: {error.strerror}.",
                "Close the program that uses it, or choose another --port.",
            ) from None
        uri = redirect_uri.uri.replace("{port}", str(self.server_port))
        self.redirect_uri = RedirectUri(uri, redirect_uri.port)
        self._path = urlsplit(uri).path or "/"

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(POLL_SECONDS,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    def expect(self, login: Login) -> None:
        """Finish *login* with the next redirect; to be called before its URL is shown."""
        self._login = login

    def wait(self, seconds: float) -> None:
        """Wait until the expected login is finished.

        :raises SourceRefused: no redirect arrived within *seconds*.
        :raises OrderpullError: :meth:`Login.finish` failed.
        """
        name = self._login.name if self._login else ""
        until = time.monotonic() + seconds
        while not self._ended.wait(POLL_SECONDS):
            if time.monotonic() > until:
                raise SourceRefused(
                    f"Nobody allowed access to source {name!r} within {seconds:g} s.",
                    f"Run `orderpull login {name}` again; add --paste if the browser runs on "
                    "another machine.",
                )
        if self._error is not None:
            raise self._error

    def answer(self, target: str) -> tuple[int, str]:
        """Return the status and the page for a request of *target*."""
        if urlsplit(target).path != self._path or self._login is None:
            return 404, _PAGE.format("Not found", "Nothing is expected at this address.")
        with self._once:
            if not self._received:
                self._received = True
                try:
                    self._login.finish(target)
                except OrderpullError as error:
                    self._error = error
        if self._error is not None:
            return 400, _PAGE.format("That did not work", "The terminal shows the reason.")
        return 200, _PAGE.format("Signed in", "You can close this page; orderpull goes on.")

    def page_sent(self) -> None:
        """End the wait once the browser has its page."""
        if self._received:
            self._ended.set()


class _CallbackHandler(BaseHTTPRequestHandler):
    server: CallbackServer
    timeout = _SILENT_SECONDS

    def do_GET(self) -> None:
        status, page = self.server.answer(self.path)
        body = page.encode()
        self.send_response(status)
        for name, value in (
            ("Content-Type", "text/html; charset=utf-8"),
            ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store"),
            ("Referrer-Policy", "no-referrer"),
            ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.server.page_sent()

    def log_message(self, *_: object) -> None:
        """Log nothing, because the URL contains the code."""
