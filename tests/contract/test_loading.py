"""Loaded exactly, on every warehouse: tables, counts, answers, rejects, ledger."""

import json
import threading
from datetime import datetime
from typing import Any

import pytest

from orderpull import load, pull, report, run
from orderpull.destinations.protocol import Destination
from orderpull.errors import DestinationForeign, SchemaTooNew
from orderpull.landing import open_landing
from orderpull.model import COUNTS, KEY_TEXTS, SCHEMA_VERSION, SIZES, TABLES, VIEWS
from orderpull.simulator import Simulator, SkubanaAssessment
from orderpull.sources.spec.order import AMOUNT_FIELDS
from orderpull.sources.spec.reader import read_api
from tests.contract.stored import stored_orders
from tests.normalize.helpers import land
from tests.warehouses import Warehouse, aged


def ledger(place: Warehouse, table: str) -> list[tuple[Any, ...]]:
    """The counts of a table of the ledger, row by row."""
    return place.query(f"SELECT {', '.join(COUNTS)} FROM {table}")


@pytest.mark.blank
def test_the_tables_are_those_of_the_model(place: Warehouse) -> None:
    """Every table has the model's columns in the model's order; the views are there."""
    place.open().preflight()
    for table in TABLES:
        columns = place.query(
            "SELECT column_name FROM information_schema.columns "
            f"WHERE table_name = '{table.name}' ORDER BY ordinal_position"
        )
        assert tuple(name for (name,) in columns) == table.names
    for view in VIEWS:
        place.query(f"SELECT * FROM {view}")


@pytest.mark.blank
def test_two_that_set_up_at_once(server: Warehouse) -> None:
    """Both go well, and the tables are made once."""
    errors: list[BaseException] = []

    def set_up(destination: Destination) -> None:
        try:
            destination.preflight()
        except BaseException as error:  # noqa: BLE001 - told below
            errors.append(error)

    # Opened one after the other: each opening writes the settings file and reads it again.
    opened = [server.open() for _ in range(4)]
    threads = [threading.Thread(target=set_up, args=(each,)) for each in opened]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert server.query("SELECT version FROM orderpull_schema") == [(SCHEMA_VERSION,)]


