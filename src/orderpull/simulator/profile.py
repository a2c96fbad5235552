"""What a profile is: the part of the simulator that knows one API and answers its requests."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .model import Occurrence

JSON_TYPE = "application/json"


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came in.

    `target` is the path with its query; the names of `headers` are lower-case; `keep_alive` says
    whether the client would use the connection again.
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
        """The parameters of the query; of one given twice, the last."""
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))


@dataclass(frozen=True, slots=True)
class Response:
    """What a profile answers.

    `occurrences` are the orders in the body, `spans` where in the body (bytes, end excluded) each
    of them stands. `consumed` says that these orders will not be handed out again, `listed` that it
    answers a call for a page of orders, with or without some.
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
    """One API as the simulator plays it. The server calls `response` for one request at a time."""

    @property
    def name(self) -> str:
        """The profile's name."""

    @property
    def seed(self) -> int | None:
        """The seed its orders come from, or None."""

    @property
    def exhausted(self) -> bool:
        """Whether all orders it has to hand out are handed out."""

    def respond(self, request: Request) -> Response:
        """Answer one request; a consume-once profile gives its next orders away by this."""


@runtime_checkable
class StatefulShop(Protocol):
    """A profile whose orders can be asked for again and may change."""

    def truth(self) -> dict[str, Any]:
        """Return what a correct warehouse holds of the shop as it is now."""

    def kind(self, request: Request) -> str:
        """Return what a request is for, such as `list`."""


def json_response(status: int, value: object, headers: Mapping[str, str] | None = None) -> Response:
    """Return a JSON response that hands out no orders."""
    return Response(status, dump_json(value), headers=headers or {})


def dump_json(value: object) -> bytes:
    """Return JSON as servers send it: without blanks, with letters beyond ASCII as they are."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
