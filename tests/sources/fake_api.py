"""An API of a few lines, asked without a network: a function from request to JSON."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from orderpull.landing.local import LocalSourceLanding
from orderpull.settings import SourceSettings
from orderpull.sources.http.limits import Stop
from orderpull.sources.http.messages import Request, Response, ResponseSink
from orderpull.sources.pull import PullResult, ResumePoint, Source
from orderpull.sources.spec.reader import parse_api

Say = Callable[[Request], Any]
"""Gives JSON, or a whole answer."""

ORDER_BLOCK = """
[order]
id = "id"
number = "id"
modified_at = "changed"
[order.lines]
path = "lines"
sku = "sku"
quantity = "n"
"""
"""The part of an API file that says where id, stamp and lines of an order are."""


class Waits(Stop):
    """Lets nobody wait. :ivar waited: for how long they would have."""

    def __init__(self) -> None:
        super().__init__()
        self.waited: list[float] = []

    def wait(self, seconds: float) -> bool:
        self.waited.append(seconds)
        return False


class FakeApi:
    """A source of the API that *text* describes, answered by *say*.

    :ivar requests: what was asked.
    """

    def __init__(self, folder: Path, text: str, say: Say, **settings: Any) -> None:
        given = {"base_url": "https://shop.test", "start": "2026-01-01", **settings}
        self.requests: list[Request] = []
        self.say = say
        self.landing = LocalSourceLanding(folder / "landing", "shop")
        self.landing.prepare()
        self.stop = Waits()
        self.api = parse_api(text, "test.toml")
        self.settings = SourceSettings(api="test.toml", **given)

    def pull(self, on_page: Callable[[PullResult], None] = lambda _: None) -> PullResult:
        """Pull once, from where the landing is."""
        source = Source("shop", self.settings, self.api, send=self._send)
        return source.pull(self.landing, ResumePoint(), self.stop, on_page)

    @property
    def queries(self) -> list[dict[str, str]]:
        """The query of each request."""
        return [dict(parse_qsl(urlsplit(each.target).query)) for each in self.requests]

    def _send(self, request: Request, _: ResponseSink) -> Response:
        self.requests.append(request)
        said = self.say(request)
        return said if isinstance(said, Response) else Response(200, {}, json.dumps(said).encode())


def query(request: Request) -> dict[str, str]:
    """The query of *request*."""
    return dict(parse_qsl(urlsplit(request.target).query))
