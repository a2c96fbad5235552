"""Damaged pages: whole orders come out, the rest is kept as a reject, and the counts add up."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orderpull.normalize.salvage import PageLayout, salvage
from orderpull.simulator import DAMAGED, MALFORMED
from orderpull.simulator.damaged import order_spans
from orderpull.sources.spec.reader import parse_api
from tests.normalize.helpers import Workbench, named_api
from tests.normalize.jsontexts import values

WRAPPED = """
title = "Wrapped"
[request]
path = "/orders"
[records]
path = "data.orders"
[order]
number = "orderNumber"
[order.address]
country = "shipToAddress.country"
line1 = "shipToAddress.line1"
name = "shipToAddress.name"
[order.lines]
path = "orderItems"
sku = "sku"
quantity = "quantity"
"""
EDGES = WRAPPED.replace("data.orders", "data.orders.edges[].node")


def order(number: int, **more: Any) -> dict[str, Any]:
    return {
        "orderNumber": f"100-{number}",
        "shipToAddress": {"country": "DE", "line1": "Am Bühl 1", "name": "Käthe"},
        "orderItems": [{"sku": "茶-250g", "quantity": 1}],
        **more,
    }


def page(orders: list[Any], *, wrapped: bool = False) -> bytes:
    body = {"data": {"orders": orders}, "count": len(orders)} if wrapped else orders
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


@pytest.fixture(scope="module", params=["bare", "wrapped"])
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    wrapped = request.param == "wrapped"
    api = parse_api(WRAPPED, "wrapped.toml") if wrapped else named_api("skubana-assessment")
    made = Workbench(tmp_path_factory.mktemp("bench"), api)
    yield wrapped, made
    made.close()


def numbers(rows: list[dict[str, Any]]) -> list[str]:
    return [row["ordernumber"] for row in rows]


@pytest.mark.parametrize("kind", DAMAGED)
def test_each_kind_of_damage(kind: str, bench: Any) -> None:
    """All orders that the damage left whole are orders; all else of the list is in rejects."""
    wrapped, normalizer = bench
    good = page([order(n) for n in range(7)], wrapped=wrapped)
    damaged = DAMAGED[kind].apply(good)
    shaped = normalizer.normalize(damaged)
    whole = {f"100-{n}" for n in DAMAGED[kind].whole(good)}
    assert set(numbers(shaped.orders)) == whole
    assert len(shaped.orders) == len(whole)
    assert shaped.places == [(1, n) for n in range(len(shaped.orders) + len(shaped.rejects))]
    assert {row["reason"] for row in shaped.rejects} <= {"page_damaged"}
    assert len(shaped.rejects) <= 1
    served = damaged if kind == "lone-surrogate" else good
    texts = [served[start:end].decode() for start, end in order_spans(served)]
    pieces = [(row["position"], texts[int(row["ordernumber"][4:])], True) for row in shaped.orders]
    pieces += [(row["position"], row["raw"], False) for row in shaped.rejects]
    listed = damaged[damaged.index(b"[{") :] if wrapped else damaged.removeprefix(b"\xef\xbb\xbf")
    assert_all_there(listed, [(text, whole) for _, text, whole in sorted(pieces)])


@pytest.mark.parametrize("damage", ["none", "cut", "minus-zero"])
def test_every_kind_of_malformed_order(damage: str, bench: Any) -> None:
    """A malformed order is rejected whole, for the stated reason; its neighbours are loaded.

    So it is however the page is read: as it is, taken apart since it is cut off, or since it holds
    a number that the engine would change.
    """
    wrapped, normalizer = bench
    broken = [json.dumps(kind.broken(order(0)), ensure_ascii=False) for kind in MALFORMED.values()]
    good = [json.dumps(order(n), ensure_ascii=False) for n in range(1, len(broken) + 1)]
    texts = [text for both in zip(broken, good, strict=True) for text in both]
    body = f"[{' , '.join(texts)}{',-0' if damage == 'minus-zero' else ''}]"
    body = f'{{"data": {{"orders": {body}}}}}' if wrapped else body
    shaped = normalizer.normalize(
        body[: body.rindex("]")].encode() if damage == "cut" else body.encode()
    )
    assert numbers(shaped.orders) == [f"100-{n}" for n in range(1, len(broken) + 1)]
    assert [row["position"] for row in shaped.orders] == list(range(1, 2 * len(broken), 2))
    for position, kind in enumerate(MALFORMED.values()):
        reject = shaped.rejects[position]
        assert (reject["position"], reject["reason"]) == (2 * position, kind.reason)
        assert reject["raw"] == broken[position]
        assert reject["ordernumber"] == ("100-0" if kind.keeps_number else None)
        assert reject["message"]
        assert reject["path"].startswith("$")


@pytest.mark.parametrize("damage", ["none", "cut"])
def test_half_a_surrogate_pair_becomes_a_replacement_character(damage: str, bench: Any) -> None:
    r"""Each ``\\ud800`` without its other half reads as U+FFFD; a pair and ``\\\\ud800`` stay."""
    wrapped, normalizer = bench
    odd = order(1, orderItems=[{"sku": "\udc00A\ud83d", "quantity": 1}])
    odd["shipToAddress"]["name"] = "\ud800 \U0001f600 \\ud800"
    spoilt = order(2, orderItems=[{"sku": "\udbff", "quantity": -1}])
    listed = json.dumps([order(0), odd, spoilt, order(3)])
    body = f'{{"data": {{"orders": {listed}}}}}' if wrapped else listed
    shaped = normalizer.normalize((body[: body.rindex("]")] if damage == "cut" else body).encode())
    assert numbers(shaped.orders) == ["100-0", "100-1", "100-3"]
    assert shaped.orders[1]["name"] == "\ufffd \U0001f600 \\ud800"
    assert [item["sku"] for item in shaped.orders[1]["items"]] == ["\ufffdA\ufffd"]
    (reject,) = shaped.rejects
    assert (reject["position"], reject["reason"]) == (2, "quantity_invalid")


def test_nothing_is_made_up(bench: Any) -> None:
    """An object inside a spoilt order is never taken for an order, however much it looks like one."""
    wrapped, normalizer = bench
    inner = {"orderNumber": "100-2.1", "orderItems": [{"sku": "A", "quantity": 1}]}
    parts = [order(1), order(2, fulfilments=[inner, inner]), order(3)]
    body = page(parts, wrapped=wrapped)
    spoilt = body.replace(b'"100-2"', b'"100"-2"', 1)
    shaped = normalizer.normalize(spoilt)
    assert numbers(shaped.orders) == ["100-1", "100-3"]
    unclosed = body.replace(b'"100-2",', b'"100-2","x":{', 1)
    shaped = normalizer.normalize(unclosed)
    assert numbers(shaped.orders) == ["100-1", "100-3"]
    cut = body[: body.index(b'"100-3"')]
    shaped = normalizer.normalize(cut)
    assert numbers(shaped.orders) == ["100-1", "100-2"]


def test_an_order_that_a_bracket_cut_short_is_not_whole(bench: Any) -> None:
    """`}` for `,` ends an order early; what is left of it tells that it was not whole."""
    wrapped, normalizer = bench
    body = page([order(1), order(2), order(3)], wrapped=wrapped)
    spoilt = body.replace(b'"100-2",', b'"100-2"},', 1)
    shaped = normalizer.normalize(spoilt)
    assert numbers(shaped.orders) == ["100-1", "100-3"]
    (reject,) = shaped.rejects
    assert reject["raw"].startswith('{"orderNumber":"100-2"},"shipToAddress"')


@pytest.mark.parametrize(
    ("body", "reason", "message"),
    [
        (b"<html>Bad Gateway</html>", "page_damaged", "it is HTML, not JSON"),
        (b"no JSON", "page_damaged", "it is not whole JSON"),
        (b'{"status": "busy"}', "page_unexpected", "without a list of orders"),
        (b'"a text"', "page_unexpected", "without a list of orders"),
        (b"null", "page_unexpected", "without a list of orders"),
        (b"\xff\xfe[\0]\0", "page_damaged", "not UTF-8"),
    ],
)
def test_no_orders_at_all(body: bytes, reason: str, message: str, bench: Any) -> None:
    """A page that holds no list of orders is one reject with all of its text."""
    _, normalizer = bench
    shaped = normalizer.normalize(body)
    assert not shaped.orders
    (reject,) = shaped.rejects
    assert reject["reason"] == reason
    assert message in reject["message"]
    text = body.decode(errors="backslashreplace").replace("\0", "\\x00")
    assert reject["raw"] == text.strip()


@pytest.mark.parametrize("body", [b"", b" \n", b"[", b"[ ,", b"[]", b"\xef\xbb\xbf[]"])
def test_nothing_is_nothing(body: bytes, bench: Any) -> None:
    """Where nothing came, nothing is rejected."""
    wrapped, normalizer = bench
    shaped = normalizer.normalize(body.replace(b"[", b'{"data":{"orders":[') if wrapped else body)
    assert not shaped.orders
    assert not shaped.rejects


def test_elements_of_every_kind(bench: Any) -> None:
    """Whatever stands in the list beside orders is a reject each; the orders are loaded."""
    wrapped, normalizer = bench
    odd: list[Any] = [None, 1, -0.0, "x", True, [], {}, [order(9)], "]", '{"orderNumber":"no"}']
    body = page([part for n, o in enumerate(odd) for part in (order(n), o)], wrapped=wrapped)
    for text in (body, body[: body.rindex(b"]")]):
        shaped = normalizer.normalize(text)
        assert numbers(shaped.orders) == [f"100-{n}" for n in range(len(odd))]
        assert [json.loads(row["raw"]) for row in shaped.rejects] == odd
        assert {row["reason"] for row in shaped.rejects} == {"order_invalid", "number_missing"}


def test_lists_glued_together(tmp_path: Path) -> None:
    """Elements of a second and a third list are elements, whatever they are."""
    normalizer = Workbench(tmp_path, named_api("skubana-assessment"))
    body = page([order(1)]) + page([7, order(2)]) + b"\n" + page([]) + page([{"orderNumber": "3"}])
    shaped = normalizer.normalize(body)
    assert numbers(shaped.orders) == ["100-1", "100-2", "3"]
    assert [row["raw"] for row in shaped.rejects] == ["7"]
    normalizer.close()


def test_a_wrapped_page_with_two_lists_is_ambiguous(tmp_path: Path) -> None:
    """Two lists under one key: readers differ in which they take, so the page is kept whole."""
    normalizer = Workbench(tmp_path, parse_api(WRAPPED, "wrapped.toml"))
    first, second = page([order(1)]).decode(), page([order(2), order(3)]).decode()
    for two in (
        f'{{"data": {{"orders": {first}, "x": {{"orders": 0}}, "orders": {second}}}}}',
        f'{{"data": {{"orders": {first}}}, "\\u0064ata": {{"orders": {second}}}}}',
    ):
        shaped = normalizer.normalize(two.encode(), page([order(4)], wrapped=True))
        assert numbers(shaped.orders) == ["100-4"]
        (reject,) = shaped.rejects
        assert (reject["reason"], reject["raw"]) == ("page_unexpected", two)
    same = (
        f'{{"data": {{"orders": {first}, "data": 1, "orders": {first}, "page": {{"orders": []}}}}}}'
    )
    assert numbers(normalizer.normalize(same.encode()).orders) == ["100-1"]
    normalizer.close()


def test_lists_in_lists_are_taken_apart_too(tmp_path: Path) -> None:
    """Of a damaged page of edges the nodes come out, and no line's node is taken for one."""
    normalizer = Workbench(tmp_path, parse_api(EDGES, "edges.toml"))
    edges = [{"node": order(n, lines=[{"node": {"orderNumber": "no"}}])} for n in range(4)]
    body = json.dumps({"data": {"orders": {"edges": edges}}}).encode()
    spoilt = body.replace(b'"100-1",', b'"100"-1",', 1)
    shaped = normalizer.normalize(spoilt)
    assert numbers(shaped.orders) == ["100-0", "100-2", "100-3"]
    (reject,) = shaped.rejects
    assert reject["raw"] == json.dumps(edges[1]).replace('"100-1",', '"100"-1",')
    normalizer.close()