def test_a_run_loads_exactly_what_was_handed_out(
    place: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Changed orders, malformed orders, several batches: rows, counts, ledger and answers."""
    monkeypatch.setattr("orderpull.loading.pages.BATCH_ORDERS", 300)
    shop = SkubanaAssessment(orders=900, per_call=150, seed=5, versions=0.3, malformed=0.02)
    with Simulator(shop) as simulator:
        settings = place.settings(simulator.url)
        result = run(settings)
        truth = simulator.truth()
        assert result.error is None
        assert stored_orders(place) == truth["orders"]
        counts = result.sources["shop"].counts
        assert counts.fetched == len([o for c in simulator.calls for o in c.orders])
        told = tuple(getattr(counts, name) for name in COUNTS)
        assert told[0] == sum(told[1:])
        assert ledger(place, "orderpull_run") == [told]
        pages = ledger(place, "orderpull_page")
        assert tuple(map(sum, zip(*pages, strict=True))) == told
        rejects = place.query("SELECT count(*) FROM orderpull_reject")[0][0]
        assert rejects > 0
        _assert_no_money(place)
        _compare_answers(settings, truth["orders"])
        again = run(settings).sources["shop"].counts
        assert (again.fetched, stored_orders(place)) == (0, truth["orders"])


def _assert_no_money(place: Warehouse) -> None:
    """What this API does not tell is NULL, not nothing."""
    untold = {
        "order_header": (*AMOUNT_FIELDS, "currency", "channel", "customer"),
        "order_item": ("title", "amount", "returned"),
    }
    for table, columns in untold.items():
        told = place.query(f"SELECT {', '.join(f'count({each})' for each in columns)} FROM {table}")
        assert told == [(0,) * len(columns)]


def _compare_answers(settings: Any, orders: dict[str, dict[str, Any]]) -> None:
    answer = report(settings, top=1_000_000)
    quantities = [sum(order["items"].values()) for order in orders.values() if order["items"]]
    assert answer.average["quantity"] == sum(quantities)
    assert answer.average["orders"] == len(quantities)
    assert answer.average["average"] == pytest.approx(sum(quantities) / len(quantities))
    total: dict[str, int] = {}
    for order in orders.values():
        for sku, quantity in order["items"].items():
            total[sku] = total.get(sku, 0) + quantity
    ranked = sorted(total.items(), key=lambda each: (-each[1], each[0].encode()))
    assert [(row["sku"], row["quantity"]) for row in answer.overall] == ranked


def test_what_was_pulled_waits_for_the_load(place: Warehouse) -> None:
    """Pulled now, loaded later, loaded again: once."""
    with Simulator(SkubanaAssessment(orders=120, per_call=30, seed=2)) as simulator:
        settings = place.settings(simulator.url)
        assert pull(settings).sources["shop"].waiting == 4
        assert load(settings).sources["shop"].counts.inserted == 120
        assert load(settings).sources["shop"].counts.fetched == 0
        assert stored_orders(place) == simulator.truth()["orders"]


NOWHERE = "http://127.0.0.1:9"
"""No test that lands pages itself asks anybody."""

AWKWARD = [
    r"\.", "\\.\n", '"', "'", "''", "a\nb", "a\r\nb", "\\", "\\N", "\\\\n", "\t", ",", ";", "|",
    "NULL", "null", " lead", "trail ", "\x7f", "\u0001", "\u2028", "é", "e\u0301", "日本", "🧦",
    "👨‍👩‍👧", "\ufeffbom", "%s", "?", "{0}", "$1", "--", "/*", "0", "00", "1e5", "true", "\U0010ffff",
]  # fmt: skip


def test_text_that_breaks_loaders(place: Warehouse) -> None:
    """Every awkward text arrives as it was sent, in every column that takes text."""
    settings = place.settings(NOWHERE)
    orders = [_order(f"n{text}{n}", text, f"s{text}") for n, text in enumerate(AWKWARD)]
    _land(settings, orders)
    assert load(settings).sources["shop"].counts.inserted == len(AWKWARD)
    rows = place.query(
        "SELECT a.ordernumber, a.name, a.line1, a.line2, i.sku FROM order_address AS a "
        "JOIN order_item AS i ON i.ordernumber = a.ordernumber AND i.source = a.source"
    )
    found = {row[0]: row[1:] for row in rows}
    assert found == {
        f"n{text}{n}": (f"x{text}x", text if text.strip() else None, None, f"s{text}")
        for n, text in enumerate(AWKWARD)
    }


def test_numbers_that_break_loaders(place: Warehouse) -> None:
    """Orders with such numbers change: each is found again, and replaced."""
    settings = place.settings(NOWHERE)
    numbers = [text for text in AWKWARD if text.strip()]
    for sku in ("tea", "coffee"):
        _land(settings, [_order(number, "here", sku) for number in numbers])
        load(settings)
    rows = place.query("SELECT ordernumber, sku, quantity FROM order_item")
    assert sorted(rows) == sorted((number, "coffee", 1) for number in numbers)
    assert place.query("SELECT sum(updated) FROM orderpull_run") == [(len(numbers),)]


def test_what_is_left_of_a_damaged_page(place: Warehouse) -> None:
    """Bytes that no server takes in a text are written out; the landing has them as they were."""
    settings = place.settings(NOWHERE)
    whole = json.dumps(_order("1", "here", "tea")).encode()
    part = open_landing(settings.landing, settings.folder).source("shop")
    part.prepare()
    body = b"[" + whole + b', {"orderNumber": "2\x00\xff\xfe'
    land(part, read_api("skubana-assessment", settings.folder), body, 1)
    load(settings, accept_rejects=True)
    assert place.query("SELECT ordernumber FROM order_header") == [("1",)]
    ((raw,),) = place.query('SELECT "raw" FROM orderpull_reject')
    assert raw == r'{"orderNumber": "2\x00\xff\xfe'


def test_null_and_nothing_and_u0000(place: Warehouse) -> None:
    """'' in an address is NULL, '' as status is told as it is by all; U+0000 is left out."""
    settings = place.settings(NOWHERE)
    bad = {**_order("bad\0", "r", "s"), "orderItems": [{"sku": "s", "quantity": "a\0b"}]}
    _land(settings, [_order("1\0", "\0", "s\0s"), _order("2", "", "s"), bad])
    load(settings, accept_rejects=True)
    assert place.query("SELECT ordernumber, name, line1 FROM order_address ORDER BY 1") == [
        ("1", "xx", None), ("2", "xx", None),
    ]  # fmt: skip
    assert place.query("SELECT sku FROM order_item ORDER BY 1") == [("s",), ("ss",)]
    ((number, raw),) = place.query('SELECT ordernumber, "raw" FROM orderpull_reject')
    assert (number, "\0" in raw) == ("bad", False)


def test_a_text_that_is_too_long_is_a_reject(place: Warehouse) -> None:
    """Never cut: at the limit in bytes it loads, over it the order is a reject with the column."""
    limits = {"duckdb": (), "iceberg": (), "postgresql": KEY_TEXTS, "redshift": tuple(SIZES)}
    settings = place.settings(NOWHERE)
    columns = {"ordernumber": ("n", 512), "line1": ("l", 1024), "sku": ("s", 1024)}
    fits: list[dict[str, Any]] = []
    over: list[dict[str, Any]] = []
    for name, (letter, size) in columns.items():
        for bytes_, into in ((size, fits), (size + 4, over)):
            text = letter + "🧦" * ((bytes_ - 4) // 4) + "xyz"
            assert len(text.encode()) == bytes_
            number = text if name == "ordernumber" else f"{name} {bytes_}"
            line1 = text if name == "line1" else "here"
            into.append(_order(number, line1, text if name == "sku" else "tea"))
    _land(settings, [*fits, *over])
    load(settings, accept_rejects=True)
    messages = place.query("SELECT reason, message FROM orderpull_reject ORDER BY message")
    named = [name for name in sorted(columns) if name in limits[place.kind]]
    assert messages == [
        (
            "value_too_long",
            f"{name} has {columns[name][1] + 4} bytes; the warehouse takes {columns[name][1]}",
        )
        for name in named
    ]
    assert len(stored_orders(place)) == 6 - len(named)


def test_a_reject_longer_than_its_column_is_kept(place: Warehouse) -> None:
    """The ledger's own text may be cut where the warehouse says so; the landing has it whole."""
    settings = place.settings(NOWHERE)
    order = {**_order("1", "here", "tea"), "orderItems": [{"sku": "é" * 40_000}]}
    _land(settings, [order])
    load(settings, accept_rejects=True)
    ((raw,),) = place.query('SELECT "raw" FROM orderpull_reject')
    whole = json.dumps(order, ensure_ascii=False)
    if place.kind == "redshift":
        assert whole.startswith(raw)
        assert 16_000 < len(raw.encode()) <= SIZES["raw"]
    else:
        assert raw == whole


def test_a_number_that_stands_already_stops_the_batch(place: Warehouse) -> None:
    """Rows of somebody else's making: the batch rolls back whole, its page waits, a line says so."""
    with Simulator(SkubanaAssessment(orders=20, seed=2)) as simulator:
        settings = place.settings(simulator.url)
        place.open().preflight()
        pull(settings)
        numbers = list(simulator.truth()["orders"])
        for number in numbers:
            place.query(
                f"INSERT INTO order_address (ordernumber, source) VALUES ('{number}', 'shop')"
            )
        result = load(settings)
        assert result.exit_code == 2
        assert "twice" in str(result.error)
        assert "nothing" in str(result.error)
        assert place.query("SELECT count(*) FROM order_item") == [(0,)]
        assert place.query("SELECT count(*) FROM orderpull_page") == [(0,)]
        place.query("DELETE FROM order_address")
        assert load(settings).sources["shop"].counts.inserted == 20


def test_an_older_schema_is_migrated(place: Warehouse, caplog: pytest.LogCaptureFixture) -> None:
    """What version 1 holds stays, the tables become those of today, and loading goes on.

    Where readers have rights of their own, it is said once that they need new ones.
    """
    with Simulator(SkubanaAssessment(orders=60, per_call=20, seed=2)) as simulator:
        settings = place.settings(simulator.url, "max_pages = 1")
        assert run(settings).ok
        for statement in aged(1):
            place.query(statement)
        assert run(settings).ok
        assert run(settings).ok
        assert stored_orders(place) == simulator.truth()["orders"]
    versions = place.query("SELECT version FROM orderpull_schema ORDER BY 1")
    assert versions == [(1,), (SCHEMA_VERSION,)]
    ((loads,),) = place.query("SELECT loads FROM orderpull_cursor")
    assert loads > 0
    with_users = place.kind in {"postgresql", "redshift"}
    assert caplog.text.count("orderpull grants") == with_users


def test_a_wrong_endpoint_is_exit_1(place: Warehouse) -> None:
    """The warehouse is fine, the shop is not: told as that, and noted in the ledger."""
    result = run(place.settings(NOWHERE))
    assert result.exit_code == 1
    assert "127.0.0.1:9" in str(result.sources["shop"].error)
    ((error, rows),) = place.query("SELECT max(error), count(*) FROM orderpull_run")
    assert "127.0.0.1:9" in error
    assert rows == 1


def test_a_newer_schema_is_left_alone(place: Warehouse) -> None:
    """It says to update orderpull."""
    place.open().preflight()
    place.query(f"INSERT INTO orderpull_schema VALUES ({SCHEMA_VERSION + 1}, NULL, 'newer')")
    with pytest.raises(SchemaTooNew, match="Update orderpull"):
        place.open().preflight()


@pytest.mark.blank
def test_tables_of_somebody_else_are_left_alone(place: Warehouse) -> None:
    """It names them, and makes none beside them."""
    place.query("CREATE TABLE order_item (a INTEGER)")
    with pytest.raises(DestinationForeign, match="order_item"):
        place.open().preflight()
    tables = place.query(
        "SELECT table_name FROM information_schema.tables WHERE table_name LIKE 'order%'"
    )
    assert {name for (name,) in tables} <= {"order_item", "orderpull_lock"}


def test_a_batch_of_rejects_stops_before_it_commits(place: Warehouse) -> None:
    """The reject limit leaves the tables as they were; a person may let the batch past."""
    shop = SkubanaAssessment(orders=200, per_call=200, seed=4, malformed=0.4)
    with Simulator(shop) as simulator:
        settings = place.settings(simulator.url)
        result = run(settings)
        assert result.exit_code == 1
        assert place.query("SELECT count(*) FROM order_header") == [(0,)]
        assert load(settings, accept_rejects=True).error is None
        assert stored_orders(place) == simulator.truth()["orders"]


def test_times_are_utc_whatever_the_server_thinks(place: Warehouse) -> None:
    """A run's start is now, in UTC."""
    with Simulator(SkubanaAssessment(orders=3)) as simulator:
        run(place.settings(simulator.url))
    ((started,),) = place.query("SELECT started_at FROM orderpull_run")
    assert abs((datetime.utcnow() - started).total_seconds()) < 120


def _order(number: str, line1: str, sku: str) -> dict[str, Any]:
    return {
        "orderNumber": number,
        "shipToAddress": {"name": f"x{line1[:9]}x", "line1": line1, "country": "DE"},
        "orderItems": [{"sku": sku, "quantity": 1}],
    }


def _land(settings: Any, orders: list[dict[str, Any]]) -> None:
    """Land one page of *orders* as if it had been pulled."""
    part = open_landing(settings.landing, settings.folder).source("shop")
    part.prepare()
    api = read_api("skubana-assessment", settings.folder)
    land(part, api, json.dumps(orders, ensure_ascii=False).encode(), part.next_page())
