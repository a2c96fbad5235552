"""Politeness: how often to ask, how long to wait when told to, and when to give up."""

import math
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from orderpull.errors import SourceBusy, SourceRefused
from orderpull.simulator import Replay, Simulator, SkubanaAssessment
from orderpull.sources.http.limits import (
    BACKOFF_FIRST,
    BACKOFF_MOST,
    RateLimit,
    Stop,
    backoff,
    retry_after,
)
from orderpull.sources.spec.blocks import LimitsSpec
from tests.sources.shop import ORDINARY, SourceShop, enveloped, record
from tests.sources.wire import Wire, answer, hang_up

ORDERS = [{"orderNumber": f"A-{number}", "orderItems": []} for number in range(100)]


class Waits(Stop):
    """Lets nobody wait, and notes for how long they would have."""

    def __init__(self) -> None:
        super().__init__()
        self.asked_for: list[float] = []

    def wait(self, seconds: float) -> bool:
        self.asked_for.append(seconds)
        return False


def five_pages(folder: Path) -> Replay:
    """An ordinary API with 100 orders, 20 at once: two passes are ten requests."""
    bodies = [enveloped(ORDERS[at : at + 20], 100) for at in range(0, 100, 20)]
    return Replay(record(folder / "rec", bodies, 20))


def test_requests_start_no_faster_than_the_rate(tmp_path: Path) -> None:
    """At the server, five or ten requests take the time that the rate gives them, or more."""
    for name, api, profile in (
        ("ordinary", "ordinary.toml", five_pages(tmp_path)),
        ("once", "skubana-assessment", SkubanaAssessment(orders=80, per_call=20)),
    ):
        folder = tmp_path / name
        folder.mkdir()
        with Simulator(profile) as simulator:
            SourceShop.at(folder, simulator.url, "rate = 10", api=api).pull()
            times = [datetime.fromisoformat(call.time) for call in simulator.requests]
        assert len(times) == (10 if name == "ordinary" else 5)
        assert (times[-1] - times[0]).total_seconds() > 0.2


def test_tries_again_keep_to_the_rate_too(tmp_path: Path) -> None:
    """An API that asks for no wait at all is still not asked faster than the rate."""
    profile = SkubanaAssessment(orders=20, per_call=20)
    with Simulator(profile, ["429:retry-after=0@1-3"]) as simulator:
        stop = Waits()
        SourceShop.at(tmp_path, simulator.url, "rate = 0.01").pull(stop=stop)
        assert len(simulator.requests) == 5
    assert len([wait for wait in stop.asked_for if wait > 90]) == 4


def test_without_a_rate_nothing_waits(tmp_path: Path) -> None:
    """An API without limit is asked as fast as it answers."""
    with Simulator(SkubanaAssessment(orders=60, per_call=20)) as simulator:
        stop = Waits()
        SourceShop.at(tmp_path, simulator.url).pull(stop=stop)
    assert stop.asked_for == []


def test_the_rate_is_even_and_never_caught_up() -> None:
    """Late requests are not followed by a burst."""
    stop, limit = Waits(), RateLimit(0.5)
    for _ in range(4):
        limit.wait(stop.wait)
    assert [round(wait) for wait in stop.asked_for] == [2, 4, 6]


WAITS: dict[str, tuple[str, float, float]] = {
    "429:retry-after=7": ("", 7, 7),
    "503:retry-after=7": ("", 7, 7),
    "429:retry-after=0.25": ("", 0.25, 0.25),
    "429:retry-date=40": ("", 35, 40),
    "429": ("", BACKOFF_FIRST / 2, BACKOFF_FIRST),
    "502": ("", BACKOFF_FIRST / 2, BACKOFF_FIRST),
    "429:retry-after=7000": ('wait_unit = "ms"', 7, 7),
}


