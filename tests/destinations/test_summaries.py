"""The summaries are, at each commit, what a recount of the orders says."""

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from orderpull.answers.choose import load_rollups
from orderpull.answers.filter import Filter
from orderpull.destinations import open_destination
from orderpull.destinations.merge import rollups
from orderpull.destinations.protocol import Destination, Kind
from orderpull.simulator import Simulator, SkubanaAssessment
from orderpull.sources.spec.reader import parse_api
from tests.destinations.merge.history import History
from tests.rollup_oracle import differing, recount, summaries
from tests.warehouses import KINDS, SERVERS, Warehouse, aged, warehouse

pytestmark = pytest.mark.slow

ZONE = "Europe/Berlin"
API = """
title = "Shop"
[request]
path = "/orders"
[records]
path = "orders"
[order]
id = "id"
number = "no"
status = "status"
counted = "not(in(status, 'cancelled'))"
ordered_at = "placed"
modified_at = "changed"
currency = "money"
total = "total"
refunded = "back"
channel = "via"
[order.address]
country = "country"
[order.lines]
path = "lines"
sku = "sku"
quantity = "n"
title = "title"
amount = "came_to"
returned = "back"
"""
TURNS = datetime(2025, 10, 26, tzinfo=UTC)
"""The day on which clocks in Berlin go back."""

COUNTRIES = ("DE", "FR", "US", "*", None)
SKUS = ("PEN", "pen", "INK", "'; --", None, *(f"SKU-{number}" for number in range(30)))


@pytest.fixture(scope="module", params=KINDS)
def made(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Warehouse]:
    """A warehouse; each test has a source of its own there."""
    with warehouse(request.param, tmp_path_factory.mktemp("warehouse")) as place:
        yield place


def opened(place: Warehouse, zone: str = ZONE) -> Destination:
    """It, with the days of *zone*."""
    settings = place.settings("http://127.0.0.1:9")
    return open_destination(settings.destination, place.folder, zone)


def order(chance: random.Random, number: int) -> dict[str, Any]:
    """An order as it may be at some time: now counted and now not, here and there, with items."""
    placed = TURNS + timedelta(minutes=chance.randrange(-3000, 3000, 7))
    return {
        "id": f"id-{number}",
        "no": f"no-{number if chance.random() < 0.97 else number - 1}",
        "status": chance.choice(("paid", "paid", "paid", "cancelled")),
        "placed": placed.isoformat() if chance.random() < 0.9 else None,
        "country": chance.choice(COUNTRIES),
        "money": chance.choice(("EUR", "USD", None)),
        "total": chance.choice((None, "0", "19.99", f"{number}.0001")),
        "back": chance.choice((None, None, "0.5")),
        "via": chance.choice(("web", "market", None)),
        "lines": [_line(chance, number) for _ in range(chance.choice((0, 1, 1, 2, 3)))],
    }


def _line(chance: random.Random, number: int) -> dict[str, Any]:
    """A line, whose title changes with the orders."""
    return {
        "sku": chance.choice(SKUS),
        "n": chance.choice((0, 1, 1, 2, 7)),
        "title": chance.choice((None, f"Pen {number % 7}", "Größe Ж", "z")),
        "came_to": chance.choice((None, "3.5", "0.0001")),
        "back": chance.choice((None, 0, 1)),
    }


def changes(count: int, seed: int) -> Iterator[list[dict[str, Any]]]:
    """Pages of *count* orders: new ones, and, more often, others changed or as they were."""
    chance = random.Random(seed)
    shop: dict[int, dict[str, Any]] = {}
    clock = TURNS + timedelta(days=9)
    page: list[dict[str, Any]] = []
    for _ in range(count):
        new = not shop or chance.random() < 0.35
        number = len(shop) + 1 if new else chance.choice(list(shop))
        clock += timedelta(seconds=1)
        again = not new and chance.random() < 0.2
        version = shop[number] if again else {**order(chance, number), "changed": clock.isoformat()}
        shop[number] = version
        page.append(version)
        if len(page) == chance.randrange(1, 120) or len(page) == 150:
            yield page
            page = []
    yield page


def take(shop: History, orders: list[dict[str, Any]]) -> None:
    """Land one page of *orders* and load it."""
    shop.serve_body(json.dumps({"orders": orders}).encode())
    shop.load()


