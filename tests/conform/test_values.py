"""Expressions backwards: what is placed is what comes out again."""

import pytest

from orderpull.conform.values import ABSENT, Json, Places, holds, places, put, truths, value_of
from orderpull.sources.spec.expression import parse

VALUES = [
    "number",
    "a.b.c",
    "streets[1]",
    "a.list[0].street[1]",
    "coalesce(product.sku, sku)",
    "join(' ', first, last)",
    "if(present(other), other, one)",
    "if(in(kind, 'a', 'b'), one, other)",
    "trim(coalesce(a, b))",
    "last(path(url))",
    "last(url)",
]
CONDITIONS = [
    "in(state, 'paid', 'sent')",
    "present(a.b)",
    "not(in(test, 'true'))",
    "not(in(state, 'draft', 'cart'))",
    "any(present(cancelled_at), in(state, 'void'))",
    "all(not(in(active, 'true')), present(placed))",
    "not(any(in(status, 'canceled', 'draft'), present(canceled_at)))",
    "not(present(coalesce(a, b)))",
]


def document(known: object) -> Json:
    made: Json = {}
    for steps, value in dict(known).items():  # type: ignore[call-overload]
        if value is not ABSENT:
            put(made, steps, value)
    return made


@pytest.mark.parametrize("text", VALUES)
def test_a_value_comes_out_again(text: str) -> None:
    expression = parse(text)
    made = document(next(places(expression, "00123", {})))
    assert value_of(expression, made) == "00123"


@pytest.mark.parametrize("text", ["last(path(url))", "last(url)"])
def test_a_code_in_a_link_comes_out_again(text: str) -> None:
    """Slashes and per cent signs of a code are escaped in the link."""
    expression = parse(text)
    for code in ("T-9/ä 100%", 12, "GB"):
        assert value_of(expression, document(next(places(expression, code, {})))) == str(code)


def test_minor_units_and_case_come_out_again() -> None:
    amount, code = parse("minor(total, '2')"), parse("upper(code)")
    assert value_of(amount, document(next(places(amount, "12.50", {})))) == "12.5"
    made = document(next(places(code, "EUR", {})))
    assert made == {"code": "eur"}
    assert value_of(code, made) == "EUR"


@pytest.mark.parametrize(
    ("text", "comes"),
    [
        ("sum(net, taxes[].amount)", "12.50"),
        ("sum(refunds[].transactions[].amount)", "12.50"),
        (
            "sum(refunds[present(id)].transactions[all(in(a.kind, 'x'), not(in(b, 'y')))].amount)",
            "12.50",
        ),
        ("less(price, discounts[0].amount)", "12.50"),
        ("minor(sum(a, b), '2')", "12.5"),
        ("if(present(old), sum(total, back), total)", "12.50"),
        ("less('0', off)", "-12.50"),
    ],
)
def test_an_amount_comes_out_again(text: str, comes: str) -> None:
    expression = parse(text)
    assert value_of(expression, document(next(places(expression, "12.50", {})))) == comes


def test_amounts_are_calculated_as_the_tables_have_them() -> None:
    made = {"price": "2.5", "pieces": 3, "off": None, "taxes": [{"net": 1}, {}, {"net": "0.25"}]}
    assert value_of(parse("less(times(price, pieces), off, sum(taxes[].net))"), made) == "6.25"
    assert value_of(parse("sum(taxes[not(in(net, '1'))].net)"), made) == "0.25"
    for nothing in ("sum(off, taxes[].gross)", "less(off, price)", "times(price, off)"):
        assert value_of(parse(nothing), made) is None


@pytest.mark.parametrize("wanted", [True, False])
@pytest.mark.parametrize("text", CONDITIONS)
def test_a_condition_comes_out_as_wanted(text: str, wanted: bool) -> None:
    condition = parse(text)
    found = [document(way) for way in truths(condition, wanted, {}, "2026-01-01")]
    assert any(holds(condition, made) == wanted for made in found)


def test_what_stands_somewhere_is_not_written_over() -> None:
    known: Places = {("state",): "paid"}
    assert list(places(parse("state"), "sent", known)) == []
    assert list(truths(parse("in(state, 'sent')"), True, known, "x")) == []
    assert list(truths(parse("in(state, 'paid')"), True, known, "x")) == [known]
