"""The simulator as a process of its own."""

import json
import signal
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import FrameType
from typing import Any, Unpack

from .profile import Profile
from .replay import Replay
from .server import Call, Simulator
from .shop.generic import Generic
from .skubana import SkubanaAssessment, StreamSwitches

PROFILES = (SkubanaAssessment.name, Generic.name, Replay.name)
"""The names of all profiles."""


ARGUMENTS = {
    SkubanaAssessment.name: frozenset(
        {"orders", "seed", "endless", "malformed", "versions", "per_call"}
    ),
    Generic.name: frozenset({"orders", "seed", "days", "switch"}),
    Replay.name: frozenset({"folder", "token"}),
}
"""The arguments that each profile reads."""


class Shop(StreamSwitches, total=False):
    """Arguments of SkubanaAssessment."""

    per_call: int


def make_profile(
    name: str = SkubanaAssessment.name,
    *,
    folder: Path | None = None,
    token: str | None = None,
    switches: Mapping[str, object] | None = None,
    **shop: Unpack[Shop],
) -> Profile:
    """Return the profile of this name (one of PROFILES).

    `folder` (required) and `token` belong to `replay`, `shop` to `skubana-assessment`. `generic`
    reads `orders` and `seed` of `shop`, and `switches` of its own. Arguments of another profile are
    ignored. ValueError for an unknown name or switch, or a value out of range.
    """
    match name:
        case SkubanaAssessment.name:
            return SkubanaAssessment(**shop)
        case Generic.name:
            return _generic(shop, switches or {})
        case Replay.name:
            if folder is None:
                raise ValueError("the profile replay needs the folder of the recording")
            return Replay(folder, token=token)
    raise ValueError(f"unknown profile {name!r}; there are {', '.join(PROFILES)}")


def _generic(shop: Shop, switches: Mapping[str, Any]) -> Generic:
    try:
        return Generic(
            **{"orders": shop.get("orders", 200), "seed": shop.get("seed", 1), **switches}
        )
    except TypeError as error:
        raise ValueError(str(error)) from None


GENERIC_FILE = Path(__file__).parent / "shop" / "generic.toml"
"""The API file of the profile `generic` with its usual switches."""

_FITTING = frozenset({"auth=bearer", "auth=none"})


def fits_its_file(switches: Iterable[str]) -> bool:
    """Return True if GENERIC_FILE describes the profile `generic` with these `switches`."""
    return set(switches) <= _FITTING


def ignored(name: str, arguments: Iterable[str]) -> list[str]:
    """Return the `arguments` that other profiles read and the profile `name` does not."""
    anybody = frozenset().union(*ARGUMENTS.values())
    return [each for each in arguments if each in anybody - ARGUMENTS.get(name, anybody)]


def credentials(profile: Profile) -> Mapping[str, str]:
    """Return what lets a client in, by the names of orderpull's settings; empty: anybody may."""
    match profile:
        case Generic():
            return profile.credentials
        case Replay(token=str(token)):
            return {"token": token}
    return {}


def switch(text: str) -> tuple[str, object]:
    """Return name and value of `NAME=VALUE`; a value that is not JSON is a text.

    A NAME alone is switched on. ValueError for a text without a name.
    """
    name, equals, value = text.partition("=")
    if not name:
        raise ValueError(f"a switch is NAME=VALUE, not {text!r}")
    try:
        return name, json.loads(value) if equals else True
    except ValueError:
        return name, value


def rate_or_count(text: str) -> float:
    """Return what `malformed` takes: a number of orders (int) for digits, else a share (float).

    ValueError for anything else.
    """
    return int(text) if text.strip().isdecimal() else float(text)


def serve_forever(
    profile: Profile,
    *,
    port: int = 0,
    faults: Iterable[str] = (),
    latency: float = 0.0,
    log: Path | None = None,
    truth: Path | None = None,
    on_ready: Callable[[str], None] | None = None,
    on_call: Callable[[Call], None] | None = None,
) -> int:
    """Serve `profile` until SIGINT or SIGTERM and return that signal's number.

    Works in the main thread only. `on_ready` receives the base address once it can be called,
    `on_call` each request before its response goes out. The other arguments, ValueError and OSError
    are those of Simulator.
    """
    simulator = Simulator(
        profile, faults, port=port, log=log, truth=truth, latency=latency, gate=on_call
    )
    received: list[int] = []
    over = threading.Event()

    def end(number: int, _: FrameType | None) -> None:
        received.append(number)
        over.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with simulator:
            if on_ready is not None:
                on_ready(simulator.url)
            over.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return received[0]
