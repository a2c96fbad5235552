"""An extract of many orders holds none of its tables in memory."""

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from orderpull.tableau.checking import check_file
from tests.tableau.books import needs_engine
from tests.tableau.sold import duckdb_shop

ITEMS = 1_000_000
MEGABYTES = 450
"""More than any process needs for a million items; Python's rows of them would take as much again."""

_MEASURED = """
import resource, subprocess, sys
done = subprocess.run([sys.executable, "-m", "orderpull", *sys.argv[1:]])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
sys.exit(done.returncode)
"""


@needs_engine
@pytest.mark.slow
def test_a_million_items_in_bounded_memory(tmp_path: Path) -> None:
    settings = duckdb_shop(tmp_path, {})
    with duckdb.connect(str(tmp_path / "orders.duckdb")) as connection:
        connection.execute(
            "INSERT INTO order_header (ordernumber, order_id, source, counted, loaded_at) "
            f"SELECT 'N' || i, 'N' || i, 'shop', true, '2026-01-01' FROM range({ITEMS // 3 + 1}) t(i)"
        )
        connection.execute(
            "INSERT INTO order_address (ordernumber, source, country) "
            "SELECT ordernumber, source, 'DE' FROM order_header"
        )
        connection.execute(
            "INSERT INTO order_item (ordernumber, source, sku, quantity) "
            f"SELECT 'N' || i // 3, 'shop', 'SKU-' || (i * 7919) % 5000 || '-' || i % 3, 1 "
            f"FROM range({ITEMS}) t(i)"
        )
    (tmp_path / "orders.duckdb").replace(tmp_path / "orders.snapshot.duckdb")
    file = tmp_path / "orders.twbx"
    arguments = ["--config", str(settings.file), "tableau", "build", "-o", str(file)]
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, *arguments], capture_output=True, text=True, check=True
    )
    assert f"{ITEMS:,} rows of order_item" in done.stdout
    assert int(done.stdout.split()[-1]) < MEGABYTES
    assert check_file(file) == []
