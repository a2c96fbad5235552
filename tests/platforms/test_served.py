"""Every platform behind the simulator's server: faults, the call log, the truth, the program."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from orderpull.simulator import Simulator
from orderpull.simulator.shop import PASSWORD, TOKEN, USER, movers
from tests.platforms.first_pages import SHOPIFY_SHORT, WOO_IN_QUERY, WOO_PATH
from tests.platforms.medusa import SECRET_KEY
from tests.platforms.registry import PLATFORMS, platform
from tests.simulator.client import Got, get

if TYPE_CHECKING:
    from orderpull.simulator.shop.base import Platform


ROOT = Path(__file__).resolve().parents[2]


class Call(NamedTuple):
    """The list call of a platform, for its first page."""

    target: str
    body: bytes | None = None
    headers: dict[str, str] = {}  # noqa: RUF012 - nobody changes it

    def made(self, url: str) -> Got:
        return get(url, self.target, "POST" if self.body else "GET", self.body, self.headers)


SHOPIFY = {"X-Shopify-Access-Token": TOKEN}
VENDURE = {"Authorization": f"Bearer {TOKEN}-1"}
STAFF = b64encode(f"{USER}:{PASSWORD}".encode()).decode()
CALLS = {
    "extensiv": Call("/v1.1/orders?limit=5", None, {"Authorization": f"Bearer {TOKEN}"}),
    "medusa": Call("/admin/orders?limit=5", None, {"Authorization": f"Basic {SECRET_KEY}"}),
    "oscar": Call("/api/admin/orders/", None, {"Authorization": f"Basic {STAFF}"}),
    "shopify": Call(
        "/admin/api/2026-10/graphql.json", json.dumps({"query": SHOPIFY_SHORT}).encode(), SHOPIFY
    ),
    "shopify-rest": Call("/admin/api/2026-10/orders.json?limit=5", None, SHOPIFY),
    "vendure": Call(
        "/admin-api",
        b'{"query":"{orders(options:{take:5}){items{id}}}"}',
        VENDURE,
    ),
    "woocommerce": Call(
        f"{WOO_PATH}?per_page=5&" + "&".join(f"{k}={v}" for k, v in WOO_IN_QUERY.items())
    ),
}


def made(name: str, **switches: Any) -> Platform:
    """A shop in which the token of the list call is good already."""
    pages = {"page_size": 5} if name == "oscar" else {}  # its pages have no parameter of a size
    shop = platform(name, orders=40, **pages, **switches)
    if name == "vendure":
        shop._tokens.issue()  # type: ignore[attr-defined] # as a login would
    return shop


def test_every_platform_is_called_here() -> None:
    assert set(CALLS) == set(PLATFORMS)


@pytest.mark.parametrize("name", PLATFORMS)
def test_the_log_tells_kinds_and_orders_and_the_truth_is_the_shops(name: str) -> None:
    shop = made(name, moves={1: movers.delete(1)})
    with Simulator(shop) as simulator:
        assert CALLS[name].made(simulator.url).status == 200
        get(simulator.url, "/nowhere")
        truth = simulator.truth()
    assert truth == shop.truth()
    assert len(truth["deleted"]) == 1
    listed, nowhere = simulator.requests
    assert (listed.kind, nowhere.kind) == ("list", "other")
    assert len(listed.orders) == 5
    assert not listed.consumed


@pytest.mark.parametrize("name", PLATFORMS)
def test_faults_strike_every_platform(name: str) -> None:
    faults = ["429:retry-after=7@1", "502@2", "truncated@3", "reset-body@4", "html@5"]
    with Simulator(made(name), faults) as simulator:
        limited = CALLS[name].made(simulator.url)
        assert (limited.status, limited.headers["Retry-After"]) == (429, "7")
        assert CALLS[name].made(simulator.url).body.startswith(b"<!DOCTYPE html>")
        with pytest.raises(ValueError, match=r"char|Unterminated|Expecting|utf-8"):
            json.loads(CALLS[name].made(simulator.url).body)
        with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
            CALLS[name].made(simulator.url)
        assert CALLS[name].made(simulator.url).status == 200
        whole = CALLS[name].made(simulator.url)
    assert json.loads(whole.body)
    assert [call.kind for call in simulator.requests] == ["list"] * 6


@pytest.mark.parametrize("name", PLATFORMS)
def test_a_page_can_be_repeated_and_a_call_refused(name: str) -> None:
    shop = made(name, repeat=[2], refuse=[2], moves={1: movers.modify(5, served=False)})
    with Simulator(shop) as simulator:
        first, refused, repeated = (CALLS[name].made(simulator.url) for _ in range(3))
    assert first.body == repeated.body
    assert refused.body != first.body
    assert refused.status == 429 or b"THROTTLED" in refused.body


def test_switches_are_checked() -> None:
    with pytest.raises(ValueError, match="unknown platform 'shopfy'; there are extensiv, medusa"):
        platform("shopfy")
    for name in PLATFORMS:
        with pytest.raises(TypeError, match=f"{name} has no switch exclusive"):
            platform(name, exclusive=True)


@pytest.mark.parametrize("name", PLATFORMS)
def test_live_shops_have_the_time_of_this_machine(name: str) -> None:
    shop = platform(name, orders=30, seed=2, live=True)
    assert shop.name == name
    assert shop.clock.now.year >= 2026
    assert len(shop.store.orders) == 30


@pytest.mark.slow
def test_a_platform_is_served_until_a_signal(tmp_path: Path) -> None:
    words = [
        "shopify-rest",
        "--port",
        "0",
        "--orders",
        "30",
        "--fault",
        "404@1",
        "--switch",
        "step=2",
    ]
    log = tmp_path / "calls.jsonl"
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "tests.platforms", *words, "--log", str(log)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as process:
        try:
            assert process.stdout
            url = process.stdout.readline().split()[2]
            statuses = [CALLS["shopify-rest"].made(url).status for _ in range(2)]
            process.send_signal(signal.SIGTERM)
            out, _ = process.communicate(timeout=20)
        finally:
            process.kill()
    assert statuses == [404, 200]
    assert process.returncode == 128 + signal.SIGTERM
    assert len(out.splitlines()) == len(log.read_text("utf-8").splitlines()) == 2


def test_the_truth_file_tells_the_shop_as_it_is(tmp_path: Path) -> None:
    shop = made("medusa")
    with Simulator(shop, truth=tmp_path / "truth.json"):
        movers.modify(3, served=False)(shop.store)
    told = json.loads((tmp_path / "truth.json").read_text("utf-8"))
    assert told == json.loads(json.dumps(shop.truth()))
