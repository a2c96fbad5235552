"""examples/SkubanaOrders.py does what the original script was to do, and none of its faults."""

import os
import re
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from orderpull.simulator import Simulator, SkubanaAssessment
from tests.docs.markdown import ROOT

pytestmark = pytest.mark.slow

SCRIPT = ROOT / "examples" / "SkubanaOrders.py"


def run(folder: Path, url: str) -> subprocess.CompletedProcess[str]:
    """Run the script in *folder*."""
    return subprocess.run(
        [sys.executable, str(SCRIPT)],
        cwd=folder,
        env={**os.environ, "SKUBANA_URL": url},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_loads_every_order_once(tmp_path: Path) -> None:
    """Run twice: every order stands in the tables once, and the exit code is 0."""
    with Simulator(SkubanaAssessment(orders=150, per_call=40, seed=4)) as simulator:
        first = run(tmp_path, simulator.url)
        again = run(tmp_path, simulator.url)
        expected = set(simulator.truth()["orders"])
    assert (first.returncode, again.returncode) == (0, 0), first.stderr + again.stderr
    assert first.stdout == again.stdout
    with duckdb.connect(str(tmp_path / "orders.snapshot.duckdb"), read_only=True) as connection:
        numbers = connection.execute("SELECT ordernumber FROM order_address").fetchall()
    assert len(numbers) == len(expected) == 150
    assert {number for (number,) in numbers} == expected


def test_a_wrong_warehouse_costs_no_order(tmp_path: Path) -> None:
    """The warehouse cannot be opened: exit 2, and nothing was asked of the API."""
    (tmp_path / "orders.duckdb").mkdir()
    with Simulator(SkubanaAssessment(orders=10)) as simulator:
        done = run(tmp_path, simulator.url)
        assert simulator.requests == []
    assert done.returncode == 2
    assert "orders.duckdb is a folder" in done.stderr


def test_a_wrong_endpoint_is_told(tmp_path: Path) -> None:
    """Nothing listens there: exit 1 and one sentence, no traceback."""
    with Simulator(SkubanaAssessment(orders=10)) as simulator:
        url = simulator.url
    done = run(tmp_path, url)
    assert done.returncode == 1
    assert "Nothing listens at" in done.stderr
    assert "Traceback" not in done.stderr


def test_it_has_the_four_functions_and_no_secret() -> None:
    """Those who come from the script find its functions by name, in a thin program."""
    text = SCRIPT.read_text("utf-8")
    functions = set(re.findall(r"^def (\w+)\(", text, re.MULTILINE))
    assert functions == {"get_data", "init_tables", "create_list_item", "main"}
    assert len(text.splitlines()) < 60
    assert not re.search(r"password|://(?!127\.0\.0\.1)", text)
