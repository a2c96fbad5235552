"""What the simulator says about itself: the call log, and the truth."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from orderpull.simulator import MALFORMED, Simulator, SkubanaAssessment, truth
from orderpull.simulator.model import Address, Line, Occurrence, Order
from orderpull.simulator.places import COUNTRIES
from orderpull.simulator.truth import Delivery, Truth

from .client import connect, get, talk

if TYPE_CHECKING:
    from pathlib import Path

CODES = {
    spelling.upper(): country.code
    for country in COUNTRIES
    for spelling in (country.code, country.iso3, country.name)
}


def logged(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_every_request_is_logged_without_its_secret(tmp_path: Path) -> None:
    log = tmp_path / "calls.jsonl"
    profile = SkubanaAssessment(orders=5, per_call=3)
    with Simulator(profile, ["401@2"], log=log) as simulator:
        get(simulator.url, "/orders?page=1", headers={"Authorization": "Bearer s3cret"})
        get(simulator.url)
        get(simulator.url, "/nothing")
        lines = logged(log)
        calls = simulator.calls
    assert [line["path"] for line in lines] == ["/orders?page=1", "/orders", "/nothing"]
    assert [line["status"] for line in lines] == [200, 401, 404]
    assert [line["consumed"] for line in lines] == [True, False, False]
    assert [line["authorization"] for line in lines] == [True, False, False]
    assert [len(line["orders"]) for line in lines] == [3, 0, 0]
    assert [line["fault"] for line in lines] == [None, "401@2", None]
    assert [line["number"] for line in lines] == [1, 2, 3] == [call.number for call in calls]
    assert lines[0]["body_bytes"] == lines[0]["sent_bytes"] > 100
    assert "s3cret" not in log.read_text(encoding="utf-8")
    assert lines[0]["time"].endswith("Z")


def test_a_connection_without_a_request_is_counted_and_logged(tmp_path: Path) -> None:
    log = tmp_path / "calls.jsonl"
    with Simulator(SkubanaAssessment(), log=log) as simulator:
        for _ in range(3):
            connect(simulator.url).close()
    assert simulator.connections == 3
    assert simulator.requests == []
    assert [(call.number, call.method) for call in simulator.calls] == [(None, None)] * 3
    assert len(logged(log)) == 3


def test_log_and_truth_are_written_before_the_answer(tmp_path: Path) -> None:
    log, told = tmp_path / "calls.jsonl", tmp_path / "truth.json"
    seen: list[tuple[int, int]] = []

    def look(_: object) -> None:
        handed_out = json.loads(told.read_text(encoding="utf-8"))["handed_out"]
        seen.append((len(logged(log)), handed_out))

    profile = SkubanaAssessment(orders=30, per_call=10)
    with Simulator(profile, log=log, truth=told, gate=look) as simulator:
        get(simulator.url)
        get(simulator.url)
    assert seen == [(1, 10), (2, 20)]
    assert json.loads(told.read_text(encoding="utf-8")) == simulator.truth()
    assert [path.name for path in tmp_path.iterdir()] != []
    assert not list(tmp_path.glob(".*"))


def test_a_log_that_cannot_be_written_is_an_error_at_the_start(tmp_path: Path) -> None:
    simulator = Simulator(SkubanaAssessment(), log=tmp_path / "missing" / "calls.jsonl")
    with pytest.raises(FileNotFoundError):
        simulator.start()


def test_a_large_truth_is_not_written_at_every_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(truth, "EVERY_CALL_UP_TO", 50)
    told = tmp_path / "truth.json"
    with Simulator(SkubanaAssessment(orders=200, per_call=5), truth=told) as simulator:
        held = []
        while get(simulator.url).body != b"[]":
            held.append(json.loads(told.read_text(encoding="utf-8"))["handed_out"])
        assert json.loads(told.read_text(encoding="utf-8"))["handed_out"] == 200
    assert held[:10] == list(range(5, 55, 5))
    assert sorted(set(held[10:])) == [50, 100, 200]
    assert json.loads(told.read_text(encoding="utf-8")) == simulator.truth()


def read(bodies: list[bytes]) -> dict[str, Any]:
    """Read good orders from the served bytes, as a simple correct loader would."""
    orders: dict[str, Any] = {}
    for body in bodies:
        for order in json.loads(body):
            address = order.get("shipToAddress") or {}
            items: dict[str, int] = {}
            for line in filter(None, order.get("orderItems") or []):
                sku = text(line.get("sku")) or "(no sku)"
                items[sku] = items.get(sku, 0) + int(float(line["quantity"]))
            country = text(address.get("country"))
            orders[str(order["orderNumber"])] = {
                "country": country and CODES.get(country.strip().upper(), country),
                "line1": text(address.get("line1")),
                "line2": text(address.get("line2")),
                "name": text(address.get("name")),
                "postalcode": text(address.get("postalCode")),
                "stateprovince": text(address.get("stateProvince")),
                "city": None,
                "items": items,
            }
    return orders


def text(value: object) -> str | None:
    kept = "" if value is None else str(value).replace("\0", "")
    return kept if kept.strip() else None


@pytest.mark.slow
def test_the_truth_is_what_a_reader_of_the_bytes_finds() -> None:
    profile = SkubanaAssessment(orders=15_000, per_call=1000, seed=9, versions=0.1)
    bodies = []
    with Simulator(profile) as simulator:
        while (body := get(simulator.url).body) != b"[]":
            bodies.append(body)
    told = simulator.truth()
    assert told["orders"] == read(bodies)
    assert told["handed_out"] == sum(len(json.loads(body)) for body in bodies) > 15_000
    assert (told["rejected"], told["lost"]) == ([], [])
    assert json.loads(json.dumps(told)) == told


def test_malformed_orders_are_rejected_with_reason_and_place() -> None:
    profile = SkubanaAssessment(orders=500, per_call=100, malformed=len(MALFORMED))
    with Simulator(profile) as simulator:
        served = [get(simulator.url).json for _ in range(5)]
    told = simulator.truth()
    assert len(told["rejected"]) == len(MALFORMED)
    assert len(told["orders"]) == 500 - len(MALFORMED)
    reasons = sorted(malformed.reason for malformed in MALFORMED.values())
    assert sorted(rejected["reason"] for rejected in told["rejected"]) == reasons
    for rejected in told["rejected"]:
        order = served[rejected["call"] - 1][rejected["position"]]
        number = order.get("orderNumber") if isinstance(order, dict) else None
        if rejected["ordernumber"] is not None:
            assert rejected["ordernumber"] == str(number)
        else:
            assert rejected["reason"].startswith(("order_", "number_"))


def test_the_truth_tells_what_was_lost_on_the_way() -> None:
    profile = SkubanaAssessment(orders=60, per_call=20)
    with Simulator(profile, ["reset-body:fraction=0.5@1", "500@2"]) as simulator:
        broken = talk(simulator.url).body
        talk(simulator.url)
        third = get(simulator.url).json
    told = simulator.truth()
    whole = json.loads(broken[: broken.rindex(b',{"orderNumber"')] + b"]")
    numbers = [str(order["orderNumber"]) for order in (*whole, *third)]
    assert list(told["orders"]) == numbers
    assert told["handed_out"] == 60
    assert len(told["lost"]) == 60 - len(numbers)
    assert {lost["call"] for lost in told["lost"]} == {1, 2}
    assert [call["consumed"] for call in told["calls"]] == [True, True, True]
    assert [len(call["ordernumbers"]) for call in told["calls"]] == [20, 20, 20]


def handed_out(*orders: Order) -> dict[str, Any]:
    told = Truth("test", 1)
    occurrences = tuple(Occurrence(order.number, order, None) for order in orders)
    told.add(Delivery(1, True, None, occurrences, range(len(occurrences))))
    return told.as_json()


def in_country(number: str, country: str | None, *lines: Line) -> Order:
    return Order(number, Address(country, " ", "", "Nul\0l ", "1", None), lines)


def test_rows_by_the_rules_of_the_tables() -> None:
    told = handed_out(
        in_country("1", "DE", Line("B", 1), Line(None, 2), Line("B", 3), Line(" ", 4)),
        Order("2", None, (Line("B ", 0),)),
    )
    assert told["orders"] == {
        "1": {
            "country": "DE", "line1": None, "line2": None, "name": "Null ", "postalcode": "1",
            "stateprovince": None, "city": None, "items": {"B": 4, "(no sku)": 6},
        },
        "2": {
            "country": None, "line1": None, "line2": None, "name": None, "postalcode": None,
            "stateprovince": None, "city": None, "items": {"B ": 0},
        },
    }  # fmt: skip


def test_answers_with_ties_no_country_and_orders_without_items() -> None:
    told = handed_out(
        in_country("1", "DE", Line("é", 2), Line("z", 2)),
        in_country("2", None, Line("z", 1), Line("\U0001f9e6", 3), Line("\uff41", 3)),
        in_country("3", "FR"),
    )
    answers = told["answers"]
    assert answers["average_items_per_order"] == {"average": 5.5, "quantity": 11, "orders": 2}
    assert [(row["sku"], row["quantity"], row["orders"]) for row in answers["popular_sku"]] == [
        ("z", 3, 2), ("\uff41", 3, 1), ("\U0001f9e6", 3, 1), ("é", 2, 1),
    ]  # fmt: skip
    assert [row["rank"] for row in answers["popular_sku"]] == [1, 2, 3, 4]
    assert {
        country: [row["sku"] for row in rows]
        for country, rows in answers["popular_sku_by_country"].items()
    } == {"(no country)": ["\uff41", "\U0001f9e6", "z"], "DE": ["z", "é"]}


def test_no_orders_have_no_average() -> None:
    answers = handed_out()["answers"]
    assert answers["average_items_per_order"] == {"average": None, "quantity": 0, "orders": 0}


@pytest.mark.slow
def test_many_orders_are_told_quickly() -> None:
    profile = SkubanaAssessment(orders=50_000, per_call=5000)
    with Simulator(profile) as simulator:
        while get(simulator.url).body != b"[]":
            pass
        began = time.process_time()
        assert len(simulator.truth()["orders"]) == 50_000
    assert time.process_time() - began < 5
