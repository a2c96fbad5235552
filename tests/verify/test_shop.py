"""A shop beside the tables: each order that one of them lacks is named, and no other."""

import json
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from orderpull import pipeline
from orderpull.cli import main
from orderpull.settings import parse_settings
from orderpull.simulator import Simulator
from orderpull.sources.reconcile import MissingOrder, MissingOrders
from orderpull.sources.spec.api import Api
from orderpull.sources.spec.reader import read_api
from orderpull.verify import shop as shop_module
from orderpull.verify import verify as verify_module
from orderpull.verify.shop import ShopAndTables
from orderpull.verify.verify import Options, verify
from tests.platforms.recorded import needs_recordings
from tests.verify.platform_shop import CREDENTIALS, DAY, Named, PlatformShop, named, platform_shop
from tests.verify.recorded_shop import Recorded

pytestmark = pytest.mark.slow

MOST_CALLS = 30
"""Calls of a daily verification where the API counts."""


def plant(home: PlatformShop, seed: str) -> Named:
    """Let the shop differ: orders never landed, deleted, changed without being read, and new."""
    chance, store = random.Random(seed), home.shop.store
    orders = home.orders()
    chance.shuffle(orders)
    orders = [o for o in orders if (store.clock.now - o.modified).total_seconds() > DAY]
    planted = set()
    for _ in range(3):
        planted.add((store.insert(late=chance.uniform(1.1 * DAY, 29 * DAY)).number, "missing"))
    for _ in range(2):
        order = orders.pop()
        planted.add((order.number, "extra"))
        store.delete(order)
        order = orders.pop()
        age = (store.clock.now - order.modified).total_seconds()
        planted.add((order.number, "older"))
        store.touch(order, late=age * chance.uniform(0.1, 0.9))
    for _ in range(2):  # these come with the next run
        store.touch(orders.pop())
        store.insert()
    return planted


@pytest.fixture(autouse=True)
def shop_alone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare shops with tables only: the other comparisons have tests of their own."""
    if "all_comparisons" not in request.fixturenames:
        monkeypatch.setattr(verify_module, "COMPARISONS", (ShopAndTables(),))


@pytest.fixture
def all_comparisons() -> None:
    """Ask for every comparison."""


@pytest.mark.parametrize("name", CREDENTIALS)
def test_what_differs_is_named_repaired_and_counted(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By ids while the shop goes on selling; then, where the API counts, by counts."""
    with platform_shop(name, tmp_path, orders=80) as home:
        home.run()
        planted = plant(home, name)
        if name == "vendure":  # read by a second cursor, which begins a day early
            home.shop.store.insert(late=DAY / 2)
        home.shop.busy = 1
        before = home.calls
        result = home.verify()
        assert named(result) == planted
        assert result.calls == home.calls - before
        home.shop.busy = 0
        result = home.verify(repair=True)
        assert (named(result), result.repaired) == (set(), len(planted))
        monkeypatch.setattr(shop_module, "LIST_UP_TO", 0)
        result = home.verify()
        assert named(result) == set()
        if name == "extensiv":
            return
        assert "by counts of 20 parts" in result.notes[0]
        # The parts, the oldest order, and the recent ones of each cursor: nothing was looked up.
        assert result.calls <= shop_module.PARTS + 4
        assert shop_module.PARTS <= result.calls <= MOST_CALLS
        missed = home.shop.store.insert(late=9 * DAY)
        result = home.verify()
        assert named(result) == {(missed.number, "missing")}
        assert result.calls <= MOST_CALLS


