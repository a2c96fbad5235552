"""No JSON, however odd, loses an order or changes one silently."""

from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.normalize import jsontexts
from tests.normalize.helpers import Workbench, named_api
from tests.normalize.oracle import ORACLES, Bad, read

ORDERS = {
    "skubana-assessment": jsontexts.skubana_orders,
    "medusa": jsontexts.medusa_orders,
}
some = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(scope="module", params=list(ORDERS))
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    made = Workbench(tmp_path_factory.mktemp("bench"), named_api(request.param))
    yield request.param, made
    made.close()


def page_of(name: str, orders: list[str]) -> bytes:
    listed = "[" + " ,\n".join(orders) + "]"
    return (
        listed if name == "skubana-assessment" else f'{{"orders": {listed}, "count": 5}}'
    ).encode()


def expected(name: str, text: str) -> dict[str, Any]:
    """What should become of the order that *text* is."""
    try:
        order = asdict(ORACLES[name](read(text)))
    except Bad as bad:
        return {"reason": bad.reason, "path": bad.path, "raw": text}
    return order


def found(name: str, row: dict[str, Any]) -> dict[str, Any]:
    if "reason" in row:
        return {key: row[key] for key in ("reason", "path", "raw")}
    order = {k: v for k, v in row.items() if k not in {"page", "position", "content_hash"}}
    pieces = {item["sku"]: item["quantity"] for item in order["items"]}
    assert len(pieces) == len(order["items"])
    assert order.pop("item_quantity") == sum(pieces.values())
    return {**order, "items": pieces}


@pytest.mark.slow
@given(data=st.data())
@some
def test_each_order_is_what_it_says_or_a_reject(bench: Any, data: st.DataObject) -> None:
    """Each element of the list is exactly one order or one reject, as an oracle says it should."""
    name, normalizer = bench
    orders = data.draw(
        st.lists(st.one_of(ORDERS[name], ORDERS[name], jsontexts.values), max_size=12)
    )
    shaped = normalizer.normalize(page_of(name, orders))
    assert shaped.places == [(1, position) for position in range(len(orders))]
    for row in [*shaped.orders, *shaped.rejects]:
        assert found(name, row) == expected(name, orders[row["position"]])


@pytest.mark.slow
@given(data=st.data())
@some
def test_an_order_is_the_same_however_its_page_is_read(bench: Any, data: st.DataObject) -> None:
    """As it is, taken apart for a number that the engine would change, or since it is cut off."""
    name, normalizer = bench
    orders = data.draw(st.lists(st.one_of(ORDERS[name], jsontexts.values), min_size=1, max_size=8))
    page = page_of(name, orders)
    plain = normalizer.normalize(page)
    ways = (page_of(name, [*orders, "[-0]"]), page[: page.rindex(b"]")])
    for body in ways:
        shaped = normalizer.normalize(body)
        assert shaped.orders == plain.orders
        told = [{**row, "message": ""} for row in shaped.rejects if row["raw"] != "[-0]"]
        assert told == [{**row, "message": ""} for row in plain.rejects]