@pytest.mark.slow
def test_a_page_of_many_megabytes(bench: Any) -> None:
    """A page of more than 16 MB is read, whole or damaged in the middle and at the end."""
    wrapped, normalizer = bench
    orders = [order(n, note="x" * 900) for n in range(17_000)]
    body = page(orders, wrapped=wrapped)
    assert len(body) > 17_000_000
    shaped = normalizer.normalize(body)
    assert len(shaped.orders) == len(orders)
    middle = body.index(b'"100-8000"')
    damaged = body[:middle] + b"\xff" + body[middle + 1 : -1]
    shaped = normalizer.normalize(damaged)
    assert len(shaped.orders) == len(orders) - 1
    (reject,) = shaped.rejects
    assert reject["position"] == 8000


@pytest.mark.slow
@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text.replace("}]}", "}]"),  # no order is closed
        lambda text: text.replace('"orderItems"', 'orderItems"'),  # a quote is missing in each
        lambda text: text.replace(":1}", ":NaN}"),
        lambda text: text.replace("},{", "}{"),
        lambda text: text.replace(",{", "][{"),
        lambda text: text.replace("[", "]"),
        lambda text: "[" * len(text),
        lambda text: '{"' * (len(text) // 2),
        lambda text: '"' + text,
    ],
    ids=range(9),
)
def test_a_page_that_is_damaged_all_over_is_done_with(spoil: Any, bench: Any) -> None:
    """However much is wrong with a page of megabytes, taking it apart comes to an end."""
    wrapped, normalizer = bench
    text = page([order(n) for n in range(10_000)], wrapped=wrapped).decode()
    shaped = normalizer.normalize(spoil(text).encode())
    assert shaped.places


