"""What trials are made on: the mirror of a file, or a platform that somebody wrote by hand."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from orderpull.conform.auth_server import credentials
from orderpull.conform.mirror import SIZE, Mirror
from orderpull.conform.rendering import Renderer
from orderpull.conform.virtual_wait import NotedWaits
from orderpull.simulator import platform
from orderpull.simulator.platforms import CLIENT_ID, CLIENT_SECRET, PASSWORD, TOKEN, USER
from orderpull.simulator.platforms.base import Platform
from orderpull.simulator.platforms.order import StoreOrder
from orderpull.sources.spec.api import Api, built_in, read_api

AGO = timedelta(hours=1)
"""The shop's clock is so far behind this machine's: whatever happens in it has happened."""

STEP = 0.1
"""Seconds that pass in the shop with each call."""

EXPIRES_AFTER = 3
"""Calls that a token is good for, where it is to run out midway."""


class Stage(Protocol):
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

    def open(self, waits: NotedWaits, **switches: Any) -> Platform:  # noqa: ANN401 - its own
        """A shop with these switches, whose client waits as *waits* notes."""

    def truth(self, shop: Platform) -> dict[str, Any]:
        """What a correct warehouse holds of *shop*, by the ids that the file reads."""

    def name_of(self, shop: Platform, order: StoreOrder) -> str:
        """The id that the file reads of *order*."""


def _common(switches: Mapping[str, Any]) -> dict[str, Any]:
    now = datetime.now(UTC).replace(microsecond=0) - AGO
    return {"now": now, "step": STEP, "same_stamp": 4, **switches}


@dataclass(frozen=True)
class MirrorStage:
    """The mirror of an API's file."""

    api: Api
    file: str
    name: str = "mirror"

    @classmethod
    def of(cls, name: str, folder: Path) -> "MirrorStage":
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

    def open(self, waits: NotedWaits, **switches: Any) -> Mirror:  # noqa: ANN401
        """A shop with these switches, whose client waits as *waits* notes."""
        return Mirror(self.api, waited=lambda: waits.total, **_common(switches))

    def truth(self, shop: Platform) -> dict[str, Any]:
        """What a correct warehouse holds of *shop*, by the ids that the file reads."""
        return shop.truth()

    def name_of(self, shop: Platform, order: StoreOrder) -> str:  # noqa: ARG002
        """The id that the file reads of *order*."""
        renderer = Renderer(self.api)
        return renderer.identity(renderer.document(order))


@dataclass(frozen=True)
class PlatformStage:
    """A platform of the simulator, which knows nothing of the file.

    :param lets_in: the settings that let a source in.
    :param renewable: instead of those, where tokens run out; None: they never do.
    :param switches: of the platform, for every trial; and further ones, where tokens run out.
    :param by_key: whether the file knows orders by a number that is not the platform's own id.
    """

    name: str
    lets_in: Mapping[str, str]
    renewable: Mapping[str, str] | None = None
    switches: Mapping[str, Any] = field(default_factory=dict)
    expiry: Mapping[str, Any] = field(default_factory=dict)
    by_key: bool = False

    @property
    def api(self) -> Api:
        """The built-in file of the same name."""
        return read_api(self.name, Path())

    @property
    def file(self) -> str:
        """The file, as the settings name it."""
        return self.name

    def credentials(self) -> Mapping[str, str]:
        """The settings that let a source in."""
        return self.renewable or self.lets_in

    def expiring(self) -> Mapping[str, Any] | None:
        """Switches with which a token runs out midway; None where it never does."""
        if self.renewable is None:
            return None
        return {"expires_after": EXPIRES_AFTER, **self.expiry}

    def open(self, waits: NotedWaits, **switches: Any) -> Platform:  # noqa: ANN401, ARG002
        """A shop with these switches. Its clock is its own, and goes on when it refuses."""
        return platform(self.name, **_common({**self.switches, **switches}))

    def truth(self, shop: Platform) -> dict[str, Any]:
        """What a correct warehouse holds of *shop*, by the ids that the file reads."""
        return shop.truth(lambda order: self.name_of(shop, order))

    def name_of(self, shop: Platform, order: StoreOrder) -> str:
        """The id that the file reads of *order*."""
        return str(order.key) if self.by_key else shop.store.id(order)


_CLIENT = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
_TOKEN = {"token": TOKEN}

PLATFORM_STAGES = {
    stage.name: stage
    for stage in (
        PlatformStage("extensiv", _TOKEN),
        PlatformStage("medusa", _TOKEN, {"user": USER, "password": PASSWORD}),
        PlatformStage(
            "shopify", _TOKEN, _CLIENT, {"bulk_fails": True}, {"permanent": False}, by_key=True
        ),
        PlatformStage("shopify-rest", _TOKEN, _CLIENT, {}, {"permanent": False}),
        PlatformStage("vendure", _TOKEN, {"user": USER, "password": PASSWORD}),
        PlatformStage("woocommerce", {"token": f"{CLIENT_ID}:{CLIENT_SECRET}"}),
    )
}
"""The platforms that there is both a built-in file and a simulated server of."""


def page_size(api: Api) -> int:
    """Orders on a page of a trial."""
    if api.paging.size_param:
        return min(SIZE, api.paging.max_size or SIZE)
    counted = api.paging.kind in {"page", "offset"}
    return api.paging.size if counted and api.paging.size else SIZE
