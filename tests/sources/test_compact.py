"""A compact page holds what the mapping reads, exactly, or says which orders it does not hold."""

import json
from typing import Any

import pytest

from orderpull.sources.compact import PAGE, POSITION, CompactDecoder, DecodedPage
from orderpull.sources.spec.reader import built_in, parse_api
from tests.normalize.helpers import named_api

FITTING = '{"id":"a","display_id":7,"note":{"x":[1]},"shipping_address":{"city":"Å"},"items":[]}'


def decoded(*orders: str, api: str = "medusa", extra: tuple[str, ...] = ()) -> DecodedPage:
    page = CompactDecoder(named_api(api), extra).decode(
        f'{{"count":9,"orders":[{",".join(orders)}]}}'.encode()
    )
    assert page is not None
    return page


def lines(text: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_line_holds_the_values_of_the_mapping_and_no_others() -> None:
    page = decoded(FITTING, FITTING).compact(3)
    order = {"id": "a", "display_id": 7, "shipping_address": {"city": "Å"}, "items": []}
    assert lines(page.lines) == [{PAGE: 3, **order}, {PAGE: 3, POSITION: 1, **order}]
    assert (page.odd, page.orders) == ({}, 2)


@pytest.mark.parametrize(
    "odd",
    [
        "null",
        "7",
        "[]",
        '{"id":true}',
        '{"id":1.0}',
        '{"id":-0}',
        '{"id":{}}',
        '{"id":9223372036854775808}',
        '{"id":"a\\u0000"}',
        '{"shipping_address":[]}',
        '{"items":{}}',
        '{"items":[3]}',
        '{"items":[{"variant_sku":false}]}',
        '{"total":1e999}',
    ],
)
def test_only_the_odd_order_of_a_page_is_left_out(odd: str) -> None:
    page = decoded(FITTING, odd, FITTING)
    compact = page.compact(1)
    assert (compact.odd, compact.orders) == ({1: odd}, 3)
    assert [line.get(POSITION, 0) for line in lines(compact.lines)] == [0, 2]


@pytest.mark.parametrize("fine", ['{"total":-0}', '{"note":-0, "total":0}', '{"total":5,"x":-0}'])
def test_minus_zero_matters_only_beside_a_value_that_may_have_been_it(fine: str) -> None:
    """Not exact to the value, but never wrong: a page without any zero is not searched."""
    odd = decoded(fine).compact(1).odd
    assert odd == ({} if '"total":5' in fine else {0: fine})


def test_of_equal_keys_the_last_counts() -> None:
    page = decoded('{"id":"a","id":"b"}').compact(1)
    assert lines(page.lines) == [{PAGE: 1, "id": "b"}]


def test_values_come_without_reading_the_orders_one_by_one() -> None:
    page = decoded(FITTING, "5", '{"id":8}', extra=("note.x[0]", "note.x[1]"))
    assert page.values("id") == ["a", None, 8]
    assert page.values("shipping_address.city") == ["Å", None, None]
    assert page.values("note.x[0]") == [1, None, None]
    assert page.values("note.x[1]") == [None, None, None]


def test_orders_below_an_edge_have_their_values_below_it() -> None:
    body = b'{"data":{"orders":{"edges":[{"node":{"legacyResourceId":"1","name":"#1"}}]}}}'
    page = CompactDecoder(named_api("shopify")).decode(body)
    assert page is not None
    assert page.values("legacyResourceId") == ["1"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"orders":null}', b'{"orders":{}}', b"\xff"])
def test_what_holds_no_list_of_orders_is_not_decoded(body: bytes) -> None:
    assert CompactDecoder(named_api("medusa")).decode(body) is None


def test_texts_of_orders_are_read_as_a_page_of_them_is() -> None:
    texts = [FITTING, "null", '{"id":"a"', "[" * 3000]
    page = CompactDecoder(named_api("medusa")).decode_texts([text.encode() for text in texts])
    assert (page.compact(1).odd, page.compact(1).orders) == (dict(enumerate(texts[1:], 1)), 4)


def test_a_type_is_made_from_each_built_in_file() -> None:
    for name, file in built_in().items():
        api = parse_api(file.read_text(encoding="utf-8"), f"{name}.toml")
        assert CompactDecoder(api).columns


def test_keys_that_differ_only_in_case_have_no_type() -> None:
    text = built_in()["skubana-assessment"].read_text(encoding="utf-8")
    api = parse_api(text.replace('"shipToAddress.name"', '"shipToAddress.LINE1"'), "x.toml")
    with pytest.raises(ValueError, match="case"):
        CompactDecoder(api)
