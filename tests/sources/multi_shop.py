"""Many small shops behind one address, each below a path of its own."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from orderpull.simulator.profile import Request, Response
from orderpull.simulator.shop.generic import Generic
from tests.sources.shop import SourceShop
from tests.sources.signing import WAYS


class MultiShop:
    """A profile of many shops: the first part of the path says which.

    :param slow: shops that ask everybody to wait, in seconds.
    :ivar asked: when each was asked, in ``time.monotonic`` seconds.
    """

    name = "street"
    seed = None
    exhausted = True

    def __init__(
        self,
        names: Iterable[str],
        make: Callable[[int], Generic],
        slow: dict[str, float] | None = None,
    ) -> None:
        self.shops = {name: make(number) for number, name in enumerate(names)}
        self.slow = slow or {}
        self.asked: dict[str, list[float]] = defaultdict(list)
        self._lock = threading.Lock()

    def respond(self, request: Request) -> Response:
        """What the shop of that name answers."""
        name, _, rest = request.target.lstrip("/").partition("/")
        with self._lock:
            self.asked[name].append(time.monotonic())
        if name in self.slow:
            return Response(429, b"{}", headers={"Retry-After": str(self.slow[name])})
        return self.shops[name].respond(replace(request, target=f"/{rest}"))


def shops(folder: Path, urls: dict[str, str], more: str = "") -> SourceShop:
    """A folder with settings for the shops at *urls*."""
    WAYS["none"].shop(folder, "http://127.0.0.1:1")
    api = (folder / "api.toml").read_text("utf-8").replace("[cursor]", 'total = "total"\n[cursor]')
    (folder / "api.toml").write_text(api, encoding="utf-8")
    return SourceShop(folder, urls, api="api.toml", more=f'start = "2020-01-01"\n{more}')
