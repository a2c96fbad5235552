"""A raw HTTP client for requests that no library would send, and settings with a sign-in."""

import base64
import hashlib
import socket
from contextlib import suppress
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPResponse
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec

from orderpull import Settings
from orderpull.settings import WebSettings

PASSWORD = "four words of mine"
TOKEN = "a-token-for-programs-0123456789"
HOST = "orders.example.com"


def quick_hash(password: str) -> str:
    """Hash *password* at the lowest cost, for tests with many attempts."""
    found = hashlib.scrypt(password.encode(), salt=b"salt" * 4, n=16, r=1, p=1, dklen=32)
    salt, text = (base64.b64encode(data).decode().rstrip("=") for data in (b"salt" * 4, found))
    return f"$scrypt$ln=4,r=1,p=1${salt}${text}"


def locked(settings: Settings, **web: Any) -> Settings:
    """*settings* with a password and a token; *web* overrides the settings of ``[web]``."""
    chosen = {"password_hash": quick_hash(PASSWORD), "token": TOKEN, "hosts": [HOST], **web}
    return msgspec.structs.replace(settings, web=WebSettings(**chosen))


@dataclass
class Answer:
    """A response. :param status: 0 if the connection was closed without a response."""

    status: int
    headers: Message
    text: str

    @property
    def session(self) -> str:
        """The session cookie of the response, as a browser sends it back."""
        return (self.headers["set-cookie"] or "").partition(";")[0]

    @property
    def location(self) -> str:
        """Target of the redirect."""
        return self.headers["location"] or ""


def send(site: str, data: bytes) -> Answer:
    """Send raw bytes to the server of *site* and read its response."""
    place = urlsplit(site)
    with socket.create_connection((place.hostname, place.port or 80), timeout=30) as connection:
        with suppress(OSError):  # It may have answered before all was sent.
            connection.sendall(data)
        response = HTTPResponse(connection)
        try:
            response.begin()
            return Answer(response.status, response.headers, response.read().decode())
        except (OSError, ValueError, EOFError):
            return Answer(0, Message(), "")


def ask(
    site: str, target: str = "/", *headers: str, method: str = "GET", body: bytes = b""
) -> Answer:
    """Request *target*, sent unchanged, with these further header lines."""
    lines = [f"{method} {target} HTTP/1.1", "Connection: close", *headers]
    if not any(line.lower().startswith("host:") for line in headers):
        lines.append(f"Host: {urlsplit(site).netloc}")
    if body and not any(line.lower().startswith("content-length:") for line in headers):
        lines.append(f"Content-Length: {len(body)}")
    return send(site, ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body)


def sign_in(site: str, password: str = PASSWORD, *headers: str, next_: str = "/") -> Answer:
    """Send the sign-in form, as a browser would from the page itself."""
    return ask(
        site, "/sign-in", f"Origin: {site}", "Sec-Fetch-Site: same-origin",
        "Content-Type: application/x-www-form-urlencoded", *headers, method="POST",
        body=f"password={quote(password)}&next={quote(next_, safe='')}".encode(),
    )  # fmt: skip


def signed_in(site: str) -> str:
    """Sign in; returns the header line with the session cookie."""
    answer = sign_in(site)
    assert answer.status == 303, answer.text
    return f"Cookie: {answer.session}"


BEARER = f"Authorization: Bearer {TOKEN}"
