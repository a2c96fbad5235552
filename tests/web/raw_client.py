"""Pages that one has to sign in to, and requests as no browser and no library would send them."""

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
    """A hash that costs next to nothing, for tests that try often."""
    found = hashlib.scrypt(password.encode(), salt=b"salt" * 4, n=16, r=1, p=1, dklen=32)
    salt, text = (base64.b64encode(data).decode().rstrip("=") for data in (b"salt" * 4, found))
    return f"$scrypt$ln=4,r=1,p=1${salt}${text}"


def locked(settings: Settings, **web: Any) -> Settings:
    """*settings* with a password and a token, and with *web* instead."""
    chosen = {"password_hash": quick_hash(PASSWORD), "token": TOKEN, "hosts": [HOST], **web}
    return msgspec.structs.replace(settings, web=WebSettings(**chosen))


@dataclass
class Answer:
    """What came back. :param status: 0: the connection was closed without a word."""

    status: int
    headers: Message
    text: str

    @property
    def session(self) -> str:
        """The cookie that was set, as it is sent back."""
        return (self.headers["set-cookie"] or "").partition(";")[0]

    @property
    def location(self) -> str:
        """Where it leads."""
        return self.headers["location"] or ""


def send(site: str, data: bytes) -> Answer:
    """What the server of *site* answers to these bytes."""
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
    """Ask for *target*, as it is written here, with these header lines besides."""
    lines = [f"{method} {target} HTTP/1.1", "Connection: close", *headers]
    if not any(line.lower().startswith("host:") for line in headers):
        lines.append(f"Host: {urlsplit(site).netloc}")
    if body and not any(line.lower().startswith("content-length:") for line in headers):
        lines.append(f"Content-Length: {len(body)}")
    return send(site, ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body)


def sign_in(site: str, password: str = PASSWORD, *headers: str, next_: str = "/") -> Answer:
    """Send the form, as a browser would from the page itself."""
    return ask(
        site, "/sign-in", f"Origin: {site}", "Sec-Fetch-Site: same-origin",
        "Content-Type: application/x-www-form-urlencoded", *headers, method="POST",
        body=f"password={quote(password)}&next={quote(next_, safe='')}".encode(),
    )  # fmt: skip


def signed_in(site: str) -> str:
    """The header line with the cookie of a new session."""
    answer = sign_in(site)
    assert answer.status == 303, answer.text
    return f"Cookie: {answer.session}"


BEARER = f"Authorization: Bearer {TOKEN}"