@pytest.mark.parametrize("depth", [900, 950, 970, 980, 990, 1000, 2000, 100_000])
def test_deep_nesting(depth: int, bench: Any) -> None:
    """An order nested as deep as you like is an order or a reject; its neighbours are loaded."""
    wrapped, normalizer = bench
    deep = json.dumps(order(2)).replace("}", f', "deep": {"[" * depth}{"]" * depth}}}', 1)
    body = f"[{json.dumps(order(1))}, {deep}, {json.dumps(order(3))}]"
    shaped = normalizer.normalize(
        (f'{{"data": {{"orders": {body}}}}}' if wrapped else body).encode()
    )
    assert {"100-1", "100-3"} <= set(numbers(shaped.orders)) <= {"100-1", "100-2", "100-3"}
    assert shaped.places == [(1, 0), (1, 1), (1, 2)]
    assert [row["raw"] for row in shaped.rejects] in ([], [deep])


@pytest.mark.slow
def test_a_page_may_be_nested_deeper_than_the_reader_can_when_it_is_loaded(bench: Any) -> None:
    """How deep can be read changes with the calls around; a page landed as whole is loaded."""
    wrapped, normalizer = bench

    def shaped_below(calls: int, body: bytes) -> Any:
        return shaped_below(calls - 1, body) if calls else normalizer.normalize(body)

    for depth in range(700, 1000, 25):
        deep = json.dumps(order(2)).replace("}", f', "deep": {"[" * depth}{"]" * depth}}}', 1)
        body = f"[{json.dumps(order(1))}, {deep}, -0]"
        found = shaped_below(100, (f'{{"data":{{"orders":{body}}}}}' if wrapped else body).encode())
        assert found.places == [(1, 0), (1, 1), (1, 2)]


