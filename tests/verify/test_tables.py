"""The tables beside themselves: what is planted by hand is named, and nothing else."""

import json
from pathlib import Path
from typing import Any

import pytest

from orderpull.verify.verify import Options, verify
from tests.contract import list_shop
from tests.contract.list_shop import Listed
from tests.operate.home import KINDS, house
from tests.schema_four import PINNED, hashes_of_schema_4, rehash
from tests.warehouses import warehouse

PLANTED = (
    "DELETE FROM order_address WHERE ordernumber = '#9'",
    "DELETE FROM order_header WHERE ordernumber = '~1'",
    "UPDATE order_item SET quantity = quantity + 1 WHERE ordernumber = 'Ä1' AND sku = 'S3'",
    "INSERT INTO order_item (ordernumber, sku, quantity, source) VALUES ('stray', 'TEA', 1, 'shop')",
    "UPDATE orderpull_page SET fetched = fetched + 1 WHERE page = 2",
    "UPDATE order_header SET page = 77 WHERE ordernumber = 'Z'",
)
TWICE = (
    "INSERT INTO order_header SELECT * FROM order_header WHERE ordernumber = '1'",
    "UPDATE order_header SET order_id = 'i0' WHERE ordernumber IN ('😀', 'a b')",
)
FOUND = {
    ("#9", "missing"), ("~1", "missing"), ("Ä1", "different"), ("stray", "missing"),
    ("page 2", "different"), ("page 77", "missing"),
    ("run 1", "different"),
}  # fmt: skip


def differences(told: str, where: str) -> set[tuple[str, str]]:
    """Number and kind of each difference that `verify --json` printed for *where*."""
    source: dict[str, Any] = json.loads(told)["sources"]["shop"]
    found = [(d["order"], d["kind"]) for d in source["differences"] if d["where"] == where]
    assert len(found) == len(set(found)), "an order is named twice"
    return set(found)


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_planted_is_named(kind: Any, tmp_path: Path) -> None:
    with house(kind, tmp_path) as home:
        told = json.loads(home.call("verify", "--json").output)
        assert told["ok"] is True
        assert list(told["sources"]["shop"]) == ["checked", "calls", "differences"]
        for statement in PLANTED:
            home.origin.query(statement)
        assert differences(home.call("verify", "--json", code=1).output, "tables") == FOUND
        shown = home.call("verify", code=1).output
        assert "nothing differs" not in shown
        assert "order_address lacks it" in shown
        if kind == "postgresql":
            return
        for statement in TWICE:  # which PostgreSQL refuses
            home.origin.query(statement)
        found = differences(home.call("verify", "--json", code=1).output, "tables")
        assert found == FOUND | {("1", "twice"), ("😀", "twice"), ("a b", "twice")}


def test_hashes_beside_kept_addresses(tmp_path: Path) -> None:
    """With keep_address a hash is of what came; every other value of the order still counts."""
    with warehouse("duckdb", tmp_path / "here", prepared=True) as place:
        listed = Listed(place, 5, "keep_address = true\n")
        assert listed.run().ok
        listed.shop.place(1, state="sent", to={"country": "DE", "line": None, "name": ""})
        listed.shop.place(2, to=None)
        assert listed.run().ok

        def differing() -> set[str]:
            source = verify(listed.settings, (), Options(offline=True)).sources["shop"]
            assert source.error is None
            return {each.order for each in source.differences if each.where == "tables"}

        assert differing() == set()
        place.query("UPDATE order_header SET total = 1 WHERE ordernumber IN ('N-1', 'N-2', 'N-3')")
        place.query("UPDATE order_address SET name = 'Eve' WHERE ordernumber IN ('N-2', 'N-4')")
        assert differing() == {"N-1", "N-2", "N-3", "N-4"}


def test_hashes_of_an_older_orderpull(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of schema 4 keep their hash until they are filled, and are held to it."""
    mapped = 'currency = "money"\ntotal = "total"\nchannel = "via"\n[order.address]'
    monkeypatch.setattr(list_shop, "API", list_shop.API.replace("[order.address]", mapped))
    with warehouse("duckdb", tmp_path / "here", prepared=True) as place:
        listed = Listed(place, 0)
        listed.shop.place(1, money="eur", total="12.5", via="web")
        listed.shop.place(2, lines=[], to={})
        assert listed.run().ok
        assert hashes_of_schema_4(place.query) == PINNED
        rehash(place.query)

        def differing() -> set[str]:
            source = verify(listed.settings, (), Options(offline=True)).sources["shop"]
            assert source.error is None
            return {each.order for each in source.differences if each.where == "tables"}

        assert differing() == set()
        place.query("UPDATE order_header SET total = 13 WHERE ordernumber = 'N-1'")
        assert differing() == {"N-1"}
        place.query("UPDATE order_header SET total = 12.5 WHERE ordernumber = 'N-1'")
        place.query("UPDATE order_item SET returned = 1 WHERE ordernumber = 'N-1' AND sku = 'A'")
        place.query("UPDATE order_header SET tax = 1 WHERE ordernumber = 'N-2'")
        assert differing() == {"N-1", "N-2"}