@pytest.mark.parametrize("fault", WAITS)
def test_a_wait_that_is_asked_for_is_waited_in_full_and_in_its_unit(
    tmp_path: Path, fault: str
) -> None:
    """Seconds, a date, milliseconds: as the API says it; without a word, a short one of ours."""
    limits, least, most = WAITS[fault]
    (tmp_path / "ordinary.toml").write_text(f"{ORDINARY}\n[limits]\n{limits}", encoding="utf-8")
    with Simulator(five_pages(tmp_path), [f"{fault}@2"]) as simulator:
        stop = Waits()
        pulled = SourceShop.at(tmp_path, simulator.url, api="ordinary.toml").pull(stop=stop)
        assert len(simulator.requests) == 11
    assert pulled.error is None
    (wait,) = stop.asked_for
    assert least <= wait <= most


def test_a_consume_once_api_is_waited_for_just_so(tmp_path: Path) -> None:
    """429 took nothing: the wait is waited, and the same request is sent again."""
    with Simulator(SkubanaAssessment(orders=40, per_call=20), ["429:retry-after=9@2"]) as simulator:
        stop = Waits()
        pulled = SourceShop.at(tmp_path, simulator.url).pull(stop=stop)
    assert stop.asked_for == [9.0]
    assert (pulled.error, pulled.orders) == (None, 40)


@pytest.mark.parametrize(
    ("header", "more"), [("901", ""), ("86400", ""), ("8", "max_seconds = 5"), ("1e300", "")]
)
def test_a_wait_longer_than_the_run_may_ends_the_source(
    tmp_path: Path, header: str, more: str
) -> None:
    """Nothing is waited: an error that says how long, exit 1, and the next run goes on."""
    refused = answer(b"{}", f"Retry-After: {header}", status="429 Too Many Requests")
    with Wire([refused, answer(enveloped(ORDERS[:19], 19))]) as wire:
        shop = SourceShop.at(tmp_path, wire.url, more, api="ordinary.toml")
        stop = Waits()
        pulled = shop.pull(stop=stop)
        assert isinstance(pulled.error, SourceBusy)
        assert "longer than this run may" in pulled.error.message
        assert pulled.error.exit_code == 1
        assert stop.asked_for == []
        assert len(wire.requests) == 1
        assert shop.pull().error is None


def test_tries_are_bounded_and_waits_between_them_grow(tmp_path: Path) -> None:
    """Five tries, four waits, each about double the one before, never all the same."""
    with Simulator(five_pages(tmp_path), ["503"]) as simulator:
        stop = Waits()
        pulled = SourceShop.at(tmp_path, simulator.url, "page_size = 1", api="ordinary.toml").pull(
            stop=stop
        )
        assert len(simulator.requests) == 5 + 3  # the next three orders are tried once
    assert isinstance(pulled.error, SourceBusy)
    assert len(stop.asked_for) == 4
    for tried, wait in enumerate(stop.asked_for, start=1):
        most = BACKOFF_FIRST * 2 ** (tried - 1)
        assert most / 2 <= wait <= most


def test_nobody_listening_is_tried_within_bounds_too(tmp_path: Path) -> None:
    """A server that refuses connections is asked five times, and nothing is noted as in flight."""
    with Simulator(SkubanaAssessment()) as simulator:
        url = simulator.url
    shop, stop = SourceShop.at(tmp_path, url), Waits()
    pulled = shop.pull(stop=stop)
    assert "Nothing listens at 127.0.0.1" in str(pulled.error)
    assert len(stop.asked_for) == 4
    assert (shop.in_flight(), shop.pages()) == ([], [])


@pytest.mark.parametrize("status", ["401", "403", "404"])
def test_a_refusal_is_not_repeated(tmp_path: Path, status: str) -> None:
    """What no repetition makes better is asked once."""
    with Simulator(five_pages(tmp_path), [f"{status}@1"]) as simulator:
        pulled = SourceShop.at(tmp_path, simulator.url, api="ordinary.toml").pull(stop=Waits())
        assert len(simulator.requests) == 1
    assert isinstance(pulled.error, SourceRefused)


def test_backoff_is_bounded_and_jittered() -> None:
    """Even after many failures a wait is half a minute at most; two are hardly ever the same."""
    assert all(BACKOFF_MOST / 2 <= backoff(tries) <= BACKOFF_MOST for tries in range(10, 60))
    assert len({backoff(3) for _ in range(10)}) > 1