FORM = PageLayout((), (), frozenset({"orderNumber", "shipToAddress", "orderItems"}),
            frozenset({"orderNumber", "orderItems"}))  # fmt: skip
SEPARATORS = b" \t\r\n,[]}{"


@pytest.mark.slow
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_damage_anywhere(data: st.DataObject) -> None:
    """Bytes flipped, cut out or put in: every order before them is whole, and no byte is lost.

    Only where a member follows the last of them, and it is no full order, may it be a part of the
    spoilt one: there a bracket was lost, or put in.
    """
    orders = data.draw(
        st.lists(
            st.one_of(
                st.integers(0, 99).map(lambda n: json.dumps(order(n), ensure_ascii=False)), values
            ),
            min_size=1,
            max_size=8,
        )
    )
    body = ("[" + ",".join(orders) + "]").encode()
    at = data.draw(st.integers(0, len(body)))
    length = data.draw(st.sampled_from([0, 0, 1, 2, 10, len(body)]))
    instead = data.draw(
        st.one_of(
            st.just(b""), st.binary(max_size=3), st.sampled_from([b'"', b"}", b"]", b"{", b","])
        )
    )
    damaged = body[:at] + instead + body[at + length :]
    pieces = salvage(damaged, FORM)
    before, end = [], 1
    for text in orders:
        end += len(text.encode()) + 1
        if end <= at:  # its comma, too, is untouched
            before.append(text)
    if before and damaged[:at].endswith(b",") and re.match(rb'[\s,]*"[^"]*"\s*:', damaged[at:]):
        last = json.loads(before[-1])
        if not isinstance(last, dict) or not FORM.keys <= last.keys():
            before.pop()
    assert [piece.text for piece in pieces[: len(before)]] == before
    assert all(piece.whole for piece in pieces[: len(before)])
    assert_all_there(damaged, [(piece.text, piece.whole) for piece in pieces])


def assert_all_there(damaged: bytes, pieces: list[tuple[str, bool]]) -> None:
    """Fail if *pieces*, in their order, leave out more of *damaged* than separators."""
    rest = damaged
    for text, whole in pieces:
        data = text.encode() if whole else _bytes(text, rest)
        place = rest.find(data)
        assert place >= 0
        assert not rest[:place].strip(SEPARATORS)
        rest = rest[place + len(data) :]
    assert not rest.partition(b',"count"')[0].strip(SEPARATORS)


def _bytes(text: str, rest: bytes) -> bytes:
    """The bytes at the start of *rest*, beside separators, that *text* shows."""
    for start in range(len(rest)):
        for end in range(start + 1, len(rest) + 1):
            if rest[start:end].decode(errors="backslashreplace").replace("\0", "\\x00") == text:
                return rest[start:end]
        if rest[start] not in SEPARATORS:
            break
    raise AssertionError(text)
