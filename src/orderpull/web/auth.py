"""Who asks: from where, by which way, and whether they may see what is here."""

import hmac
import ipaddress
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Literal

from starlette.datastructures import Headers
from starlette.types import Scope

from orderpull.settings import WebSettings
from orderpull.web.sessions import Sessions

NAME_AT_MOST = 200
HOPS_AT_MOST = 20

COOKIE, SECURE_COOKIE = "orderpull", "__Host-orderpull"
"""The session's cookie; a browser takes the second one by https alone, and from this host alone."""

Way = Literal["open", "password", "proxy", "token"]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Caller:
    """Where a request comes from.

    :param address: of the machine; '' if it is not known. :param secure: it came by https.
    :param user: whom the proxy names as signed in; '' for nobody.
    """

    address: str
    secure: bool
    user: str = ""

    @property
    def cookie(self) -> str:
        """The name of its session's cookie."""
        return SECURE_COOKIE if self.secure else COOKIE


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who is let in. :param way: ``open``: nobody has to sign in."""

    way: Way
    name: str = ""

    @property
    def may_see_addresses(self) -> bool:
        """Whether it is a person who signed in."""
        return self.way in {"password", "proxy"}


class Door:
    """Tells who is let in."""

    def __init__(self, web: WebSettings, sessions: Sessions) -> None:
        self.web = web
        self.sessions = sessions
        self._proxies = [ipaddress.ip_network(text) for text in web.trusted_proxy]

    def visitor(self, scope: Scope) -> Visitor | None:
        """Who asks, if they may come in."""
        if not self.web.signs_in:
            return Visitor("open")
        headers = Headers(scope=scope)
        if self._has_token(headers):
            return Visitor("token")
        caller = self.caller(scope)
        if caller.user:
            return Visitor("proxy", caller.user)
        if self.web.password_hash and self.sessions.holds(session_of(headers, caller)):
            return Visitor("password")
        return None

    def caller(self, scope: Scope) -> Caller:
        """Where a request comes from.

        A proxy's word is taken from the address that the connection comes from, and from no other:
        anybody can send its headers.
        """
        peer = _address((scope.get("client") or ("",))[0])
        secure = scope["scheme"] == "https"
        if not self._is_proxy(peer):
            return Caller(str(peer or ""), secure)
        headers = Headers(scope=scope)
        by_https = only(headers, "x-forwarded-proto") == "https"
        return Caller(self._before(peer, headers), secure or by_https, self._user(headers))

    def _has_token(self, headers: Headers) -> bool:
        scheme, _, given = only(headers, "authorization").partition(" ")
        if not self.web.token or scheme.lower() != "bearer":
            return False
        return hmac.compare_digest(given.strip().encode(), self.web.token.encode())

    def _is_proxy(self, address: Address | None) -> bool:
        return address is not None and any(address in network for network in self._proxies)

    def _before(self, peer: Address | None, headers: Headers) -> str:
        """The last address on the way here that is no proxy of ours; those before are hearsay."""
        hops = ",".join(headers.getlist("x-forwarded-for")).split(",")
        for hop in reversed(hops[-HOPS_AT_MOST:]):
            address = _address(hop.strip())
            if address is None:
                break
            peer = address
            if not self._is_proxy(address):
                break
        return str(peer or "")

    def _user(self, headers: Headers) -> str:
        """Whom the proxy names, once and plainly. Two names, or a list of them, are none."""
        name = only(headers, self.web.proxy_header or "").strip()
        fits = len(name) <= NAME_AT_MOST and name.isprintable() and "," not in name
        return name if self.web.proxy_header and fits else ""


def session_of(headers: Headers, caller: Caller) -> str:
    """The session that a request brings along; '' if it brings none, or several."""
    try:
        cookies = SimpleCookie(only(headers, "cookie"))
    except CookieError:
        return ""
    return cookies[caller.cookie].value if caller.cookie in cookies else ""


def only(headers: Headers, name: str) -> str:
    """The value of a header that stands there once; '' if it is missing or stands there twice."""
    values = headers.getlist(name)
    return values[0] if len(values) == 1 else ""


def _address(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
