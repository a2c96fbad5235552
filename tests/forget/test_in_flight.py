"""Forgetting what a killed pull has left of a response that comes once only."""

import json
from pathlib import Path

import pytest

from orderpull.landing import open_landing
from orderpull.pipeline import load
from tests.forget.person import NAME, PERSON, STREET, counted, everything, forget_with
from tests.traces import traces
from tests.warehouses import warehouse


def test_a_response_in_flight_is_kept_and_redacted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its orders count, and those of the person come without them."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    orders = [
        {"orderNumber": number, "shipToAddress": {"country": "DE", "line1": street, "name": name},
         "buyer": {"mail": mail}, "orderItems": [{"sku": "A", "quantity": 2}]}
        for number, name, street, mail in (("1", NAME, STREET, PERSON[3]), ("2", "Eve", "X 1", ""))
    ]  # fmt: skip
    with warehouse("duckdb", tmp_path / "here", prepared=True) as place:
        settings = place.settings("http://127.0.0.1:9")
        landing = open_landing(settings.landing, settings.folder).source("shop")
        landing.prepare()
        draft = landing.begin_request(1, "GET http://127.0.0.1:9/orders")
        draft.answered(200)
        draft.write(json.dumps(orders).encode())
        draft.close()
        assert traces(PERSON[:2], everything(place))
        forget_with(settings, "--address", STREET, "--yes")
        assert traces(PERSON, everything(place, tmp_path)) == []
        assert load(settings).ok
        assert [row[:2] for row in counted(place)["address"]] == [("1", "DE"), ("2", "DE")]
        assert place.query("SELECT name FROM order_address ORDER BY 1 NULLS FIRST") == [
            (None,), ("Eve",)
        ]  # fmt: skip
        assert traces(PERSON, everything(place, tmp_path)) == []
        assert [*(place.folder / "landing" / "shop" / "in-flight").iterdir()] == []
