"""The simulator's own reader of GraphQL."""

from __future__ import annotations

from typing import Any

import pytest

from orderpull.simulator.profile import Request
from tests.platforms.graphql import (
    GraphQLError,
    Schema,
    Type,
    asked,
    check,
    chosen,
    parse,
)

NODES: list[dict[str, Any]] = [
    {"__typename": "Order", "id": "1", "tags": ["a"], "address": {"city": "Łódź", "zip": None}},
    {"__typename": "Order", "id": "2", "tags": [], "address": None},
    {"__typename": "Draft", "id": "3", "tags": [], "address": None},
]
SHOP: dict[str, Any] = {
    "__typename": "Query",
    "orders": lambda first=2, **_: {"nodes": NODES[:first]},
    "name": "Étui",
}


def answered(document: str, **variables: Any) -> Any:
    return chosen(SHOP, parse(document, variables).fields)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ("{ name }", {"name": "Étui"}),
        ("query Named { name }", {"name": "Étui"}),
        ("query($n: Int! = 1,){ orders(first: $n) { nodes { id } } }", [{"id": "1"}]),
        ("{ orders(first: 1) { nodes { number: id, tags } } }", [{"number": "1", "tags": ["a"]}]),
        (
            "{ orders { nodes { address { city } } } }",
            [{"address": {"city": "Łódź"}}, {"address": None}],
        ),
        (
            "{ orders(first: 1) { nodes { ...F } } } fragment F on Order { id ...G } fragment G on Order { tags }",
            [{"id": "1", "tags": ["a"]}],
        ),
        (
            "{ orders(first: 3) { nodes { id ... on Draft { tags } ... { __typename } } } }",
            [
                {"id": "1", "__typename": "Order"},
                {"id": "2", "__typename": "Order"},
                {"id": "3", "tags": [], "__typename": "Draft"},
            ],
        ),
        (
            "{ orders(first: 1) { nodes { address { city } address { zip } } } }",
            [{"address": {"city": "Łódź", "zip": None}}],
        ),
        (
            '# all\n{ orders(first: 1, by: {key: [ID, -1.5e2, null, true], say: "\\"{\\u00e9"}) { nodes { id } } }',
            [{"id": "1"}],
        ),
        ('{ orders(first: 1, query: """a "quoted" } text""") { nodes { id } } }', [{"id": "1"}]),
    ],
)
def test_fields_are_chosen(document: str, expected: Any) -> None:
    told = answered(document)
    assert (told["orders"]["nodes"] if "orders" in told else told) == expected


def test_arguments_arrive_as_they_are_meant() -> None:
    heard: list[dict[str, Any]] = []

    def orders(**arguments: Any) -> None:
        heard.append(arguments)

    document = (
        "query($q: String, $n: Int, $o: In = {take: 5}) { a: orders(q: $q, n: $n, o: $o) "
        'b: orders(q: """x\\"""y""", n: -3, o: {sort: {id: ASC}, in: ["é", 1.5, false]}) }'
    )
    chosen({"orders": orders}, parse(document, {"q": "updated_at:>='2026'"}).fields)
    assert heard[0] == {"q": "updated_at:>='2026'", "n": None, "o": {"take": 5}}
    assert heard[1] == {
        "q": 'x"""y',
        "n": -3,
        "o": {"sort": {"id": "ASC"}, "in": ["é", 1.5, False]},
    }


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("", "one operation"),
        ("{", "Expected Name"),
        ("{ name", "Expected Name"),
        ("{ orders(first 1) { id } }", "Expected ':'"),
        ("{ name } }", "Expected Name"),
        ("{ }", "Expected Name"),
        ("{ name @include(if: true) }", "found '@'"),
        ("{ name ; }", "Unexpected character"),
        ("subscription { name }", "Unexpected Name"),
        ("query A { name } query B { name }", "one operation"),
        ("{ ...F }", "Unknown or circular fragment"),
        ("{ ...F } fragment F on Query { ...F }", "Unknown or circular fragment"),
        ("query($n: Int!) { orders(first: $n) { nodes } }", "was not provided"),
        ("{ orders(first: $n) { nodes } }", "not declared"),
        ("{ orders(first: }) { nodes } }", "Unexpected '}'"),
    ],
)
def test_what_is_wrong_is_told(document: str, message: str) -> None:
    with pytest.raises(GraphQLError, match=message):
        parse(document)


SCHEMA: Schema = {
    "Query": {"orders": Type("Order", frozenset({"first"})), "name": Type()},
    "Order": {"id": Type()},
}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{ nmae }", "Field 'nmae' doesn't exist on type 'Query'"),
        ("{ orders { number } }", "Field 'number' doesn't exist on type 'Order'"),
        ("{ orders(last: 3) { id } }", "doesn't accept argument 'last'"),
        ("{ name { id } }", "can't be made on scalars"),
        ("{ orders }", "must have selections"),
    ],
)
def test_documents_are_checked_against_the_schema(document: str, message: str) -> None:
    with pytest.raises(GraphQLError, match=message):
        check(parse(document).fields, SCHEMA, "Query")
    check(parse("{ __typename name orders(first: 3) { id } }").fields, SCHEMA, "Query")


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"query":1}', b'{"query":"{a}","variables":[1]}']
)
def test_a_body_must_bring_a_query(body: bytes) -> None:
    with pytest.raises(GraphQLError):
        asked(Request("POST", "/", {}, body))
