"""Authentication: the client and the user of a request, by session, token or proxy header."""

import hmac
import ipaddress
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Literal

from starlette.datastructures import Headers
from starlette.types import Scope

from orderpull.settings import WebSettings

SESSION_SECONDS = 12 * 3600
MAX_REVOKED = 10_000
MAX_NAME_LENGTH = 200
MAX_HOPS = 20

COOKIE, SECURE_COOKIE = "orderpull", "__Host-orderpull"
"""Names of the session cookie. Browsers accept a ``__Host-`` cookie over https only, and send it
to this host only."""

Method = Literal["open", "password", "proxy", "token"]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Client:
    """The machine that sent a request.

    :param address: IP address; '' if unknown.
    :param secure: the request came over https.
    :param proxy_user: name of the user that a trusted proxy signed in; '' without a user.
    """

    address: str
    secure: bool
    proxy_user: str = ""

    @property
    def cookie(self) -> str:
        """Name of the client's session cookie."""
        return SECURE_COOKIE if self.secure else COOKIE


@dataclass(frozen=True, slots=True)
class User:
    """An authenticated user.

    :param method: the authentication; ``open`` if no sign-in is configured.
    """

    method: Method
    name: str = ""

    @property
    def may_see_addresses(self) -> bool:
        """True for a person who signed in, as opposed to a program with a token."""
        return self.method in {"password", "proxy"}


class Sessions:
    """The sessions of one process: signed cookies that keep a browser signed in for some hours.

    A session is not stored: it holds its expiry, a random number, and a MAC of both. Only sessions
    that are revoked before their expiry are remembered. The key belongs to this process, so a
    restart ends all sessions; a change of the settings needs a restart.

    :param now: clock, in seconds since 1970.
    """

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._key = secrets.token_bytes(32)
        self._revoked: dict[str, int] = {}
        self._revoked_until = 0
        self._lock = threading.Lock()

    def create(self) -> str:
        """Create a session."""
        payload = f"{int(self._now()) + SESSION_SECONDS}.{secrets.token_urlsafe(16)}"
        return f"{payload}.{self._mac(payload)}"

    def is_valid(self, session: str) -> bool:
        """True if *session* was created here, has not expired, and is not revoked."""
        return self._expiry_of(session) is not None

    def revoke(self, session: str) -> None:
        """Revoke *session*.

        Beyond :data:`MAX_REVOKED`, every session that expires no later than the last of them is
        revoked, which bounds memory and never revives a revoked session.
        """
        expiry = self._expiry_of(session)
        if expiry is None:
            return
        with self._lock:
            now = self._now()
            self._revoked = {each: end for each, end in self._revoked.items() if end > now}
            if len(self._revoked) >= MAX_REVOKED:
                self._revoked_until = max(self._revoked_until, *self._revoked.values(), expiry)
                self._revoked.clear()
            self._revoked[session] = expiry

    def _expiry_of(self, session: str) -> int | None:
        """Expiry of *session*, in seconds since 1970; None if it is not valid."""
        payload, _, mac = session.rpartition(".")
        if not hmac.compare_digest(mac.encode(), self._mac(payload).encode()):
            return None
        expiry = int(payload.partition(".")[0])
        if expiry <= max(self._now(), self._revoked_until) or session in self._revoked:
            return None
        return expiry

    def _mac(self, payload: str) -> str:
        return hmac.digest(self._key, payload.encode(), "sha256").hex()


class Authenticator:
    """Authenticates requests by the settings in ``[web]``."""

    def __init__(self, web: WebSettings, sessions: Sessions) -> None:
        self.web = web
        self.sessions = sessions
        self._proxies = [ipaddress.ip_network(text) for text in web.trusted_proxy]

    def authenticate(self, scope: Scope) -> User | None:
        """Return the user of a request, or None if it must sign in first."""
        if not self.web.signs_in:
            return User("open")
        headers = Headers(scope=scope)
        if self._has_token(headers):
            return User("token")
        client = self.client(scope)
        if client.proxy_user:
            return User("proxy", client.proxy_user)
        if self.web.password_hash and self.sessions.is_valid(session_of(headers, client)):
            return User("password")
        return None

    def client(self, scope: Scope) -> Client:
        """Return the client of a request.

        Forwarding headers are read only if the connection comes from a trusted proxy, because any
        client can send them.
        """
        peer = _address((scope.get("client") or ("",))[0])
        secure = scope["scheme"] == "https"
        if not self._is_proxy(peer):
            return Client(str(peer or ""), secure)
        headers = Headers(scope=scope)
        by_https = single_header(headers, "x-forwarded-proto") == "https"
        address = self._forwarded_address(peer, headers)
        return Client(address, secure or by_https, self._proxy_user(headers))

    def _has_token(self, headers: Headers) -> bool:
        scheme, _, token = single_header(headers, "authorization").partition(" ")
        if not self.web.token or scheme.lower() != "bearer":
            return False
        return hmac.compare_digest(token.strip().encode(), self.web.token.encode())

    def _is_proxy(self, address: Address | None) -> bool:
        return address is not None and any(address in network for network in self._proxies)

    def _forwarded_address(self, peer: Address | None, headers: Headers) -> str:
        """The last address of ``X-Forwarded-For`` that is not a trusted proxy.

        The addresses before it are ignored, because a client can write them.
        """
        hops = ",".join(headers.getlist("x-forwarded-for")).split(",")
        for hop in reversed(hops[-MAX_HOPS:]):
            address = _address(hop.strip())
            if address is None:
                break
            peer = address
            if not self._is_proxy(address):
                break
        return str(peer or "")

    def _proxy_user(self, headers: Headers) -> str:
        """Name in the proxy's header; '' if the header is repeated or holds a list."""
        name = single_header(headers, self.web.proxy_header or "").strip()
        is_name = len(name) <= MAX_NAME_LENGTH and name.isprintable() and "," not in name
        return name if self.web.proxy_header and is_name else ""


def session_of(headers: Headers, client: Client) -> str:
    """The session in a request's cookie; '' if there is no cookie, or more than one."""
    try:
        cookies = SimpleCookie(single_header(headers, "cookie"))
    except CookieError:
        return ""
    return cookies[client.cookie].value if client.cookie in cookies else ""


def single_header(headers: Headers, name: str) -> str:
    """The value of a header that occurs once; '' if it is missing or repeated."""
    values = headers.getlist(name)
    return values[0] if len(values) == 1 else ""


def _address(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
