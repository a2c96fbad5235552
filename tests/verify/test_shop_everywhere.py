"""The shop beside warehouses on servers, shops with bounds of all kinds, and repairs that are killed."""

import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from orderpull import pipeline
from orderpull.errors import ApiFileError
from orderpull.operate.check import check
from orderpull.settings import parse_settings
from orderpull.simulator import Simulator
from orderpull.simulator.shop.generic import Generic
from orderpull.sources.counting import Count, CountParser
from orderpull.sources.spec.blocks import RequestSpec
from orderpull.sources.spec.reader import parse_api, read_api
from orderpull.verify import shop as shop_module
from orderpull.verify import verify as verify_module
from orderpull.verify.shop import ShopAndTables, _incomparable
from orderpull.verify.verify import verify
from tests.processes import start
from tests.servers import KEYS, fresh_bucket, s3_server
from tests.shops import GENERIC_ORDER
from tests.verify.platform_shop import DAY, named, platform_shop
from tests.warehouses import warehouse

pytestmark = pytest.mark.slow

NOW = datetime(2026, 11, 10, tzinfo=UTC)  # ten days after the clocks of New York went back
API = """
title = "Generic"
[request]
path = "/orders"
[paging]
kind = "page"
param = "page"
size_param = "limit"
size = 100
[cursor]
path = "modified_at"
lower = "modified_from"
upper = "modified_to"
precision = "{precision}"
format = "{format}"
timezone = "{timezone}"
inclusive = {inclusive}
strategy = "window_verify"
[records]
path = "orders"
[count]
total = "header:X-Total-Count"
[count.request]
path = "/orders"
query = {{ limit = "1", fields = "id" }}
"""


@pytest.fixture(autouse=True)
def shop_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify_module, "COMPARISONS", (ShopAndTables(),))


def _in_bucket() -> str:
    """The settings of a landing in a bucket of its own."""
    place = f's3://{fresh_bucket(s3_server())}/raw"\nendpoint = "{s3_server()}"'
    return f'[landing]\nurl = "{place}\nregion = "{KEYS["region_name"]}"\n'


