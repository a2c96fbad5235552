"""Two clients that see what a server really does: one over a raw socket, one over http.client."""

from __future__ import annotations

import http.client
import json
import socket
from typing import Any, NamedTuple
from urllib.parse import urlsplit

GET_ORDERS = b"GET /orders HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n"
GET_AND_STAY = b"GET /orders HTTP/1.1\r\nHost: shop\r\n\r\n"


class Seen(NamedTuple):
    """All bytes that came, and the end: `closed`, `reset`, or `open` when nothing more came."""

    raw: bytes
    end: str

    @property
    def head(self) -> bytes:
        return self.raw.partition(b"\r\n\r\n")[0]

    @property
    def body(self) -> bytes:
        return self.raw.partition(b"\r\n\r\n")[2]

    @property
    def promised(self) -> int:
        """The Content-Length of the answer."""
        lengths = [line for line in self.head.splitlines() if line.startswith(b"Content-Length: ")]
        return int(lengths[0].split()[1])


class Got(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def connect(url: str) -> socket.socket:
    address = urlsplit(url)
    assert address.hostname
    assert address.port
    return socket.create_connection((address.hostname, address.port), timeout=10)


def talk(url: str, request: bytes = GET_ORDERS, patience: float = 5.0) -> Seen:
    """Send the bytes and read until the end, or until nothing came for `patience` seconds."""
    with connect(url) as connection:
        connection.settimeout(patience)
        connection.sendall(request)
        raw = b""
        while True:
            try:
                piece = connection.recv(65_536)
            except ConnectionResetError:
                return Seen(raw, "reset")
            except TimeoutError:
                return Seen(raw, "open")
            if not piece:
                return Seen(raw, "closed")
            raw += piece


def get(
    url: str,
    target: str = "/orders",
    method: str = "GET",
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> Got:
    """One request on a connection of its own; the exceptions of http.client as they come."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    try:
        connection.request(method, target, body, headers or {})
        response = connection.getresponse()
        return Got(response.status, dict(response.getheaders()), response.read())
    finally:
        connection.close()