ASKED: dict[str, tuple[float, float] | None] = {
    "": None,
    "soon": None,
    "nan": None,
    "inf": None,
    "-5": (0, 0),
    "0": (0, 0),
    " 12 ": (12, 12),
    "1.5": (1.5, 1.5),
    "Sun, 06 Nov 1994 08:49:37 GMT": (0, 0),
    "Sun, 99 Nov 1994 08:49:37 GMT": None,
}


@pytest.mark.parametrize("text", ASKED)
def test_what_a_header_asks_for(text: str) -> None:
    """Seconds or a date; nonsense is no wait, and the past is none either."""
    wait = retry_after({"retry-after": text}, LimitsSpec())
    expected = ASKED[text]
    if expected is None:
        assert wait is None
    else:
        assert wait is not None
        assert expected[0] <= wait <= expected[1]
        assert math.isfinite(wait)


@pytest.mark.parametrize(("hours", "least", "most"), [(1, 3500, 3600), (-1, 0, 0)])
def test_a_date_is_a_wait_until_then(hours: int, least: float, most: float) -> None:
    """An hour ahead is an hour; an hour ago is no wait."""
    text = format_datetime(datetime.now(UTC) + timedelta(hours=hours), usegmt=True)
    wait = retry_after({"retry-after": text}, LimitsSpec())
    assert wait is not None
    assert least <= wait <= most


def test_another_header_and_another_unit() -> None:
    """The API file names header and unit."""
    limits = LimitsSpec(wait_header="X-Wait-Ms", wait_unit="ms")
    assert retry_after({"x-wait-ms": "1500", "retry-after": "99"}, limits) == 1.5
    assert retry_after({"retry-after": "99"}, limits) is None


def test_an_ordinary_api_is_read_over_one_connection(tmp_path: Path) -> None:
    """Five pages, twice, one connection, beside the one that tries whether it can be reached."""
    with Simulator(five_pages(tmp_path)) as simulator:
        shop = SourceShop.at(tmp_path, simulator.url, api="ordinary.toml")
        shop.pull()
        assert len({call.connection for call in simulator.requests}) == 1
        assert len(simulator.requests) == 10
    assert simulator.connections == 1


def test_a_consume_once_api_gets_a_connection_for_each_request(tmp_path: Path) -> None:
    """No request ever rides on a connection that another request has used."""
    with Simulator(SkubanaAssessment(orders=60, per_call=20)) as simulator:
        SourceShop.at(tmp_path, simulator.url).pull()
        assert len({call.connection for call in simulator.requests}) == 4
    assert simulator.connections == 4


def test_a_connection_closed_between_two_pages_costs_nothing(tmp_path: Path) -> None:
    """A server that hangs up after each answer: every page once, no retry, no wait."""

    def page_then_hang_up(at: int) -> Callable[..., None]:
        def say(connection: socket.socket) -> None:
            connection.sendall(answer(enveloped(ORDERS[at : at + 20], 100)))
            hang_up(connection)

        return say

    with Wire([page_then_hang_up(at) for at in range(0, 100, 20)] * 2) as wire:
        shop, stop = SourceShop.at(tmp_path, wire.url, api="ordinary.toml"), Waits()
        pulled = shop.pull(stop=stop)
        assert (len(wire.requests), wire.connections) == (10, 10)
    assert (pulled.error, pulled.orders, stop.asked_for) == (None, 100, [])


def test_a_failed_source_leaves_the_others_alone(tmp_path: Path) -> None:
    """One source is told to come back tomorrow; the other is read in the same run."""
    with (
        Simulator(SkubanaAssessment(orders=40, per_call=20), ["429:retry-after=86400"]) as busy,
        Simulator(SkubanaAssessment(orders=40, per_call=20, seed=2)) as well,
    ):
        shop = SourceShop(tmp_path, {"busy": busy.url, "well": well.url})
        result = shop.run()
        assert result.exit_code == 1
        assert isinstance(result.sources["busy"].error, SourceBusy)
        assert result.sources["well"].error is None
        assert shop.orders() == well.truth()["orders"]
