"""The targets of trials: a mirror that is made of an API file."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from orderpull.conform.auth_server import credentials
from orderpull.conform.mirror import SIZE, Mirror
from orderpull.conform.rendering import Renderer
from orderpull.conform.virtual_wait import VirtualWait
from orderpull.simulator.shop.base import Platform
from orderpull.simulator.shop.order import StoreOrder
from orderpull.sources.spec.api import Api
from orderpull.sources.spec.reader import built_in, read_api

AGO = timedelta(hours=1)
"""The shop's clock is so far behind this machine's: whatever happens in it has happened."""

STEP = 0.1
"""Seconds that pass in the shop with each call."""

EXPIRES_AFTER = 3
"""Calls that a token is good for, where it is to run out midway."""


class Target(Protocol):
    """A kind of shop that trials can be made on."""

    @property
    def name(self) -> str:
        """What it is called in messages."""

    @property
    def api(self) -> Api:
        """The file that is tried."""

    @property
    def file(self) -> str:
        """The file, as the settings name it."""

    def credentials(self) -> Mapping[str, str]:
        """The settings that let a source in."""

    def expiring(self) -> Mapping[str, Any] | None:
        """Switches with which a token runs out midway; None where it never does."""

    def open(self, waits: VirtualWait, **switches: Any) -> Platform:  # noqa: ANN401 - its own
        """A shop with these switches, whose client waits as *waits* notes."""

    def truth(self, shop: Platform) -> dict[str, Any]:
        """What a correct warehouse holds of *shop*, by the ids that the file reads."""

    def name_of(self, shop: Platform, order: StoreOrder) -> str:
        """The id that the file reads of *order*."""


def shop_switches(switches: Mapping[str, Any]) -> dict[str, Any]:
    """The switches of a trial's shop: its clock, equal stamps, and *switches* of the case."""
    now = datetime.now(UTC).replace(microsecond=0) - AGO
    return {"now": now, "step": STEP, "same_stamp": 4, **switches}


@dataclass(frozen=True)
class MirrorTarget:
    """The mirror of an API's file."""

    api: Api
    file: str
    name: str = "mirror"

    @classmethod
    def of(cls, name: str, folder: Path) -> "MirrorTarget":
        """The mirror of a built-in API, or of a file. :raises ApiFileError: it is wrong."""
        api = read_api(name, folder)
        return cls(api, name if name in built_in() else str((folder / name).absolute()))

    def credentials(self) -> Mapping[str, str]:
        """The settings that let a source in."""
        return credentials(self.api)

    def expiring(self) -> Mapping[str, Any] | None:
        """Switches with which a token runs out midway; None where it never does."""
        token = self.api.auth.token
        if token is None or token.grant == "authorization_code":
            return None
        return {"expires_after": EXPIRES_AFTER}

    def open(self, waits: VirtualWait, **switches: Any) -> Mirror:  # noqa: ANN401
        """A shop with these switches, whose client waits as *waits* notes."""
        return Mirror(self.api, waited=lambda: waits.total, **shop_switches(switches))

    def truth(self, shop: Platform) -> dict[str, Any]:
        """What a correct warehouse holds of *shop*, by the ids that the file reads."""
        return shop.truth()

    def name_of(self, shop: Platform, order: StoreOrder) -> str:  # noqa: ARG002
        """The id that the file reads of *order*."""
        renderer = Renderer(self.api)
        return renderer.identity(renderer.document(order))


def page_size(api: Api) -> int:
    """Orders on a page of a trial."""
    if api.paging.size_param:
        return min(SIZE, api.paging.max_size or SIZE)
    counted = api.paging.kind in {"page", "offset"}
    return api.paging.size if counted and api.paging.size else SIZE
