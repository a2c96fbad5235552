"""The DuckDB warehouse: its schema, its views, and what it refuses."""

from contextlib import AbstractContextManager
from pathlib import Path

import duckdb
import pytest
import sqlalchemy as sa

from orderpull import load, pull, run
from orderpull.destinations import open_destination, stage
from orderpull.destinations.duckdb import DuckdbReader
from orderpull.errors import DestinationError, SettingsError
from orderpull.loading import batches
from orderpull.model import TABLES, VIEWS
from orderpull.settings import DestinationSettings
from orderpull.simulator import Simulator, SkubanaAssessment
from tests.shops import rows, shop_settings


def test_the_tables_are_those_of_the_model(tmp_path: Path) -> None:
    """Every table has the model's columns in the model's order; the views are there."""
    open_destination(DestinationSettings(), tmp_path).preflight()
    with duckdb.connect(str(tmp_path / "orders.duckdb")) as connection:
        for table in TABLES:
            columns = connection.execute(f"DESCRIBE {table.name}").fetchall()
            assert tuple(column[0] for column in columns) == table.names
        views = connection.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal")
        assert {row[0] for row in views.fetchall()} == set(VIEWS)


def test_the_seeds_columns_come_first() -> None:
    """order_address and order_item begin with the original system's columns, in its order."""
    tables = {table.name: table.names for table in TABLES}
    assert tables["order_address"][:7] == (
        "ordernumber", "country", "line1", "line2", "name", "postalcode", "stateprovince",
    )  # fmt: skip
    assert tables["order_item"][:3] == ("ordernumber", "sku", "quantity")


def test_the_file_can_be_opened_by_older_tools(tmp_path: Path) -> None:
    """It is stored as DuckDB 1.4 stores files."""
    destination = open_destination(DestinationSettings(), tmp_path)
    destination.preflight()
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{tmp_path / 'orders.duckdb'}' AS held")
        row = connection.execute(
            "SELECT tags['storage_version'] FROM duckdb_databases() WHERE database_name = 'held'"
        ).fetchone()
    assert row is not None
    assert str(row[0]).startswith("v1.4")


@pytest.mark.slow
@pytest.mark.parametrize("fails", [True, False], ids=["error", "mixture"])
def test_a_snapshot_replaced_while_it_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    """The reader opens the new snapshot: DuckDB may have read the header of the old one."""
    with Simulator(SkubanaAssessment(orders=5)) as simulator:
        assert run(shop_settings(tmp_path, simulator.url)).ok
    snapshot = tmp_path / "orders.snapshot.duckdb"
    opened: list[duckdb.DuckDBPyConnection] = []
    connect = duckdb.connect

    def replaced_meanwhile(file: str, *, read_only: bool) -> duckdb.DuckDBPyConnection:
        if not opened:
            copy = tmp_path / "copy"
            copy.write_bytes(snapshot.read_bytes())
            copy.replace(snapshot)
        opened.append(connect(file, read_only=read_only))
        if fails and len(opened) == 1:
            raise duckdb.IOException("Could not read enough bytes from file")
        return opened[-1]

    monkeypatch.setattr("orderpull.destinations.duckdb.duckdb.connect", replaced_meanwhile)
    with open_destination(DestinationSettings(), tmp_path).reader() as reader:
        assert isinstance(reader, DuckdbReader)
        assert reader.connection is opened[1]
        counted = reader.connection.execute("SELECT count(*) FROM order_header").fetchone()
    assert counted == (5,)


@pytest.mark.slow
def test_a_database_of_other_things_is_shared(tmp_path: Path) -> None:
    """A DuckDB file with tables by other names gets ours beside them."""
    with duckdb.connect(str(tmp_path / "orders.duckdb")) as connection:
        connection.execute("CREATE TABLE mine AS SELECT 1 AS one")
    with Simulator(SkubanaAssessment(orders=5)) as simulator:
        assert run(shop_settings(tmp_path, simulator.url)).ok
    assert rows(tmp_path, "SELECT one FROM mine") == [(1,)]
    assert rows(tmp_path, "SELECT count(*) FROM order_header") == [(5,)]


def test_reading_before_the_first_run_is_told(tmp_path: Path) -> None:
    """No snapshot yet: an error that says what to do, and no empty answer."""
    destination = open_destination(DestinationSettings(), tmp_path)
    with pytest.raises(DestinationError, match="orderpull run"), destination.reader():
        pass


@pytest.mark.parametrize(
    "url", ["orders.duckdb", "duckdb://orders", "mysql://host/db", "duckdb:///"]
)
def test_an_unknown_url_is_told(url: str, tmp_path: Path) -> None:
    """A URL of another kind is a settings error that shows the right form."""
    with pytest.raises(SettingsError, match="duckdb:///FILE"):
        open_destination(DestinationSettings(url=url), tmp_path)


