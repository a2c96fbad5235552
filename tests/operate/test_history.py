"""``orderpull history``: each landed version of an order, and what became of it."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderpull.model import COUNTS
from orderpull.operate.order_search import Needle
from tests.docs.markdown import ROOT, marked
from tests.docs.shape import shape
from tests.operate.home import House, history, house, order


def told(home: House, order_name: str, *more: str) -> dict[str, Any]:
    """What ``history --json`` prints."""
    answer: dict[str, Any] = json.loads(home.call("history", order_name, "--json", *more).stdout)
    return answer


@pytest.mark.slow
def test_versions_of_an_order(tmp_path: Path) -> None:
    """By number or id: pages, what changed, what became of it, and which version the tables hold."""
    with house("duckdb", tmp_path) as home:
        line = {"sku": "S1", "n": 2, "title": "Tea", "came_to": "3.50", "returned": 1}
        later = {"status": "late", "mail": "grete@x.example", "back": "1.75", "lines": [line]}
        home.land([order("i1", "Z", changed="2026-03-01T00:00:00Z", to="Grete", **later)])
        by_id = told(home, "i1")
    versions = by_id["versions"]
    assert [(v["page"], v["position"], v["outcome"], v["held"]) for v in versions] == [
        (1, 1, "inserted", False),
        (2, 0, "updated", True),
        (3, 0, "stale", False),
        (4, 0, "waits", False),
    ]
    second = {
        change["field"]: (change["before"], change["after"]) for change in versions[1]["changes"]
    }
    assert second["item S1"] == (1, None)
    last = {change["field"]: change["after"] for change in versions[3]["changes"]}
    expected = {
        "item S1": 2, "title of S1": "Tea", "amount of S1": "3.5000", "returned of S1": 1,
        "refunded": "1.7500", "customer": "•••",
    }  # fmt: skip
    assert {name: last.get(name) for name in expected} == expected
    assert second["modified_at"] == (None, "2026-02-01T00:00:00.000000Z")
    assert second["name"] == ("•••", "•••")
    assert "Grete" not in json.dumps(by_id)
    assert "grete" not in json.dumps(by_id)
    assert by_id["stored"][0]["page"] == 2
    assert by_id["searched"]["pages"] == 4
    documented = json.loads(marked(ROOT / "docs" / "commands.md", "json: history").text)
    assert set(shape(documented)) == set(shape(by_id))
    assert set(documented["versions"][0]) == set(versions[0])


@pytest.mark.slow
def test_outcomes_are_those_of_the_ledger(tmp_path: Path) -> None:
    """Over all orders of a history, outcomes by page add up to what the load counted."""
    with house("duckdb", tmp_path) as home:
        counted = {
            page: dict(zip(COUNTS[1:], values, strict=True))
            for page, *values in home.origin.query(
                f"SELECT page, {', '.join(COUNTS[1:])} FROM orderpull_page"
            )
        }
        ids = {each["id"] for page in history() for each in page}
        found = {
            (version["page"], version["position"]): version
            for each in sorted(ids)
            for version in told(home, each)["versions"]
        }
        outcomes: dict[int, Counter[str]] = {}
        for (page, _), version in found.items():
            outcomes.setdefault(page, Counter())[version["outcome"]] += 1
        assert {
            page: {name: n for name, n in row.items() if n} for page, row in counted.items()
        } == {page: dict(counts) for page, counts in outcomes.items()}
        reasons = {v["reason"] for v in found.values() if v["reason"]}
        assert reasons == {"number_reused", "quantity_invalid"}
        # By number, whatever characters it has; an order that is not there is told.
        for number in ("😀",):
            assert told(home, number)["versions"]
        assert "Grete" not in home.call("history", "Z").stdout
        assert "Ada" in home.call("history", "Z", "--names").stdout
        assert (
            "No order 'nowhere' is in the 3 landed pages"
            in home.call("history", "nowhere", code=2).output
        )
        # A number that is made of two values is found without a look at the bytes.
        home.settings('ordernumber = "{number}~{id}"')
        assert [v["page"] for v in told(home, "Z~i1")["versions"]] == [1, 2, 3]


TEXTS = st.text(min_size=1, max_size=8).filter(lambda text: "\0" not in text and text.isprintable())


@given(text=TEXTS, mixed=st.booleans())
def test_a_value_is_seen_however_json_writes_it(text: str, mixed: bool) -> None:
    """Raw, escaped, or with each character escaped: never overlooked."""
    escaped = "".join(
        f"\\u{unit:04X}"
        for character in text
        for unit in [
            int.from_bytes(data[at : at + 2], "big")
            for data in [character.encode("utf-16-be")]
            for at in range(0, len(data), 2)
        ]
    )
    for written in (
        json.dumps(text, ensure_ascii=mixed),
        json.dumps(text).replace("/", "\\/"),
        f'"{escaped}"',
    ):
        assert json.loads(written) == text
        assert Needle(text).is_in(f'[{{"no": {written}}}]'.encode())


def test_a_number_is_a_value_too() -> None:
    """An order number that the API writes without quotes is found, and no part of another one."""
    assert Needle("1042").is_in(b'{"number":1042,"id":7}')
    assert not Needle("1042").is_in(b'{"number":10423,"id":"a1042"}')
