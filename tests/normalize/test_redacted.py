"""A redacted order is the same order without its person, or the same reject."""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from orderpull.engine import duckdb
from orderpull.forget.wanted import Wanted
from orderpull.landing.forgotten import Forgotten
from orderpull.landing.page import PageMeta, Part, digest
from orderpull.normalize.masking import unquoted
from orderpull.normalize.page_redactor import PageRedactor
from orderpull.normalize.redact import HIDDEN, OrderRedactor
from orderpull.sources.spec.api import Api
from orderpull.sources.spec.reader import parse_api, read_api
from tests.normalize.golden import Case, Setup, cases
from tests.normalize.helpers import Shaped, Workbench, land

API = """
title = "Small shop"
[request]
path = "/orders"
[order]
number = "no"
[order.lines]
path = "lines"
sku = "sku"
quantity = "n"
"""
HOOK = """
import json

def page(body):
    lines = (line.split("|") for line in body.decode().splitlines())
    return json.dumps([{"no": no, "by": by, "lines": []} for no, by in lines]).encode()
"""

BY_SETUP: dict[Setup, list[Case]] = defaultdict(list)
for each in cases():
    BY_SETUP[each.setup].append(each)


def page_of(api: Api, orders: list[str]) -> bytes:
    """A page with these orders."""
    body = f"[{', '.join(orders)}]"
    for key in reversed(api.record_path.steps):
        body = f'{{{json.dumps(key)}: {body}, "included": "Ada"}}'
    return body.encode()


def counted(shaped: Shaped) -> list[dict[str, Any]]:
    """The staged rows without what tells a person."""
    out = {*HIDDEN, "content_hash", "page", "raw"}
    rows = [*shaped.orders, *shaped.rejects]
    for row in shaped.rejects:
        row["message"] = unquoted(row["reason"], row["message"])
    return [{key: value for key, value in row.items() if key not in out} for row in rows]


@pytest.mark.parametrize("setup", BY_SETUP, ids=lambda each: BY_SETUP[each][0].title)
def test_every_awkward_order_counts_as_before(setup: Setup, tmp_path: Path) -> None:
    """With equal status, times, lines, country, or for the same reason a reject."""
    api = setup.read_api()
    bench = Workbench(tmp_path, api, setup.ordernumber)
    meta = land(bench.landing, api, page_of(api, [case.order for case in BY_SETUP[setup]]))
    before = counted(bench.shape_pages([meta]))
    redactor = PageRedactor(api, setup.ordernumber, Forgotten("shop", b"k" * 64))
    body = bench.landing.read(1)[1]
    positions = range(len(BY_SETUP[setup]))
    bench.landing.rewrite([redactor.redact_at(meta, body, positions)])
    again, text = bench.landing.read(1)
    shaped = bench.shape_pages([again])
    assert counted(shaped) == before
    assert {row["name"] for row in shaped.orders} <= {None, "Esq"}, "a constant of the mapping"
    assert b"Ada" not in text
    twice = redactor.redact_at(again, text, positions)
    assert twice == (again, text)


