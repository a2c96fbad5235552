"""The golden files: what an API served, and the rows that must come of it."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from orderpull.model import ORDER_ADDRESS, ORDER_HEADER
from tests.destinations.merge.history import History, open_loader
from tests.normalize.golden import Case, Setup, cases
from tests.normalize.helpers import Workbench

CASES = cases()
Found = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def shaped(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Found]:
    """What became of each case: a page each, shaped together."""
    found: dict[str, Found] = {}
    by_setup: dict[Setup, list[Case]] = defaultdict(list)
    for case in CASES:
        by_setup[case.setup].append(case)
    for setup, some in by_setup.items():
        api = setup.read_api()
        bench = Workbench(tmp_path_factory.mktemp("golden"), api, setup.ordernumber)
        result = bench.normalize(*(case.page(api) for case in some))
        for number, case in enumerate(some, start=1):
            found[str(case)] = {
                "orders": [row for row in result.orders if row["page"] == number],
                "rejects": [row for row in result.rejects if row["page"] == number],
            }
        bench.close()
    return found


def only(fields: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
    """Those of *row*'s values that *fields* tells, as JSON tells them."""
    return {key: _plain(row[key]) for key in fields}


def told(item: dict[str, Any]) -> dict[str, Any]:
    """The columns of an item that are not NULL."""
    return {key: _plain(value) for key, value in item.items() if value is not None}


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int) else str(value)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_rows(case: Case, shaped: dict[str, Found]) -> None:
    """An order gives the rows, or the reject, that its golden file tells."""
    orders, rejects = shaped[str(case)]["orders"], shaped[str(case)]["rejects"]
    if expected := case.rows("reject"):
        assert not orders
        assert [only(expected[0], row) for row in rejects] == expected
        assert rejects[0]["raw"] == case.order.strip()
        return
    assert not rejects
    assert len(orders) == 1
    for kind in ("header", "address"):
        for row in case.rows(kind):
            assert only(row, orders[0]) == row
    if case.rows("item") or case.rows("no items"):
        assert [told(item) for item in orders[0]["items"]] == case.rows("item")
        assert orders[0]["item_quantity"] == sum(row["quantity"] for row in case.rows("item"))


@pytest.mark.slow
def test_rows_of_a_page_that_is_cut_off(tmp_path: Path, shaped: dict[str, Found]) -> None:
    """Orders that Python takes from a damaged page give the same rows."""
    for setup in {case.setup for case in CASES}:
        api, some = setup.read_api(), [case for case in CASES if case.setup == setup]
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        bench = Workbench(folder, api, setup.ordernumber)
        pages = [case.page(api) for case in some]
        result = bench.normalize(*(page[: page.rindex(b"]")] for page in pages))
        for rows, known in ((result.orders, "orders"), (result.rejects, "rejects")):
            assert rows == [row for case in some for row in shaped[str(case)][known]]
        bench.close()


@pytest.mark.slow
def test_rows_in_a_warehouse(tmp_path: Path, shaped: dict[str, Found]) -> None:
    """What is staged is what stands in the three tables after a load."""
    some = [case for case in CASES if case.setup.api and "{id}" not in case.setup.ordernumber]
    with open_loader("duckdb", tmp_path) as loader:
        for name in {case.setup.api for case in some}:
            api = Setup(api=name).read_api()
            store = History(tmp_path, loader, name, api, reject_limit=1.0)
            orders: dict[str, dict[str, Any]] = {}
            for case in some:
                if case.setup.api == name:
                    store.serve_body(case.page(api))
                    for order in shaped[str(case)]["orders"]:
                        orders[order["order_id"]] = order
            store.load()
            ids = dict(store.rows("order_header", "order_id, ordernumber"))
            waiting = {row[0] for row in store.rows("orderpull_reject", "order_id")}
            assert ids.keys() | waiting >= orders.keys()
            assert ids.keys() <= orders.keys()
            for order_id, number in ids.items():
                assert _stored(store, number) == _staged(orders[order_id])


def _stored(store: History, number: str) -> Any:
    run = store.loader.stage.execute
    rows = [
        run(
            f"SELECT {', '.join(_columns(table))} FROM {table.name} "
            "WHERE source = ? AND ordernumber = ?",
            [store.name, number],
        ).fetchall()
        for table in (ORDER_ADDRESS, ORDER_HEADER)
    ]
    items = run(
        "SELECT sku, quantity FROM order_item WHERE source = ? AND ordernumber = ? ORDER BY ALL",
        [store.name, number],
    ).fetchall()
    return [*rows, items]


def _staged(order: dict[str, Any]) -> Any:
    rows = [
        [tuple(order[name] for name in _columns(table))] for table in (ORDER_ADDRESS, ORDER_HEADER)
    ]
    return [*rows, [(item["sku"], item["quantity"]) for item in order["items"]]]


def _columns(table: Any) -> list[str]:
    """The columns that do not tell when and where it was loaded."""
    return [name for name in table.names if name not in {"source", "page", "loaded_at"}]
