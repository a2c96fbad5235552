"""An extract of many orders holds none of its tables in memory."""

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from orderpull.tableau.lint import check_file
from tests.tableau.tricky_orders import duckdb_shop
from tests.tableau.workbooks import needs_engine

FEW, MANY = 100_000, 1_000_000
MEGABYTES = 200
"""By how much the largest process may grow from few items to many; Python's rows of them would take
more than that again."""

_MEASURED = """
import resource, subprocess, sys
done = subprocess.run([sys.executable, "-m", "orderpull", *sys.argv[1:]])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
sys.exit(done.returncode)
"""


@needs_engine
@pytest.mark.slow
def test_memory_does_not_grow_with_the_items(tmp_path: Path) -> None:
    few, many = (_peak(tmp_path / str(items), items) for items in (FEW, MANY))
    assert many - few < MEGABYTES, (few, many)


def _peak(folder: Path, items: int) -> int:
    """The memory that the largest process takes to build an extract of *items*, in megabytes."""
    folder.mkdir()
    settings = duckdb_shop(folder, {})
    with duckdb.connect(str(folder / "orders.duckdb")) as connection:
        connection.execute(
            "INSERT INTO order_header (ordernumber, order_id, source, counted, loaded_at) "
            "SELECT 'N' || i, 'N' || i, 'shop', true, '2026-01-01' "
            f"FROM range({items // 3 + 1}) t(i)"
        )
        connection.execute(
            "INSERT INTO order_address (ordernumber, source, country) "
            "SELECT ordernumber, source, 'DE' FROM order_header"
        )
        connection.execute(
            "INSERT INTO order_item (ordernumber, source, sku, quantity) "
            f"SELECT 'N' || i // 3, 'shop', 'SKU-' || (i * 7919) % 5000 || '-' || i % 3, 1 "
            f"FROM range({items}) t(i)"
        )
    (folder / "orders.duckdb").replace(folder / "orders.snapshot.duckdb")
    file = folder / "orders.twbx"
    arguments = ["--config", str(settings.file), "tableau", "build", "-o", str(file)]
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, *arguments], capture_output=True, text=True, check=True
    )
    assert f"{items:,} rows of order_item" in done.stdout
    assert check_file(file) == []
    return int(done.stdout.split()[-1])
