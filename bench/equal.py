"""Compare every table of two versions of orderpull: ``python -m bench.equal OLD_CHECKOUT``.

Both versions pull and load the same seeded orders (one in a thousand malformed, one more with a
quantity as text), and recorded shops where ``ORDERPULL_TEST_DATA`` names them. The new version also
loads what the old one landed, and continues warehouses that the old one wrote: after half of the
orders, and before orders change. Each checkout needs its ``.venv``. Times of work and numbers
of transactions are not compared; summaries are compared by their sums.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
from bench.home import write_settings
from bench.shop import LONGEST, served
from bench.workload import render

from orderpull.model import SUMMARY_SKU, TABLES
from orderpull.simulator import Replay, Simulator

OWN = {
    *("loaded_at", "started_at", "finished_at", "pulled_at", "updated_at", "received_at"),
    *("rejected_at", "migrated_at", "made_by", "landing", "batches", "loads", "command"),
}
"""Columns that may differ: when, by which version and in how many transactions rows came."""

KEYS = {
    "summary_day": "source, day, country",
    "summary_line": "source, day, country, sku",
    "summary_year": "source, year, country, sku",
}
"""What the sums of a summary are grouped by."""

RECORDED = {"medusa": ("medusa", 50), "vendure": ("vendure", 100)}
"""Recorded shops: API file and orders of a page."""


@dataclass
class Version:
    """A checkout of orderpull."""

    checkout: Path

    def run(self, folder: Path, command: str = "run") -> None:
        """Run ``orderpull COMMAND`` in *folder*."""
        arguments = [str(self.checkout / ".venv/bin/python"), "-m", "orderpull", command, "--json"]
        path = {"PYTHONPATH": str(self.checkout / "src")}
        done = subprocess.run(
            arguments, cwd=folder, env={**os.environ, **path}, capture_output=True, check=False
        )
        if done.returncode:
            sys.exit(f"{self.checkout}: {done.stdout.decode()} {done.stderr.decode()[-2000:]}")


def differences(old: Path, new: Path) -> Iterator[tuple[str, int, int]]:
    """For each table of the warehouses in both folders: name, rows, rows in one of them alone."""
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{old}/orders.duckdb' AS old (READ_ONLY)")
        connection.execute(f"ATTACH '{new}/orders.duckdb' AS new (READ_ONLY)")
        for table in TABLES:
            selects = [_select(connection, side, table.name) for side in ("old", "new")]
            connection.execute(f"CREATE OR REPLACE TEMP TABLE one AS {selects[0]}")
            connection.execute(f"CREATE OR REPLACE TEMP TABLE other AS {selects[1]}")
            found = connection.execute(
                """SELECT (SELECT count(*) FROM one),
                    (SELECT count(*) FROM (FROM one EXCEPT ALL FROM other))
                    + (SELECT count(*) FROM (FROM other EXCEPT ALL FROM one))"""
            ).fetchone()
            assert found is not None  # noqa: S101 - counts are one row
            if found[1]:
                _show(connection, table.name)
            yield table.name, *found


def _select(connection: duckdb.DuckDBPyConnection, side: str, table: str) -> str:
    """SQL of the rows of *table* that both versions must have alike."""
    described = connection.execute(f"DESCRIBE {side}.{table}").fetchall()
    columns = [name for name, *_ in described if name not in OWN]
    if table in KEYS:
        numbers = [c for c in columns if c in {"orders", "orders_with_items", "quantity"}]
        sums = ", ".join(f"sum({c}) AS {c}" for c in numbers)
        join = f"JOIN {side}.{SUMMARY_SKU.name} USING (sku_number)" if "sku" in KEYS[table] else ""
        return (
            f"SELECT {KEYS[table]}, {sums} FROM {side}.{table} {join} GROUP BY ALL "  # noqa: S608
            f"HAVING {' OR '.join(f'sum({c}) <> 0' for c in numbers)}"
        )
    if table == SUMMARY_SKU.name:
        columns = ["sku"]
    elif table == "summary_state":
        columns = ["timezone"]
    return f"SELECT {', '.join(columns)} FROM {side}.{table}"  # noqa: S608 - our own tables


def _show(connection: duckdb.DuckDBPyConnection, table: str) -> None:
    for side, query in (("old", "one EXCEPT ALL FROM other"), ("new", "other EXCEPT ALL FROM one")):
        for row in connection.execute(f"FROM {query} LIMIT 3").fetchall():
            print(f"  {table}, {side} alone:", *(repr(value)[:80] for value in row))


class Comparison:
    """Compares pairs of folders, and remembers whether all were equal."""

    equal = True

    def compare(self, what: str, old: Path, new: Path) -> None:
        """Print whether the warehouses in *old* and *new* are equal."""
        rows = 0
        for table, count, differing in differences(old, new):
            rows += count
            if differing:
                self.equal = False
                print(f"DIFFERENT: {what}: {table}: {differing:,} of {count:,} rows", flush=True)
        print(f"{what}: {rows:,} rows compared", flush=True)


def generated(work: Path, old: Version, new: Version, orders: int, found: Comparison) -> None:
    """Compare what both make of *orders* generated orders, 1,000 of which change."""
    data = work / "data"
    render(data, orders, changed=1000)
    homes = {name: work / name for name in ("old", "new", "loaded", "half", "continued", "later")}
    with served(data) as url:
        port = int(url.rsplit(":", 1)[1])
        for name in ("old", "new", "half"):
            write_settings(homes[name], {"shop": url})
        old.run(homes["old"])
        new.run(homes["new"])
        found.compare("pulled and loaded by each", homes["old"], homes["new"])
        shutil.copytree(homes["old"], homes["loaded"], ignore=shutil.ignore_patterns("orders.*"))
        new.run(homes["loaded"], "load")
        found.compare("landed by the old, loaded by the new", homes["old"], homes["loaded"])
        shutil.rmtree(homes["loaded"])
        settings = homes["half"] / "orderpull.toml"
        whole = settings.read_text()
        settings.write_text(f"{whole}max_pages = {orders // LONGEST // 2}\n")
        old.run(homes["half"])
        settings.write_text(whole)
        shutil.copytree(homes["half"], homes["continued"])
        old.run(homes["half"])
        new.run(homes["continued"])
        found.compare("half by the old, half by the new", homes["half"], homes["continued"])
        shutil.rmtree(homes["half"])
        shutil.rmtree(homes["continued"])
    shutil.copytree(homes["old"], homes["later"])
    with served(data, changed=True, port=port):
        for home, version in (("old", old), ("new", new), ("later", new)):
            version.run(homes[home])
            version.run(homes[home])
    found.compare("1,000 changed, then nothing new", homes["old"], homes["new"])
    found.compare("the same on a warehouse of the old", homes["old"], homes["later"])
    for home, version in (("old", old), ("new", new), ("later", new)):
        version.run(homes[home], "replay")
    found.compare("after a replay", homes["old"], homes["new"])
    found.compare("after a replay of what the old landed", homes["old"], homes["later"])


def recorded(work: Path, old: Version, new: Version, shops: Path, found: Comparison) -> None:
    """Compare what both make of the recorded *shops*."""
    for name, (api, size) in RECORDED.items():
        homes = [work / f"{name}-{side}" for side in ("old", "new")]
        with Simulator(Replay(shops / name, token="recorded")) as simulator:  # noqa: S106
            for home, version in zip(homes, (old, new), strict=True):
                home.mkdir()
                (home / "orderpull.toml").write_text(
                    f'[sources.shop]\napi = "{api}"\nbase_url = "{simulator.url}"\n'
                    f'token = "recorded"\nstart = "2020-01-01"\npage_size = {size}\n'
                )
                version.run(home)
        found.compare(f"recorded shop {name}", *homes)


def main() -> None:
    """Compare, and exit with 1 at a difference."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("old", type=Path, help="checkout of the version before, with its .venv")
    parser.add_argument("--new", type=Path, default=Path.cwd(), help="default: this checkout")
    parser.add_argument("--orders", type=int, default=100_000)
    asked = parser.parse_args()
    old, new, found = Version(asked.old.resolve()), Version(asked.new.resolve()), Comparison()
    work = Path(tempfile.mkdtemp(prefix="orderpull-equal-"))
    try:
        if shops := os.environ.get("ORDERPULL_TEST_DATA"):
            recorded(work, old, new, Path(shops) / "shops", found)
        generated(work, old, new, asked.orders, found)
    finally:
        shutil.rmtree(work)
    sys.exit(0 if found.equal else 1)


if __name__ == "__main__":
    main()