@needs_recordings
@pytest.mark.parametrize(("name", "token"), [("medusa", "sk_a"), ("vendure", "a")])
def test_a_recorded_shop_is_verified(
    name: str, token: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its orders came within minutes, with carts and drafts among them."""
    server = Recorded(name)
    oldest = sorted(server.orders, key=lambda order: str(order[server.stamp]))
    placed = [o for o in oldest if name == "medusa" or (o["orderPlacedAt"] and not o["active"])]
    lost, deleted = placed[20:24], placed[40:42]
    server.hidden = {order["id"] for order in lost}
    with Simulator(server) as simulator:
        settings = parse_settings(
            f'[sources.shop]\napi = "{name}"\nbase_url = "{simulator.url}"\n'
            f'start = "2026-01-01"\ntoken = "{token}"\noverlap = 0\n',
            tmp_path / "orderpull.toml",
        )
        assert pipeline.run(settings).ok
        assert named(verify(settings).sources["shop"]) == set()
        number = "display_id" if name == "medusa" else "code"
        missing = {(str(order[number]), "missing") for order in lost}
        server.hidden = set()
        with monkeypatch.context() as patched:
            patched.setattr(shop_module, "LIST_UP_TO", 0)
            assert named(verify(settings).sources["shop"]) == missing
        server.hidden = {order["id"] for order in deleted}
        before = server.calls
        result = verify(settings).sources["shop"]
        assert named(result) == missing | {(str(order[number]), "extra") for order in deleted}
        assert result.calls == server.calls - before


def test_what_waits_or_is_kept_out_on_purpose_is_no_difference(tmp_path: Path) -> None:
    """An order in a page that waits; a test order, which is counted from the second time on."""
    with platform_shop("shopify", tmp_path, orders=60) as home:
        home.run()
        order = home.shop.store.insert(late=5 * DAY)
        home.shop.store.insert(late=6 * DAY, state="test")
        assert named(home.verify()) == {(order.number, "missing")}
        (scope,) = verify_module._scopes(home.settings, (), Options())
        key = str(order.key)
        MissingOrders.add(scope.landing, {key: MissingOrder(order.number)})
        start = pipeline.preflight(home.settings).starts["shop"]
        assert not scope.source.pull(scope.landing, start, scope.stop, part="missing").error
        waiting = pipeline.Pipeline(home.settings).waiting("shop")
        assert len(waiting) == 1
        result = home.verify()
        assert named(result) == set()
        excluded = json.loads(scope.landing.note("excluded.json") or b"{}")["orders"]
        assert len(excluded) == 2


def test_a_limit_of_calls_is_told(tmp_path: Path, all_comparisons: None) -> None:
    """What was found before stays, exit code 1, and a sentence says what to do."""
    with platform_shop("medusa", tmp_path, orders=40) as home:
        home.run()
        home.shop.store.insert(late=5 * DAY)
        arguments = ["--config", str(home.settings.file), "verify", "--max-calls", "1"]
        told = CliRunner().invoke(main, arguments)
        assert told.exit_code == 1
        assert "stopped after 1 request, as set; not all of the time was compared" in told.output
        assert "--max-calls" in told.output


def test_a_consume_once_shop_is_never_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request would take its orders away: none is sent, whatever else its API file says."""
    with platform_shop("medusa", tmp_path, orders=20) as home:
        home.run()
        home.shop.store.insert(late=5 * DAY)

        def once(*arguments: Any, **options: Any) -> Api:
            return msgspec.structs.replace(read_api(*arguments, **options), consume_once=True)

        monkeypatch.setattr(verify_module, "read_api", once)
        before = home.calls
        result = home.verify(deep=True, repair=True)
        assert (named(result), result.calls, home.calls) == (set(), 0, before)


def test_a_first_version_that_stays_is_not_older(tmp_path: Path) -> None:
    """With on_change = "ignore", a changed order is no difference."""
    with platform_shop("woocommerce", tmp_path, 'on_change = "ignore"', orders=40) as home:
        home.run()
        store = home.shop.store
        orders = sorted(home.orders(), key=lambda order: order.modified)
        store.touch(orders[0], late=DAY)
        store.delete(orders[1])
        assert named(home.verify()) == {(orders[1].number, "extra")}