@pytest.mark.parametrize("kind", ["postgresql", "redshift"])
def test_a_warehouse_on_a_server(
    kind: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rows are read by the same queries, and a repair writes there; one landing is a bucket."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEYS["aws_access_key_id"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEYS["aws_secret_access_key"])
    with (
        warehouse(kind, tmp_path, prepared=True) as made,
        platform_shop("medusa", tmp_path, orders=30) as home,
    ):
        home.settings = parse_settings(
            "[destination]\n"
            + "".join(
                f"{key} = {msgspec.json.encode(v).decode()}\n" for key, v in made.lines.items()
            )
            + (_in_bucket() if kind == "redshift" else "")
            + home.settings.file.read_text(),  # type: ignore[union-attr]
            home.settings.file,
        )
        home.run()
        orders = sorted(home.orders(), key=lambda order: order.modified)
        home.shop.store.insert(late=5 * DAY)
        home.shop.store.delete(orders[0])
        home.shop.store.touch(orders[1], late=DAY)
        result = home.verify(repair=True)
        assert (named(result), result.repaired) == (set(), 3)


@pytest.mark.parametrize(
    ("cursor", "switches"),
    [
        ({}, {}),
        ({"inclusive": "false"}, {"lower_inclusive": False, "upper_inclusive": False}),
        ({"inclusive": "false"}, {}),  # not known: both readings must do
        ({"precision": "ms"}, {"precision": "ms"}),
        (
            {"format": "naive", "timezone": "America/New_York"},
            {"dates": "iso-naive", "timezone": "America/New_York"},
        ),
    ],
    ids=["inclusive", "exclusive", "unknown", "ms", "local"],
)
def test_counts_under_bounds_of_all_kinds(
    cursor: dict[str, str],
    switches: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is not there is named by counts, and nothing else, wherever time is cut."""
    defaults = {"precision": "s", "format": "iso", "timezone": "UTC", "inclusive": "true"}
    times = ""
    if "timezone" in cursor:
        times = 'timezone = "America/New_York"\n[order.address]'
    api = API.format(**defaults | cursor) + GENERIC_ORDER
    (tmp_path / "api.toml").write_text(api.replace("[order.address]", times) if times else api)
    monkeypatch.setattr(shop_module, "LIST_UP_TO", 0)
    shop = Generic(orders=120, total="header", sort="id", now=NOW, **switches)
    with Simulator(shop) as simulator:
        settings = parse_settings(
            f'[sources.shop]\napi = "api.toml"\nbase_url = "{simulator.url}"\n'
            'start = "2026-01-01"\n',
            tmp_path / "orderpull.toml",
        )
        assert pipeline.run(settings).ok
        result = verify(settings).sources["shop"]
        assert named(result) == set()
        assert "by counts" in result.notes[0]
        missed = shop.store.insert(late=5 * DAY)
        assert named(verify(settings).sources["shop"]) == {(missed.number, "missing")}


def test_an_api_that_lists_all_its_orders_only(tmp_path: Path) -> None:
    """Without [cursor]: by the list of [reconcile]; what came since the last run comes with the next."""
    before, _, after = API.partition("[cursor]")
    api = (
        before + "[reconcile]\n[records]" + after.partition("[records]")[2].partition("[count]")[0]
    )
    (tmp_path / "api.toml").write_text(api + GENERIC_ORDER)
    shop = Generic(orders=120, live=True)
    with Simulator(shop) as simulator:
        settings = parse_settings(
            f'[sources.shop]\napi = "api.toml"\nbase_url = "{simulator.url}"\n',
            tmp_path / "orderpull.toml",
        )
        assert pipeline.run(settings).ok
        shop.store.insert()
        missed = shop.store.insert(late=5 * DAY)
        gone = next(iter(shop.store.orders.values()))
        shop.store.delete(gone)
        result = verify(settings).sources["shop"]
        assert named(result) == {(missed.number, "missing"), (gone.number, "extra")}


def test_what_cannot_be_compared_is_told() -> None:
    """Each reason is a part of a sentence."""
    plain = (API + GENERIC_ORDER).format(
        precision="s", format="iso", timezone="UTC", inclusive="true"
    )
    assert _incomparable(parse_api(plain, "api.toml")) is None
    for old, new, reason in (
        (
            'modified_at = "modified_at"',
            'modified_at = "coalesce(modified_at, created_at)"',
            "time",
        ),
        ('id = "id"', "id = \"join('-', id, number)\"", "plain path"),
    ):
        assert reason in str(_incomparable(parse_api(plain.replace(old, new), "api.toml")))
    with pytest.raises(ApiFileError, match="must be a plain path without functions"):
        parse_api(plain.replace(old, new) + "[reconcile]\n", "api.toml")


def test_a_repair_that_is_killed_goes_on_with_the_next_run(tmp_path: Path) -> None:
    """The orders to fetch are noted before the first request."""
    with platform_shop("medusa", tmp_path, orders=30) as home:
        home.run()
        missed = home.shop.store.insert(late=5 * DAY)
        program = start(
            "-m", "orderpull", "verify", "--repair", cwd=tmp_path, kill_at="orders-to-fetch-noted:1"
        )
        program.communicate()
        assert program.returncode == -signal.SIGKILL
        assert named(home.verify()) == {(missed.number, "missing")}
        home.run()
        assert named(home.verify()) == set()


def test_a_count_says_whether_it_is_exact(tmp_path: Path) -> None:
    """A limit that was reached, errors, and responses without a number."""
    api = read_api("shopify", tmp_path)
    assert api.count is not None
    parser = CountParser(api, api.count)
    body = b'{"data":{"ordersCount":{"count":10000,"precision":"%s"}}}'
    for precision, exact in ((b"EXACT", True), (b"AT_LEAST", False)):
        assert parser.parse(body % precision).has_records
        assert parser.last == Count(10_000, exact)
    info = parser.parse(b'{"data":{"ordersCount":null}}')
    assert (info.has_records, info.problem) == (
        False,
        "it tells no number of orders at 'data.ordersCount.count'",
    )
    refused = parser.parse(b'{"errors":[{"message":"no","extensions":{"code":"THROTTLED"}}]}')
    assert refused.error is not None
    assert refused.error.means == "busy"


def test_check_says_that_counting_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run goes on without; verify lists instead of counting."""
    with platform_shop("medusa", tmp_path, orders=30) as home:
        home.run()
        api = read_api("medusa", tmp_path)
        count = msgspec.structs.replace(api.count, request=RequestSpec("/admin/nothing"))  # type: ignore[type-var]
        broken = msgspec.structs.replace(api, count=count)
        monkeypatch.setattr(pipeline, "read_api", lambda *_, **__: broken)
        findings = check(home.settings)
        assert findings.exit_code == 0
        assert "orders cannot be counted, so verify will list them" in str(findings)
