"""What `make bench` compares with, and what `make bench-equal` sees, on a small shop."""

import json
import shutil
from pathlib import Path

import duckdb
import pytest
from bench.equal import differences
from bench.plots import PLOTS, lines_of, svg
from bench.process import Launcher
from bench.run import Round, Step
from bench.systems import SYSTEMS
from bench.workload import Order, Truth, render

ORDERS, CHANGED = 2100, 1000


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    render(folder, ORDERS, CHANGED)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", ["orderpull", "reference"])
def test_a_system_that_holds_the_truth_passes_all_steps(shop: Path, name: str) -> None:
    """Counts, sums and hashes of the tables are those that were added up beside the orders."""
    with Launcher() as launcher:
        one = Round(launcher, SYSTEMS[name], shop, None)
        try:
            steps = list(one.steps())
            assert steps[0].loaded == ORDERS
            assert all(step.cpu > 0 and step.rss > 10 for step in steps)
            with duckdb.connect(str(one.home / "orders.duckdb")) as connection:
                connection.execute(
                    "UPDATE order_address SET line1 = 'elsewhere' WHERE country = 'GB'"
                )
            with pytest.raises(SystemExit, match="the truth is"):
                one.check("after")
        finally:
            one.close()


@pytest.mark.slow
def test_a_shop_of_several_copies_holds_as_many_orders(shop: Path) -> None:
    with Launcher() as launcher:
        one = Round(launcher, SYSTEMS["orderpull"], shop, None, copies=3)
        try:
            assert [step.loaded for step in one.steps()] == [3 * ORDERS, CHANGED, 0]
            with duckdb.connect(str(one.home / "orders.duckdb")) as connection:
                connection.execute("DELETE FROM order_address WHERE ordernumber = 'ON-00000007'")
            with pytest.raises(SystemExit, match="the truth is"):
                one.check("after")
        finally:
            one.close()


@pytest.mark.slow
def test_one_changed_value_is_a_difference(shop: Path, tmp_path: Path) -> None:
    with Launcher() as launcher:
        one = Round(launcher, SYSTEMS["orderpull"], shop, None)
        try:
            next(one.steps())
            shutil.copytree(one.home, tmp_path / "other")
            assert not any(differing for *_, differing in differences(one.home, tmp_path / "other"))
            with duckdb.connect(str(tmp_path / "other/orders.duckdb")) as connection:
                connection.execute(
                    "UPDATE order_header SET content_hash = 'x' WHERE ordernumber = 'ON-00000007'"
                )
            found = {name: n for name, _, n in differences(one.home, tmp_path / "other") if n}
            assert found == {"order_header": 2}
        finally:
            one.close()


def test_an_order_follows_from_its_number_alone(shop: Path) -> None:
    """So a larger shop has the same first orders, on each machine."""
    order = Order(7, 1_748_700_000)
    text = json.loads(order.render())
    assert text["orderNumber"] == "ON-00000007"
    assert 2200 < len(order.render()) < 5000
    truth = json.loads((shop / "truth.json").read_text())["before"]
    counted = Truth()
    for index in range(ORDERS):
        counted.add(Order(index, 0))
    assert counted == Truth(**truth)
    assert truth["rejected"] == 2


def test_a_line_for_each_system_is_drawn() -> None:
    steps = [
        Step(n, "first load", name, n, n / 10_000, 1, 100)
        for n in (1000, 10_000)
        for name in ("orderpull", "reference")
    ]
    lines = lines_of(PLOTS[0], [vars(step) for step in steps])
    drawn = svg(PLOTS[0], lines)
    assert drawn.count("<polyline") == 2
    assert ">reference</text>" in drawn
