"""The targets of trials: a mirror that is made of an API file, and waits that take no time."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from orderpull.conform.auth_server import credentials
from orderpull.conform.mirror import SIZE, Mirror
from orderpull.conform.rendering import Renderer
from orderpull.simulator.shop.base import Platform
from orderpull.simulator.shop.order import StoreOrder
from orderpull.sources.http.limits import Stop
from orderpull.sources.spec.api import Api
from orderpull.sources.spec.reader import built_in, read_api


class VirtualWait(Stop):
    """A stop token that never stops; its waits end at once.

    :ivar each: the seconds of each wait, in order.
    """

    def __init__(self) -> None:
        super().__init__()
        self.each: list[float] = []

    @property
    def total(self) -> float:
        """The sum of all waits, in seconds."""
        return sum(self.each)

    def child(self, slots: threading.Semaphore | None = None) -> "VirtualWait":  # noqa: ARG002
        """Return this object: all sources share one list of waits."""
        return self

    def wait(self, seconds: float) -> bool:
        """Record a wait of *seconds*."""
        self.each.append(max(0.0, seconds))
        return False


AGO = timedelta(hours=1)
"""Delay of the shop's clock behind this machine's clock, so that its changes lie in the past."""

STEP = 0.1
"""Seconds by which each call moves the shop's clock."""

EXPIRES_AFTER = 3
"""Calls until a token expires, in the case of expiring tokens."""


class Target(ABC):
    """A kind of shop for trials.

    :ivar name: the name in messages. :ivar api: the API file under test.
    :ivar file: the file as the settings name it.
    """

    name: str
    api: Api
    file: str

    def credentials(self) -> Mapping[str, str]:
        """Return the settings with which a source is authenticated."""
        return {}

    def expiring(self) -> Mapping[str, Any] | None:
        """Return switches that let tokens expire in a run; None if tokens never expire."""
        return None

    @abstractmethod
    def open(self, waits: VirtualWait, **switches: Any) -> Platform:  # noqa: ANN401 - its own
        """Return a shop with these switches; *waits* records the waiting of its client."""

    def truth(self, shop: Platform) -> dict[str, Any]:
        """Return the contents of a correct warehouse for *shop*, by the ids that the file reads."""
        return shop.truth()

    def name_of(self, shop: Platform, order: StoreOrder) -> str:
        """Return the id that the file reads of *order*."""
        return shop.store.id(order)


def shop_switches(switches: Mapping[str, Any]) -> dict[str, Any]:
    """The switches of a trial's shop: its clock, equal stamps, and *switches* of the case."""
    now = datetime.now(UTC).replace(microsecond=0) - AGO
    return {"now": now, "step": STEP, "same_stamp": 4, **switches}


@dataclass(frozen=True)
class MirrorTarget(Target):
    """The mirror of an API's file."""

    api: Api
    file: str
    name: str = "mirror"

    @classmethod
    def of(cls, name: str, folder: Path) -> "MirrorTarget":
        """Return the mirror of a built-in API or a file. :raises ApiFileError: it is invalid."""
        api = read_api(name, folder)
        return cls(api, name if name in built_in() else str((folder / name).absolute()))

    def credentials(self) -> Mapping[str, str]:
        """Return the settings with which a source is authenticated."""
        return credentials(self.api)

    def expiring(self) -> Mapping[str, Any] | None:
        """Return switches that let tokens expire in a run; None if tokens never expire."""
        token = self.api.auth.token
        if token is None or token.grant == "authorization_code":
            return None
        return {"expires_after": EXPIRES_AFTER}

    def open(self, waits: VirtualWait, **switches: Any) -> Mirror:  # noqa: ANN401
        """Return a mirror with these switches; *waits* records the waiting of its client."""
        return Mirror(self.api, waited=lambda: waits.total, **shop_switches(switches))

    def name_of(self, shop: Platform, order: StoreOrder) -> str:  # noqa: ARG002
        """Return the id that the file reads of *order*."""
        renderer = Renderer(self.api)
        return renderer.identity(renderer.document(order))


def page_size(api: Api) -> int:
    """Return the page size of a trial."""
    if api.paging.size_param:
        return min(SIZE, api.paging.max_size or SIZE)
    counted = api.paging.kind in {"page", "offset"}
    return api.paging.size if counted and api.paging.size else SIZE