@pytest.mark.slow
def test_a_failing_load_leaves_nothing(tmp_path: Path) -> None:
    """A key that would stand twice stops the batch: it rolls back whole, and its page waits."""
    with Simulator(SkubanaAssessment(orders=20, seed=2)) as simulator:
        settings = shop_settings(tmp_path, simulator.url)
        open_destination(settings.destination, tmp_path).preflight()
        pull(settings)
        columns = "ordernumber, sku, quantity, source"
        with duckdb.connect(str(tmp_path / "orders.duckdb")) as connection:
            for number, order in simulator.truth()["orders"].items():
                for sku in order["items"]:
                    orphan = [number, sku, 1, "shop"]
                    connection.execute(
                        f"INSERT INTO order_item ({columns}) VALUES (?, ?, ?, ?)", orphan
                    )
        before = _held(tmp_path)
        result = load(settings)
        assert result.exit_code == 2
        assert "twice; nothing was loaded" in str(result.error)
        assert _held(tmp_path) == before
        with duckdb.connect(str(tmp_path / "orders.duckdb")) as connection:
            connection.execute("DELETE FROM order_item")
        assert load(settings).sources["shop"].counts.inserted == 20


def _held(folder: Path) -> list[list[tuple[object, ...]]]:
    with duckdb.connect(str(folder / "orders.duckdb"), read_only=True) as connection:
        names = [table.name for table in TABLES]
        return [connection.execute(f"FROM {name} ORDER BY ALL").fetchall() for name in names]


def test_a_snapshot_that_does_not_answer_is_told(tmp_path: Path) -> None:
    """Memory that does not suffice, or a damaged file: a sentence, and what to do."""
    destination = open_destination(DestinationSettings(), tmp_path)
    destination.preflight()
    destination.publish(finished=True)
    with destination.reader() as reader:
        assert isinstance(reader, DuckdbReader)
        reader.connection.execute("SET memory_limit = '1MB'")
        with pytest.raises(DestinationError, match="does not answer") as told:
            reader.rows(many())
        assert "shorter time" in told.value.hint


def many() -> sa.Select[int]:
    """What takes more memory than a megabyte."""
    each = sa.func.generate_series(1, 1_000_000).alias("each")
    return sa.select(sa.func.count(sa.literal_column("each").distinct())).select_from(each)


@pytest.mark.slow
def test_a_batch_that_does_not_fit_gets_more_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limit that is too low for a batch is raised, and every order is loaded once."""
    prepared = open_destination(shop_settings(tmp_path, "http://127.0.0.1:9").destination, tmp_path)
    with prepared.loader() as loader:  # to make the rollups raises the limit, too
        loader.ensure_rollups()
    prepared.close()
    monkeypatch.setitem(stage._CONFIG, "memory_limit", "8MB")
    raised: list[object] = []

    def more_memory(connection: duckdb.DuckDBPyConnection) -> AbstractContextManager[None]:
        raised.append(connection)
        return stage.more_memory(connection)

    monkeypatch.setattr(batches, "more_memory", more_memory)
    with Simulator(SkubanaAssessment(orders=20_000, per_call=10_000, seed=2)) as simulator:
        result = run(shop_settings(tmp_path, simulator.url))
    assert result.ok
    assert len(raised) == 1
    assert result.sources["shop"].counts.inserted == 20_000


@pytest.mark.slow
def test_rollups_that_do_not_fit_get_more_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else those of ten million orders could not be built anew after an update of the tables."""
    monkeypatch.setitem(stage._CONFIG, "memory_limit", "12MB")
    destination = open_destination(DestinationSettings(), tmp_path)
    destination.preflight()
    with destination.held():
        for table, columns, rows in (
            (
                "order_header",
                "'shop' AS source, i::VARCHAR AS ordernumber, true AS counted",
                "range(60000) AS o(i)",
            ),
            ("order_address", "source, ordernumber", "order_header"),
            (
                "order_item",
                "source, ordernumber, ordernumber AS sku, 1 AS quantity",
                "order_header",
            ),
        ):
            destination.stage.connection.execute(
                f"INSERT INTO {table} BY NAME SELECT {columns} FROM {rows}"
            )
    with destination.loader() as loader:
        assert loader.session.execute("SELECT sum(quantity) FROM summary_line") == [(60_000,)]


def test_what_memory_does_not_hold_is_private_and_removed() -> None:
    """Rows that DuckDB writes to the disk quote names and addresses."""
    opened = stage.Stage()
    [(folder,)] = opened.connection.execute("SELECT current_setting('temp_directory')").fetchall()
    assert Path(folder).stat().st_mode & 0o777 == 0o700
    opened.close()
    assert not Path(folder).exists()
