"""The made-up shop: repeatable, quick, and as odd as a real one."""

from __future__ import annotations

import json
import time
import tracemalloc
import unicodedata
from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest

from orderpull.simulator.places import COUNTRIES
from orderpull.simulator.skubana import OrderStream

if TYPE_CHECKING:
    from orderpull.simulator.places import CountryStyle


def texts(
    *,
    orders: int,
    seed: int = 1,
    malformed: float = 0,
    versions: float = 0.0,
    countries: CountryStyle = "mixed",
) -> list[bytes]:
    stream = OrderStream(
        orders=orders, seed=seed, malformed=malformed, versions=versions, countries=countries
    )
    return [text for _, text in stream]


@pytest.fixture(scope="module")
def orders() -> list[dict[str, Any]]:
    return [json.loads(text) for text in texts(orders=20_000, seed=5)]


def lines(orders: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [line for order in orders for line in order.get("orderItems") or [] if line is not None]


def skus(orders: list[dict[str, Any]]) -> Counter[str]:
    return Counter(str(line["sku"]) for line in lines(orders) if line.get("sku") is not None)


def countries(orders: list[dict[str, Any]]) -> Counter[str]:
    found = [(order.get("shipToAddress") or {}).get("country") for order in orders]
    return Counter(country for country in found if country)


def test_same_seed_same_bytes_another_seed_others() -> None:
    first, again, other = (
        texts(orders=500, seed=seed, malformed=0.1, versions=0.2) for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_a_longer_stream_begins_like_a_shorter_one() -> None:
    assert texts(orders=300, seed=1)[:200] == texts(orders=200, seed=1)


@pytest.mark.slow
def test_order_numbers_are_unique_texts_of_many_forms(orders: list[dict[str, Any]]) -> None:
    numbers = [order["orderNumber"] for order in orders]
    assert len({str(number) for number in numbers}) == len(orders)
    assert any(isinstance(number, int) for number in numbers)
    assert any(str(number).startswith("000") for number in numbers)
    assert any(str(number).startswith("A") for number in numbers)


def test_skus_are_popular_like_zipf(orders: list[dict[str, Any]]) -> None:
    counted = [count for _, count in skus(orders).most_common()]
    assert len(counted) > 300
    assert counted[0] > 4 * counted[20] > 4 * counted[200]


def test_odd_skus_are_there(orders: list[dict[str, Any]]) -> None:
    sold = skus(orders)
    assert {"00123", "1E5", "NULL", "TRAIL", "TRAIL ", "abc-1", "ABC-1", "A&amp;B"} <= set(sold)
    composed = {unicodedata.normalize("NFC", sku) for sku in sold}
    assert len(composed) < len(sold), "no SKU in two normal forms"
    without = [line for line in lines(orders) if not str(line.get("sku") or "").strip()]
    assert {repr(line.get("sku", "absent")) for line in without} == {
        "None", "''", "'  '", "'absent'",
    }  # fmt: skip
    assert any(isinstance(line.get("sku"), int) for line in lines(orders))


def test_quantities_are_small_mostly_and_written_in_several_ways(
    orders: list[dict[str, Any]],
) -> None:
    given = [line["quantity"] for line in lines(orders)]
    pieces = [int(float(quantity)) for quantity in given]
    assert sum(1 <= number <= 3 for number in pieces) > 0.85 * len(pieces)
    assert max(pieces) >= 144
    assert min(pieces) == 0
    assert {type(quantity) for quantity in given} == {int, float, str}
    assert any(quantity != str(quantity).strip() for quantity in given if isinstance(quantity, str))


def test_countries_are_many_skewed_and_written_in_several_ways(
    orders: list[dict[str, Any]],
) -> None:
    counted = countries(orders)
    codes = {country.code for country in COUNTRIES}
    assert len(codes) >= 40
    assert codes <= set(counted)
    assert counted["US"] > 0.2 * len(orders)
    assert {"us", "USA", "United States", "Atlantis"} <= set(counted)
    upper = sum(count for country, count in counted.items() if country in codes)
    assert 0.85 * len(orders) < upper < 0.95 * len(orders)


@pytest.mark.parametrize(("style", "usa"), [("code", "US"), ("name", "United States")])
def test_countries_can_be_written_in_one_way(style: CountryStyle, usa: str) -> None:
    orders = [json.loads(text) for text in texts(orders=2000, seed=1, countries=style)]
    spelt = {country.code if style == "code" else country.name for country in COUNTRIES}
    written = {country for country in countries(orders) if country.strip()}
    assert written <= spelt
    assert usa in written


def test_some_orders_lack_lines_or_address(orders: list[dict[str, Any]]) -> None:
    no_lines = [order for order in orders if not order.get("orderItems")]
    no_address = [order for order in orders if not order.get("shipToAddress")]
    assert 0.01 < len(no_lines) / len(orders) < 0.03
    assert 0.01 < len(no_address) / len(orders) < 0.03
    assert {repr(order.get("orderItems", "absent")) for order in no_lines} == {
        "[]", "None", "'absent'",
    }  # fmt: skip
    assert {repr(order.get("shipToAddress", "absent")) for order in no_address} == {
        "{}", "None", "'absent'",
    }  # fmt: skip


def test_some_orders_repeat_a_sku_or_have_a_null_line(orders: list[dict[str, Any]]) -> None:
    assert any(None in (order.get("orderItems") or []) for order in orders)
    repeated = [order for order in orders if max(skus([order]).values(), default=0) > 1]
    assert len(repeated) > 0.02 * len(orders)
    assert max(len(order.get("orderItems") or []) for order in orders) >= 50


def test_addresses_are_written_in_many_scripts(orders: list[dict[str, Any]]) -> None:
    named = [(order.get("shipToAddress") or {}).get("name") or "" for order in orders]
    letters = {
        unicodedata.name(letter, "").split()[0]
        for name in named
        for letter in name
        if letter.isalpha()
    }
    assert {
        "LATIN", "GREEK", "CYRILLIC", "ARABIC", "HEBREW", "DEVANAGARI", "THAI", "HANGUL", "CJK",
        "KATAKANA", "HIRAGANA",
    } - letters <= {"KATAKANA"}  # fmt: skip
    assert any("\0" in name for name in named)


def test_some_texts_are_ascii_only() -> None:
    served = texts(orders=3000, seed=1)
    assert any(rb"\u00" in text and text.isascii() for text in served)
    assert any(not text.isascii() for text in served)


def test_versions_come_again_later_mostly_changed() -> None:
    stream = list(OrderStream(orders=3000, seed=1, versions=0.2))
    assert 600 < len(stream) - 3000 < 1000
    first: dict[str | None, bytes] = {}
    changed = unchanged = 0
    for occurrence, text in stream:
        if occurrence.number in first:
            changed += text != first[occurrence.number]
            unchanged += text == first[occurrence.number]
        first.setdefault(occurrence.number, text)
    assert changed > unchanged > 0
    assert len(first) == 3000


def test_malformed_by_number_and_by_share() -> None:
    counted = [occurrence for occurrence, _ in OrderStream(orders=1000, seed=1, malformed=44)]
    assert sum(occurrence.reason is not None for occurrence in counted) == 44
    shared = [occurrence for occurrence, _ in OrderStream(orders=2000, seed=1, malformed=0.05)]
    assert 60 < sum(occurrence.reason is not None for occurrence in shared) < 140


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"orders": -1}, "orders must be 0 or more"),
        ({"orders": 5, "malformed": 6}, "malformed must be a number"),
        ({"orders": 5, "malformed": 1.5}, "malformed must be a number"),
        ({"orders": 5, "versions": 1.0}, "versions must be a share"),
        ({"orders": 5, "countries": "flags"}, "countries must be one of"),
    ],
)
def test_numbers_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        OrderStream(seed=1, **options)


@pytest.mark.slow
def test_endless_streams_in_little_memory_and_time() -> None:
    stream = iter(OrderStream(orders=0, seed=1, endless=True, versions=0.05))
    for _ in islice(stream, 5000):
        pass
    tracemalloc.start()
    try:
        for _ in islice(stream, 10_000):
            pass
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()
    began = time.process_time()
    for _ in islice(stream, 20_000):
        pass
    assert time.process_time() - began < 4, "200,000 orders would take more than 40 s of CPU"
