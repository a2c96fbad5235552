"""The catalogues of malformed orders and damaged pages."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest

from orderpull.simulator import DAMAGED, MALFORMED
from orderpull.simulator.damaged import order_spans
from orderpull.simulator.model import Reason

GOOD = {
    "orderNumber": "100-1",
    "shipToAddress": {"country": "DE", "line1": "Am Bühl 1", "name": "Käthe"},
    "orderItems": [{"sku": "茶-250g", "quantity": 1}],
}
PAGE = json.dumps([{**GOOD, "orderNumber": f"100-{n}"} for n in range(7)], ensure_ascii=False)
BODY = PAGE.encode()


def test_there_are_kinds_enough() -> None:
    assert len(MALFORMED) >= 24
    assert len(DAMAGED) >= 8
    assert {malformed.reason for malformed in MALFORMED.values()} == set(get_args(Reason))


@pytest.mark.slow
@pytest.mark.parametrize("kind", MALFORMED)
@pytest.mark.parametrize("good", [GOOD, {"orderNumber": "A1"}, {**GOOD, "shipToAddress": None}])
def test_each_kind_differs_from_the_good_order_and_leaves_it_alone(
    kind: str, good: dict[str, Any]
) -> None:
    before = json.dumps(good)
    broken = MALFORMED[kind].broken(good)
    assert broken != good
    assert json.dumps(good) == before
    json.dumps(broken, allow_nan=False)


def test_no_two_kinds_are_the_same() -> None:
    assert len({json.dumps(kind.broken(GOOD)) for kind in MALFORMED.values()}) == len(MALFORMED)


@pytest.mark.parametrize("kind", MALFORMED)
def test_the_number_stays_where_it_can_be_read(kind: str) -> None:
    broken = MALFORMED[kind].broken(GOOD)
    kept = isinstance(broken, dict) and broken.get("orderNumber") == "100-1"
    assert kept == MALFORMED[kind].keeps_number


@pytest.mark.parametrize("kind", DAMAGED)
def test_each_damage_spoils_the_page_and_keeps_the_whole_orders(kind: str) -> None:
    damaged = DAMAGED[kind].apply(BODY)
    whole = DAMAGED[kind].whole(BODY)
    assert damaged != BODY
    with pytest.raises(ValueError, match=r"."):  # no strict reader takes it
        json.loads(damaged.decode(), parse_constant=_refuse).sort(key=_encodable)
    texts = [BODY[start : end - 1] for start, end in order_spans(BODY)]
    assert {position for position, text in enumerate(texts) if text in damaged} == whole
    assert len(whole) >= 3


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _encodable(order: object) -> bytes:
    return json.dumps(order, ensure_ascii=False).encode()


@pytest.mark.slow
@pytest.mark.parametrize("kind", DAMAGED)
@pytest.mark.parametrize("body", [b"[]", b'{"orders":[]}', b"[7]", b'[ {"n": 1} , {"n": 2} ]'])
def test_damage_does_something_to_any_page(kind: str, body: bytes) -> None:
    damage = DAMAGED[kind]
    if kind == "missing-comma" and body == b"[7]":
        assert damage.apply(body) == body, "one order has no comma to miss"
    else:
        assert damage.apply(body) != body
    assert damage.whole(body) <= {0, 1}


def test_orders_are_found_inside_an_object() -> None:
    body = '{"data":{"count":2,"orders":[{"é":"]"},\n {"b":[1,"}"]} ],"more":[3]}}'.encode()
    assert [body[start:end].decode() for start, end in order_spans(body)] == [
        '{"é":"]"}',
        '{"b":[1,"}"]}',
    ]
