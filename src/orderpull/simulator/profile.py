"""Profiles: the part of the simulator that knows one API and responds to its requests."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable
from urllib.parse import parse_qsl, urlsplit

from .model import Occurrence

JSON_TYPE = "application/json"


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came in.

    `target` is the path with its query; the names of `headers` are lower-case. With `keep_alive`
    the client may use the connection again.
    """

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    keep_alive: bool = True

    @property
    def path(self) -> str:
        """The path without the query."""
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        """The parameters of the query; a repeated parameter has its last value."""
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))


@dataclass(frozen=True, slots=True)
class Response:
    """The response of a profile.

    `occurrences` are the orders in the body, `spans` their start and end in bytes (end excluded).
    `consumed`: these orders will not be handed out again. `listed`: it is a page of orders, which
    may be empty.
    """

    status: int
    body: bytes
    content_type: str = JSON_TYPE
    headers: Mapping[str, str] = field(default_factory=dict)
    occurrences: tuple[Occurrence, ...] = ()
    spans: tuple[tuple[int, int], ...] = ()
    consumed: bool = False
    listed: bool = False


class Profile(Protocol):
    """One simulated API. The server calls `respond` for one request at a time."""

    @property
    def name(self) -> str:
        """The profile's name."""

    @property
    def seed(self) -> int | None:
        """The seed its orders come from, or None."""

    @property
    def exhausted(self) -> bool:
        """True once all orders are handed out."""

    def respond(self, request: Request) -> Response:
        """Respond to one request; a consume-once profile hands out its next orders."""


@runtime_checkable
class StatefulShop(Protocol):
    """A profile whose orders can be requested again and may change."""

    def truth(self) -> dict[str, Any]:
        """Return the contents of a correct warehouse for the shop as it is now."""

    def kind(self, request: Request) -> str:
        """Return the purpose of a request, such as `list`."""


def json_response(status: int, value: object, headers: Mapping[str, str] | None = None) -> Response:
    """Return a JSON response that hands out no orders."""
    return Response(status, dump_json(value), headers=headers or {})


def dump_json(value: object) -> bytes:
    """Return JSON as servers send it: without blanks, with letters beyond ASCII as they are."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