def test_random_changes(made: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """New, corrected, out of the count and in again, moved, without a number of their own: equal.

    Whoever loses its number is taken out of the tables, as a deletion would.
    """
    count = 200 if made.kind == "iceberg" else 1000  # a load costs half a second there
    monkeypatch.setattr(rollups, "COMPACT_FROM", 40)
    destination = opened(made)
    destination.preflight()
    with destination.loader() as loader:
        shop = History(tmp_path, loader, "random", api=parse_api(API, "shop.toml"))
        for page in changes(count, seed=5):
            take(shop, page)
        counts = shop.rows("orderpull_run", "updated, rejected")
        updated, rejected = (sum(row[place] for row in counts) for place in (0, 1))
    assert updated > count * 0.3
    assert rejected > count * 0.005
    recounted = recount(made.query, ZoneInfo(ZONE))
    assert len(recounted["line"]) > count * 0.5
    assert differing(made.query, ZONE) == []


@pytest.mark.parametrize("kind", KINDS)
def test_they_are_summed_up_now_and_then(
    kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that rows stay few, however often something is sold."""
    monkeypatch.setattr(rollups, "COMPACT_FROM", 2)
    with warehouse(kind, tmp_path / "here") as place:
        destination = opened(place)
        destination.preflight()
        with destination.loader() as loader:
            shop = History(tmp_path, loader, "few", api=parse_api(API, "shop.toml"))
            for number in range(8):
                line = {"sku": "PEN", "n": 1}
                take(shop, [{"id": str(number), "no": str(number), "lines": [line]}])
        for table in ("summary_year", "summary_day"):
            ((rows,),) = place.query(f"SELECT count(*) FROM {table}")
            assert rows < 5
        assert differing(place.query, ZONE) == []


def test_what_comes_again_adds_no_row(made: Warehouse, tmp_path: Path) -> None:
    """An order whose parcel was sent is sold no second time, nor taken back and sold again."""
    destination = opened(made)
    destination.preflight()
    with destination.loader() as loader:
        shop = History(tmp_path, loader, "again", api=parse_api(API, "shop.toml"))
        paid = {
            "id": "1", "no": "1", "status": "paid", "country": "DE", "changed": TURNS.isoformat(),
            "lines": [{"sku": "PEN", "n": 2}],
        }  # fmt: skip
        take(shop, [paid])
        take(shop, [paid])
        take(shop, [{**paid, "status": "sent", "changed": (TURNS + timedelta(1)).isoformat()}])
        assert shop.rows("order_header", "status") == [("sent",)]
        assert len(shop.rows("summary_line")) == len(shop.rows("summary_day")) == 1


def test_what_nothing_is_left_of_is_not_answered(made: Warehouse, tmp_path: Path) -> None:
    """A country that its only order has left, a SKU that was taken out of it: no row of zeros."""
    destination = opened(made)
    destination.preflight()
    bought = {"id": "1", "no": "1", "changed": TURNS.isoformat(), "placed": TURNS.isoformat()}
    pen, ink = {"sku": "LASTPEN", "n": 1}, {"sku": "LASTINK", "n": 1}
    later = {"changed": (TURNS + timedelta(1)).isoformat()}
    with destination.loader() as loader:
        shop = History(tmp_path, loader, "moved", api=parse_api(API, "shop.toml"))
        take(shop, [{**bought, "country": "DE", "lines": [pen, ink]}])
        take(shop, [{**bought, **later, "country": "FR", "lines": [pen]}])
    destination.publish(finished=True)
    where = Filter(sources=("moved",))
    with destination.reader() as reader:
        queries = load_rollups(reader, ZoneInfo(ZONE))
        assert queries is not None
        countries = reader.rows(queries.sales_by_country(where))
        assert countries == [{"country": "FR", "orders": 1, "items": 1}]
        skus = [
            {
                "sku": "LASTPEN",
                "quantity": 1,
                "orders": 1,
                "rank": 1,
                "title": None,
                "returned": None,
            }
        ]
        assert reader.rows(queries.popular_sku(where)) == skus
        assert reader.rows(queries.popular_sku(where, 3)) == skus
        by_country = reader.rows(queries.popular_sku_by_country(where, 3))
        assert by_country == [{"country": "FR", **skus[0]}]


def test_quantities_that_no_sum_can_hold_are_loaded(made: Warehouse, tmp_path: Path) -> None:
    """Two thousand orders of 2^53 pieces each: no number of the summaries holds their sum."""
    destination = opened(made)
    destination.preflight()
    with destination.loader() as loader:
        shop = History(tmp_path, loader, "huge", api=parse_api(API, "shop.toml"))
        line = {"sku": "PEN", "n": 2**53}
        orders = [{"id": f"{n}", "no": f"{n}", "lines": [line]} for n in range(2000)]
        take(shop, orders)
        assert len(shop.rows("order_header", "ordernumber")) == 2000
    assert differing(made.query, ZONE) == []


def test_other_days_are_counted_anew(made: Warehouse, tmp_path: Path) -> None:
    """Where ``report.timezone`` is another, days begin at other times."""
    opened(made).preflight()
    with opened(made).loader() as loader:
        shop = History(tmp_path, loader, "zones", api=parse_api(API, "shop.toml"))
        for page in changes(100, seed=8):
            take(shop, page)
    before = summaries(made.query)["day"]
    with opened(made, "Pacific/Auckland").loader():
        pass
    assert summaries(made.query)["day"] != before
    assert differing(made.query, "Pacific/Auckland") == []
    with opened(made).loader():
        pass
    assert summaries(made.query)["day"] == before


@pytest.mark.parametrize("kind", SERVERS)
def test_a_loader_with_other_days_came_between(kind: Kind, tmp_path: Path) -> None:
    """Days of two zones are never summed up together: whoever writes next makes its own first."""
    with warehouse(kind, tmp_path / "here") as place:
        opened(place).preflight()
        pages = list(changes(120, seed=5))
        with opened(place).loader() as loader:
            shop = History(tmp_path, loader, "between", api=parse_api(API, "shop.toml"))
            for page in pages[:2]:
                take(shop, page)
            with opened(place, "Pacific/Auckland").loader():
                pass
            assert differing(place.query, "Pacific/Auckland") == []
            for page in pages[2:]:
                take(shop, page)
        assert differing(place.query, ZONE) == []


@pytest.mark.parametrize(("kind", "version"), [*((kind, 4) for kind in KINDS), ("duckdb", 2)])
def test_a_warehouse_from_before_gets_them(kind: Kind, version: int, tmp_path: Path) -> None:
    """The next run makes the tables and fills them with what was loaded before."""
    shop = SkubanaAssessment(orders=90, per_call=30, seed=3, versions=0.3)
    with warehouse(kind, tmp_path) as place, Simulator(shop) as simulator:
        from orderpull import run

        settings = place.settings(simulator.url, "max_pages = 2")
        assert run(settings).ok
        for statement in aged(version):
            place.query(statement)
        assert run(settings).ok
        assert len(recount(place.query, ZoneInfo("UTC"))["line"]) > 50
        assert differing(place.query, "UTC") == []
