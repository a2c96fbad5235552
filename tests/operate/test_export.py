"""``orderpull export``: files of the tables, exact, in order, whole or not there."""

import csv
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orderpull.model import DATA_TABLES, VIEWS
from orderpull.operate import export as operate
from tests.operate.home import NUMBERS, House, house
from tests.warehouses import KINDS
from tests.workbook_file import plain, sheets

pytestmark = pytest.mark.slow

DATA = [table.name for table in DATA_TABLES]


@pytest.fixture(scope="module", params=KINDS)
def home(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:  # fmt: skip
    with house(request.param, tmp_path_factory.mktemp("house") / "a") as made:
        yield made


def read(file: Path) -> list[tuple[Any, ...]]:
    with duckdb.connect() as connection:
        return connection.execute(f"SELECT * FROM read_parquet('{file}')").fetchall()


def stored(home: House, table: str) -> list[tuple[Any, ...]]:
    key = 'source COLLATE "C", ordernumber COLLATE "C"'
    key += ', sku COLLATE "C"' if table == "order_item" else ""
    return home.origin.query(f"SELECT * FROM {table} ORDER BY {key}")


@pytest.mark.parametrize("table", DATA)
def test_parquet_holds_the_rows_in_order(home: House, table: str, tmp_path: Path) -> None:
    """Every value as in the warehouse, in byte order of the keys."""
    home.call("export", str(tmp_path / "out"))
    found = read(tmp_path / "out" / f"{table}.parquet")
    assert found == stored(home, table)
    assert len(found) > len(NUMBERS) - 2


def test_parquet_has_the_right_types(home: House, tmp_path: Path) -> None:
    home.call("export", str(tmp_path), "--tables", "order_header,average_items_per_order")
    with duckdb.connect() as connection:
        types = {
            (file.stem, name): type_
            for file in tmp_path.glob("*.parquet")
            for name, type_, *_ in connection.execute(f"DESCRIBE SELECT * FROM '{file}'").fetchall()
        }
        codecs = connection.execute(
            f"SELECT DISTINCT compression FROM parquet_metadata('{tmp_path}/order_header.parquet')"
        ).fetchall()
    assert types["order_header", "page"] == "BIGINT"
    assert types["order_header", "ordered_at"] == "TIMESTAMP"
    assert types["order_header", "total"] == "DECIMAL(19,4)"
    assert types["order_header", "counted"] == "BOOLEAN"
    assert types["average_items_per_order", "average"] == "DOUBLE"
    assert types["average_items_per_order", "quantity"] == "BIGINT"
    assert codecs == [("ZSTD",)]
    assert len(types) == len(DATA_TABLES[2].columns) + 3


@pytest.mark.parametrize("kind", ["parquet", "csv", "xlsx"])
def test_the_same_orders_give_the_same_bytes(home: House, kind: str, tmp_path: Path) -> None:
    for name in ("one", "two"):
        home.call("export", str(tmp_path / name), "--format", kind, "--answers")
    files = sorted(file.name for file in (tmp_path / "one").iterdir())
    assert files == sorted(f"{name}.{kind}" for name in (*DATA, *VIEWS))
    for name in files:
        digests = {
            hashlib.sha256((tmp_path / side / name).read_bytes()).hexdigest()
            for side in ("one", "two")
        }
        assert len(digests) == 1


def test_a_workbook_holds_the_rows_in_order(home: House, tmp_path: Path) -> None:
    """Texts as they are, formulas too; numbers, times and truths by their kinds."""
    home.call("export", str(tmp_path), "--format", "xlsx")
    for table in DATA_TABLES:
        (sheet,) = sheets(tmp_path / f"{table.name}.xlsx")
        assert sheet.name == table.name
        assert sheet.cells[0] == list(table.names)
        expected = [[plain(value) for value in row] for row in stored(home, table.name)]
        assert sheet.cells[1:] == expected


def test_csv_tells_null_from_empty(home: House, tmp_path: Path) -> None:
    """NULL is nothing, '' is "", and line ends, quotes and end-of-data marks survive."""
    home.plant("UPDATE order_header SET status = '' WHERE ordernumber = '😀'")
    home.call("export", str(tmp_path), "--format", "csv")
    text = (tmp_path / "order_header.csv").read_bytes().decode()
    assert text.splitlines()[0] == ",".join(DATA_TABLES[2].names)
    line = next(line for line in text.splitlines() if line.startswith("😀,"))
    assert line.startswith('😀,i5,"",true,2026-01-01 08:00:00,,,10.5000,,7,')
    with (tmp_path / "order_address.csv").open(newline="", encoding="utf-8") as file:
        found = list(csv.reader(file))[1:]
    expected = [["" if v is None else v for v in row] for row in stored(home, "order_address")]
    assert found == expected
    assert any("two\nlines\r\n\\.\n" in row for row in found)


def test_what_is_there_is_not_replaced_unasked(home: House, tmp_path: Path) -> None:
    """Exit 2 and nothing written; --force replaces."""
    (tmp_path / "order_item.parquet").write_text("mine")
    told = home.call("export", str(tmp_path), code=2).stderr
    assert "order_item.parquet" in told
    assert "--force" in told
    assert [file.name for file in tmp_path.iterdir()] == ["order_item.parquet"]
    assert (tmp_path / "order_item.parquet").read_text() == "mine"
    shown = json.loads(home.call("export", str(tmp_path), "--force", "--json").stdout)
    sizes = {Path(f["file"]).name: f["bytes"] for f in shown["files"]}
    assert sizes == {file.name: file.stat().st_size for file in tmp_path.iterdir()}
    assert len(read(tmp_path / "order_item.parquet")) == len(stored(home, "order_item"))


def test_a_failure_leaves_nothing(
    home: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the second file fails, the first is not there either, nor anything half written."""
    write = operate._write
    written: list[int] = []

    def failing(*arguments: Any) -> int:
        if written:
            raise OSError(28, "No space left on device")
        written.append(write(*arguments))
        return 1

    monkeypatch.setattr(operate, "_write", failing)
    told = home.call("export", str(tmp_path / "out"), code=2).stderr
    assert "No space left on device" in told
    assert list((tmp_path / "out").iterdir()) == []
    assert written


def test_only_one_source(home: House, tmp_path: Path) -> None:
    """Orders of a source that is chosen; one that is unknown is told."""
    config = home.folder / "orderpull.toml"
    config.write_text(
        config.read_text() + '[sources.two]\napi = "awkward.toml"\nbase_url = "http://x"\n'
    )
    try:
        home.call("export", str(tmp_path / "a"), "two", "--answers")
        assert read(tmp_path / "a" / "order_item.parquet") == []
        assert read(tmp_path / "a" / "popular_sku.parquet") == []
        home.call("export", str(tmp_path / "b"), "shop", "two")
        assert read(tmp_path / "b" / "order_item.parquet") == stored(home, "order_item")
        assert "nobody" in home.call("export", str(tmp_path), "nobody", code=2).stderr
    finally:
        home.settings()


def test_an_unknown_table(home: House, tmp_path: Path) -> None:
    told = home.call("export", str(tmp_path), "--tables", "order_itm", code=2).stderr
    assert "order_itm" in told
    assert "Tables and answers: order_address" in told


def test_every_warehouse_gives_the_same_answers(tmp_path: Path) -> None:
    """The answers' files from DuckDB and PostgreSQL are the same bytes."""
    digests = set()
    for kind in KINDS:
        with house(kind, tmp_path / kind) as made:
            made.call("export", str(tmp_path / f"{kind}-out"), "--tables", ",".join(VIEWS))
            made.call(
                "export", str(tmp_path / f"{kind}-out"), "--tables", "order_item,order_address"
            )
        files = sorted((tmp_path / f"{kind}-out").iterdir())
        assert len(files) == len(VIEWS) + 2
        digests.add(hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest())
    assert len(digests) == 1