def test_pages_of_every_kind_are_redacted(tmp_path: Path) -> None:
    """Those that a hook reads, damaged ones, and lists of all orders; other orders stay whole."""
    plain = parse_api(API, "small.toml")
    hooked_api = API.replace("[request]", 'hook = "hook.py"\n[request]', 1)
    (tmp_path / "hooked.toml").write_text(hooked_api, encoding="utf-8")
    (tmp_path / "hook.py").write_text(HOOK, encoding="utf-8")
    hooked = read_api("hooked.toml", tmp_path)
    forgotten = Forgotten("shop", b"k" * 64)
    forgotten = Forgotten("shop", b"k" * 64, [forgotten.hash_of("1", None)])

    def redacted(api: Api, body: bytes, **facts: Any) -> bytes:
        facts = {"state": "whole", "orders": 2, "kind": "orders", **facts}
        meta = PageMeta(source="shop", page=1, status=200, request="", received_at="",
                        sha256=digest(body), size=len(body), **facts)  # fmt: skip
        page = PageRedactor(api, "{number}", forgotten).redact(meta, body)
        return page[1] if page else body

    person, other = '{"no": "1", "by": "Ada", "lines": []}', '{"no": "2", "by": "Eve", "lines": []}'
    for body, facts in (
        (whole := f"[{person}, {other}]", {}),
        (f'[{person}, {other}, {{"no": "3", "by": "Bo', {"state": "damaged", "orders": 0}),
        (whole, {"kind": "listing", "parts": [Part(len(whole))]}),
    ):
        text = redacted(plain, body.encode(), **facts)
        assert b"Ada" not in text
        assert other.encode() in text
        assert (b"Bo" in text) == ("Bo" in body)
    assert redacted(plain, f"[{other}]".encode(), orders=1) == f"[{other}]".encode()
    text = redacted(hooked, b"1|Ada\n2|Eve")
    assert b"Ada" not in text
    assert json.loads(text.splitlines()[2]) == {"no": "2", "by": "Eve", "lines": []}


def test_a_text_that_is_no_json_is_not_redacted() -> None:
    """Whoever calls replaces it whole."""
    redactor = OrderRedactor(parse_api(API, "small.toml"))
    assert redactor.redact('{"no": "1", "by": "Ad') is None
    assert redactor.redact('"Ada"') == '""'
    assert redactor.redact('{"no": 1.10, "by": ["A"], "x": true}') == '{"no":1.10,"by":[],"x":true}'


WANTED = [
    (Wanted(("n-1",)), "a"),
    (Wanted((" N-1 ", "N-2")), "ab"),
    (Wanted(name="ada  LOVELACE"), "ab"),
    (Wanted(name="Lovelace"), ""),
    (Wanted(address="main st 5"), "ab"),
    (Wanted(address="Main St 5, Back House"), "b"),
    (Wanted(address="Main St 5, 12345 Ulm"), "a"),
    (Wanted(address="main st 5 back house ulm 777"), "b"),
    (Wanted(("N-1", "N-2"), "Ada Lovelace", "Back House"), "b"),
    (Wanted(("N-3",)), ""),
    (Wanted(name="' OR true --"), ""),
]


def test_who_is_wanted() -> None:
    """Whole texts, whatever their case and spaces; several kinds of criteria narrow each other."""
    connection = duckdb.connect()
    connection.execute(
        """CREATE TABLE o AS SELECT * FROM (VALUES
            ('a', 'N-1', 'Ada Lovelace', 'Main St 5', NULL, '12345', 'Ulm'),
            ('b', 'N-2', ' ADA LOVELACE', 'Main  St 5', 'Back House', '777', 'Ulm'),
            ('c', 'N-30', 'Adam Lovelace', NULL, NULL, NULL, NULL)
        ) AS t(key, ordernumber, name, line1, line2, postalcode, city)"""
    )
    for wanted, matches in WANTED:
        query = f"SELECT key FROM o WHERE {wanted.condition(connection, b'')} ORDER BY key"
        keys = "".join(key for (key,) in connection.execute(query).fetchall())
        assert (wanted, keys) == (wanted, matches)
        assert "Ada" not in str(wanted)


def test_fragments_are_searched_by_their_text() -> None:
    """By whole words, escaped or not; by number only under the key of the number."""
    fragment = '{"no": "17", "n": 5, "to": "J\\u00fcrgen M'
    assert Wanted(name="jürgen m").is_in(fragment, "no", is_order=False)
    assert not Wanted(name="jürgen").is_in(fragment.replace("gen", "gens"), "no", is_order=False)
    assert Wanted(("17",)).is_in(fragment, "no", is_order=False)
    assert not Wanted(("5",)).is_in(fragment, "no", is_order=False)
    assert not Wanted(("17",), name="Ada").is_in(fragment, "no", is_order=False)
