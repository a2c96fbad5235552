"""Login: a person allows the access in a browser, and the token that comes of it is kept.

The authorization code of OAuth 2.0 (RFC 6749, 4.1). The browser is sent back to this machine
(RFC 8252, 7.3), or its last address is pasted where the browser runs elsewhere.
"""

import hmac
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

from orderpull.errors import OrderpullError, SettingsError, SourceError, SourceRefused
from orderpull.landing import open_landing
from orderpull.settings import Settings
from orderpull.sources.endpoint import Endpoint
from orderpull.sources.spec.api import read_api

HOST = "127.0.0.1"
LOOPBACK = frozenset({HOST, "localhost"})
PATH = "/callback"
PASTED = 8765
"""The port in the address that is pasted, where nothing listens, and no other was named."""

LOOK = 0.2
"""Seconds between two looks at whether the browser came back, or somebody pressed Ctrl-C."""

_SILENT_SECONDS = 10.0
_WORDS = 120
"""Characters of an API's own words that are told."""

_TOLD = """<!doctype html><html lang="en"><meta charset="utf-8"><title>orderpull</title>
<body style="font: 1.1rem/1.5 sans-serif; max-width: 40rem; margin: 4rem auto; padding: 0 1rem">
<h1 style="font-size: 1.4rem">{}</h1><p>{}</p></body></html>"""


@dataclass(frozen=True, slots=True)
class Back:
    """Where the API sends the browser back to, as it is registered with the app.

    :param uri: the redirect URI.
    :param port: of this machine, where it is waited for; None if the URI is of another machine.
    """

    uri: str
    port: int | None

    @classmethod
    def of(cls, uri: str | None, port: int) -> "Back":
        """*uri*, or one of this machine with *port*; 0 stands for any that is free.

        :raises SettingsError: *uri* is no address that a browser could be sent to.
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
                f"--redirect-uri {uri!r} is no address that a browser is sent back to.",
                "Give the one that is registered with the app, such as http://127.0.0.1:8765/.",
            )
        here = parts.scheme == "http" and parts.hostname in LOOPBACK
        return cls(uri, (own or 80) if here else None)

    @property
    def elsewhere(self) -> "Back":
        """The same, where nobody waits: the address is pasted."""
        return Back(self.uri.replace("{port}", str(self.port or PASTED)), None)


class Login:
    """The login of one source, under way.

    :param back: where the browser is sent back to.
    :raises OrderpullError: the source knows no such login, or its token could not be kept.
    """

    def __init__(self, settings: Settings, name: str, back: Back) -> None:
        source = settings.chosen((name,))[name]
        api = read_api(source.api, settings.folder)
        self.name = name
        self.endpoint = Endpoint(name, source, api)
        self.authorization = self.endpoint.authorization
        self._check()
        self.landing = open_landing(settings.landing, settings.folder).source(name)
        self.landing.prepare()
        self.authorization.keep_in(self.landing)
        self.back = back.uri
        self._state = secrets.token_urlsafe(24)

    @property
    def url(self) -> str:
        """Where a person allows the access."""
        return self.authorization.authorize_url(self.back, self._state)

    def finish(self, url: str) -> None:
        """Take the address that the browser was sent back to, and keep the token that it brings.

        :raises SourceRefused: the access was not allowed, or the address is not of this login.
        :raises SourceError: the API gave no token.
        :raises LandingError: it could not be kept.
        """
        query = {key: values[0] for key, values in parse_qs(urlsplit(url.strip()).query).items()}
        if not hmac.compare_digest(query.get("state", "").encode(), self._state.encode()):
            raise SourceRefused(
                "The address that came back is not of this login: its state is another one.",
                f"Run `orderpull login {self.name}` again, and use the page that it opens.",
            )
        if "code" not in query:
            error = query.get("error_description") or query.get("error") or "no code came back"
            told = "".join(c for c in error[:_WORDS] if c.isprintable())
            raise SourceRefused(
                f"The access to source {self.name!r} was not allowed: {told}.",
                "Allow it there, as a user who may; then run the same again.",
            )
        try:
            with self.landing.pulling():
                self.authorization.got_by(query["code"], self.back)
        except SourceError as error:
            raise self.endpoint.named(error) from None

    def _check(self) -> None:
        """Whether there is anything to log in to. :raises SettingsError: there is not."""
        spec, source = self.authorization.spec, self.endpoint.settings
        where = f"[sources.{self.name}]"
        if source.token is not None:
            raise SettingsError(
                f"{where} has a token, which is all that its API needs.", "There is no login to do."
            )
        if spec.token is None or spec.token.grant != "authorization_code":
            how = "signs in by itself" if spec.token else "takes a token, or needs none"
            raise SettingsError(f"{where} {how}.", "There is no login to do.")


class Waiting:
    """Waits on this machine for the browser to be sent back.

    :param back: where to; a port that is in use is told.
    """

    def __init__(self, back: Back) -> None:
        self._ended = threading.Event()
        self._once = threading.Lock()
        self._came = False
        self._error: OrderpullError | None = None
        self._finish: Callable[[str], None] | None = None
        self._server = _listen(back.port or 0, self._answer, self._told)
        self.back = Back(back.uri.replace("{port}", str(self._server.server_port)), back.port)
        self._path = urlsplit(self.back.uri).path or "/"

    def __enter__(self) -> Self:
        thread = threading.Thread(target=self._server.serve_forever, args=(LOOK,), daemon=True)
        thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def wait(self, login: Login, seconds: float) -> None:
        """Wait until *login* is finished.

        :raises SourceRefused: nobody came within *seconds*.
        :raises OrderpullError: it went as :meth:`Login.finish` says.
        """
        self._finish = login.finish
        until = time.monotonic() + seconds
        while not self._ended.wait(LOOK):
            if time.monotonic() > until:
                raise SourceRefused(
                    f"Nobody allowed the access to source {login.name!r} within {seconds:g} s.",
                    f"Run `orderpull login {login.name}` again; --paste where the browser runs on "
                    "another machine.",
                )
        if self._error is not None:
            raise self._error

    def _answer(self, target: str) -> tuple[int, str]:
        """Status and page for a browser that asks for *target*."""
        if urlsplit(target).path != self._path or self._finish is None:
            return 404, _TOLD.format("Not here", "Nothing is waited for at this address.")
        with self._once:
            if not self._came:
                self._came = True
                try:
                    self._finish(target)
                except OrderpullError as error:
                    self._error = error
        if self._error is not None:
            return 400, _TOLD.format("That did not work", "orderpull says why in its terminal.")
        return 200, _TOLD.format("Signed in", "You can close this page; orderpull goes on.")

    def _told(self) -> None:
        """A browser has its page."""
        if self._came:
            self._ended.set()


def _listen(
    port: int, answer: Callable[[str], tuple[int, str]], told: Callable[[], None]
) -> ThreadingHTTPServer:
    """A server on this machine alone.

    :param answer: is told what is asked for, and gives status and page.
    :param told: is called once a page was sent.
    """

    class Asked(BaseHTTPRequestHandler):
        timeout = _SILENT_SECONDS

        def do_GET(self) -> None:
            status, page = answer(self.path)
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
            told()

        def log_message(self, *_: object) -> None:
            """Say nothing: the code stands in the address."""

    try:
        server = ThreadingHTTPServer((HOST, port), Asked)
    except OSError as error:
        raise SettingsError(
            f"Port {port} of this machine cannot be listened at: {error.strerror}.",
            "Close what uses it, or give another --port.",
        ) from None
    server.daemon_threads = True
    return server
