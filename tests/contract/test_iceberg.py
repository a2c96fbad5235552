"""What holds for a lake alone: several tables in one commit, upkeep, buckets, files of others."""

import json
import subprocess
import sys
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner

from orderpull import read_settings, report, run
from orderpull.cli import main
from orderpull.destinations.iceberg.files import commit_files, data_location
from orderpull.destinations.iceberg.session import (
    IcebergDestination,
    IcebergSession,
    iceberg_destination,
)
from orderpull.destinations.iceberg.workspace import split_clauses
from orderpull.errors import DestinationBusy, Overtaken, SettingsError
from orderpull.failpoints import set_action
from orderpull.model import DATA_TABLES
from orderpull.settings import DestinationSettings, Settings
from orderpull.simulator import Simulator, SkubanaAssessment
from orderpull.verify.verify import Options, verify
from tests.contract.stored import stored_orders
from tests.docs.markdown import ROOT, marked
from tests.rollup_oracle import differing
from tests.servers import KEYS, fresh_bucket, s3_server
from tests.warehouses import Warehouse, warehouse

DOCS = ROOT / "docs" / "iceberg.md"
ROW = "SELECT 'n1' AS ordernumber, 'DE' AS country, 'shop' AS source"


@pytest.fixture
def lake(tmp_path: Path) -> Warehouse:
    """A lake without tables."""
    with warehouse("iceberg", tmp_path / "here") as made:
        return made


def opened(settings: Settings) -> IcebergDestination:
    """The lake of *settings*."""
    return iceberg_destination(settings.destination, settings.folder, ZoneInfo("UTC"))


def test_from_the_first_load_to_upkeep_and_the_answers_of_the_docs(lake: Warehouse) -> None:
    """Several loads; upkeep changes no row; the docs' SQL gives what the report says."""
    shop = SkubanaAssessment(orders=180, per_call=60, seed=5, versions=0.4)
    with Simulator(shop) as simulator:
        settings = lake.settings(simulator.url, "max_pages = 2")
        for _ in range(3):
            assert run(settings).error is None
        truth = simulator.truth()["orders"]
    assert stored_orders(lake) == truth
    told = CliRunner().invoke(main, ["--config", str(settings.file), "status", "--json"])
    before = json.loads(told.output)["lake"]
    arguments = [
        "--config",
        str(settings.file),
        "warehouse",
        "compact",
        "--keep-days",
        "0",
        "--json",
    ]
    done = json.loads(CliRunner().invoke(main, arguments).output)
    assert done["folded"] > 0
    assert done["snapshots"] > before["snapshots"] / 2
    assert done["left"] == []
    after = opened(settings).files()
    assert after
    assert after.files < before["files"]
    assert stored_orders(lake) == truth
    assert differing(lake.query, "UTC") == []
    assert run(settings).error is None
    answer = report(settings, top=3)
    ((average,),) = lake.query(marked(DOCS, "iceberg: average").text)
    assert average == pytest.approx(answer.average["average"])
    overall = [(row["sku"], row["quantity"]) for row in answer.overall]
    assert lake.query(marked(DOCS, "iceberg: overall").text) == overall
    by_country = lake.query(marked(DOCS, "iceberg: by country").text)
    assert {row[0] for row in by_country} == {
        order["country"] for order in truth.values() if any(order["items"].values())
    }
    code = marked(DOCS, "iceberg: python").text
    printed = subprocess.run(
        [sys.executable, "-c", code], cwd=lake.folder, capture_output=True, text=True, check=True
    )
    assert printed.stdout == f"[({len(truth)},)]\n"


def test_what_was_damaged_is_named_and_mended(lake: Warehouse) -> None:
    """A line, an order, a country and a rollup: verify names each, and its repair mends them."""
    with Simulator(SkubanaAssessment(orders=60, per_call=60, seed=5)) as simulator:
        settings = lake.settings(simulator.url)
        assert run(settings).error is None
        truth = simulator.truth()["orders"]
    line, order, country = sorted(key for key, each in truth.items() if each["items"])[:3]
    damages = (
        ("DELETE FROM order_item WHERE ordernumber = ?", line),
        *((f"DELETE FROM {table.name} WHERE ordernumber = ?", order) for table in DATA_TABLES),
        ("UPDATE order_address SET country = 'XX' WHERE ordernumber = ?", country),
    )
    destination = opened(settings)
    with destination.inspect() as session, session.writing():
        for statement, number in damages:
            session.execute(statement, [number])
        session.execute("DELETE FROM summary_day")
    destination.close()
    found = verify(settings, (), Options(deep=True, offline=True)).sources["shop"]
    assert {each.order for each in found.differences} >= {line, order, country}
    mended = verify(settings, (), Options(deep=True, offline=True, repair=True)).sources["shop"]
    assert mended.repaired == len(found.differences)
    assert not verify(settings, (), Options(deep=True, offline=True)).sources["shop"].needs_repair
    assert stored_orders(lake) == truth
    assert differing(lake.query, "UTC") == []


def test_files_of_another_engine_are_committed_once(lake: Warehouse) -> None:
    """All tables or none; the same run again changes nothing; what does not fit is refused."""
    import duckdb

    settings = lake.settings("http://127.0.0.1:9")
    destination = opened(settings)
    file = f"{data_location(destination, 'order_address')}/one.parquet"
    with duckdb.connect() as connection:
        path = file.removeprefix("file://")
        Path(path).parent.mkdir(parents=True)
        connection.sql(ROW).write_parquet(path)
        connection.sql("SELECT 1 AS wrong").write_parquet(f"{path}.wrong")
    files = {"order_address": [file], "order_item": []}
    assert commit_files(destination, "run-1", files)
    assert not commit_files(destination, "run-1", files)
    with pytest.raises(Exception, match="does not fit"):
        commit_files(destination, "run-2", {"order_item": [], "order_address": [f"{file}.wrong"]})
    destination.close()
    assert lake.query("SELECT ordernumber, country, city FROM order_address") == [
        ("n1", "DE", None)
    ]
    with opened(settings).reader() as reader:
        assert reader.execute("SELECT count(*) FROM order_address") == [(1,)]


def test_a_torn_load_is_seen_by_nobody(lake: Warehouse) -> None:
    """Some tables are written, the head is not: readers see the state before, whoever they are."""
    settings = lake.settings("http://127.0.0.1:9")
    destination = opened(settings)
    destination.preflight()

    def fail(point: str) -> None:
        if point == "before-commit":
            raise KeyboardInterrupt

    insert = "INSERT INTO order_address (ordernumber, source) VALUES ('n1', 'shop')"
    set_action(fail)
    try:
        with (
            pytest.raises(KeyboardInterrupt),
            destination.inspect() as session,
            session.writing(),
        ):
            session.execute(insert)
    finally:
        set_action(None)
    with destination.reader() as reader:
        assert reader.execute("SELECT count(*) FROM order_address") == [(0,)]
    assert lake.query("SELECT count(*) FROM order_address") == [(0,)]
    with destination.inspect() as session, session.writing():
        session.execute(insert)
    destination.close()
    assert lake.query("SELECT count(*) FROM order_address") == [(1,)]


def test_two_at_once_do_not_both_commit(lake: Warehouse) -> None:
    """With the lock one waits, and says so in the end; without it the catalog refuses one."""
    settings = lake.settings("http://127.0.0.1:9", lock_wait=0.1)
    one, other = opened(settings), opened(settings)
    one.preflight()
    insert = "INSERT INTO order_address (ordernumber, source) VALUES (?, 'shop')"
    with one.inspect() as first, first.writing(), other.inspect() as second:
        first.execute(insert, ["n1"])
        with pytest.raises(DestinationBusy, match=r"did not end within 0\.1 s"), second.writing():
            pass
        second.lake.__dict__["folder"] = None  # as in a bucket, where there is no lock
    other.lake.__dict__["folder"] = None

    def load_twice() -> None:
        with other.inspect() as second, second.writing():
            second.execute(insert, ["n2"])
            with one.inspect() as first, first.writing():
                first.execute(insert, ["n3"])

    with pytest.raises(Overtaken):
        load_twice()
    with other.inspect() as second, second.writing():
        second.execute(insert, ["n4"])
    for each in (one, other):
        each.close()
    assert sorted(lake.query("SELECT ordernumber FROM order_address")) == [
        ("n1",),
        ("n3",),
        ("n4",),
    ]


def test_a_commit_of_another_process_is_no_failure(
    lake: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a lock, as in a bucket: the load starts over on top of it, and both are there."""
    monkeypatch.setattr(IcebergSession, "locked", lambda _: nullcontext())
    with Simulator(SkubanaAssessment(orders=40, per_call=40, seed=2)) as simulator:
        settings = lake.settings(simulator.url)
        other = opened(settings)
        other.preflight()
        commits = iter(range(2))  # of the batch, and of the run's end

        def reached(point: str) -> None:
            if point == "ledger-written" and (number := next(commits, None)) is not None:
                with other.inspect() as session, session.writing():
                    session.execute(
                        "INSERT INTO order_address (ordernumber, source) VALUES (?, 'other')",
                        [f"n{number}"],
                    )

        set_action(reached)
        try:
            result = run(settings)
        finally:
            set_action(None)
        other.close()
        assert result.error is None
        assert result.sources["shop"].counts.inserted == 40
        truth = simulator.truth()["orders"]
    numbers = lake.query("SELECT ordernumber FROM order_address")
    assert {number for (number,) in numbers} == {*truth, "n0", "n1"}
    assert len(numbers) == len(truth) + 2


GLUE = """[destination.catalog]
type = "glue"
warehouse = "s3://{bucket}/lake"
"glue.endpoint" = "{endpoint}"
"glue.region" = "us-east-1"
"""


@pytest.mark.parametrize("catalog", ["sqlite", "glue"])
def test_a_lake_in_a_bucket(tmp_path: Path, catalog: str) -> None:
    """Loaded, read, compacted and scrubbed on S3; the catalog is a file, or Glue."""
    bucket = fresh_bucket(s3_server())
    url = (
        f"iceberg:s3://{bucket}/lake"
        if catalog == "sqlite"
        else f"iceberg://{bucket.replace('-', '_')}"
    )
    more = GLUE.format(bucket=bucket, endpoint=s3_server()) if catalog == "glue" else ""
    shop = SkubanaAssessment(orders=60, per_call=60, seed=5, versions=0.3)
    with Simulator(shop) as simulator:
        (tmp_path / "orderpull.toml").write_text(
            f'[destination]\nurl = "{url}"\nendpoint = "{s3_server()}"\n'
            f'region = "{KEYS["region_name"]}"\n{more}[sources.shop]\napi = "skubana-assessment"\n'
            f'base_url = "{simulator.url}"\n',
            encoding="utf-8",
        )
        settings = read_settings(tmp_path / "orderpull.toml")
        assert run(settings).error is None
        truth = simulator.truth()["orders"]
    quantity = sum(sum(order["items"].values()) for order in truth.values())
    assert report(settings).average["quantity"] == quantity
    destination = opened(settings)
    assert destination.compact(timedelta(0)).snapshots > 0
    left = destination.scrub()
    assert all("that a load may be writing" in sentence for sentence in left)
    with destination.reader() as reader:
        total = next(iter(reader.query("SELECT sum(quantity) FROM order_item").rows))
    destination.close()
    assert total == (quantity,)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("iceberg:///", "expected iceberg:///FOLDER"),
        ("iceberg://orders", "names no type"),
        ("iceberg:gopher://x", "expected iceberg:///FOLDER"),
    ],
)
def test_urls_that_name_no_lake(url: str, said: str, tmp_path: Path) -> None:
    """The settings are wrong, and the message says what is expected."""
    with pytest.raises(SettingsError, match=said):
        iceberg_destination(DestinationSettings(url=url), tmp_path, ZoneInfo("UTC"))


def test_a_catalog_that_is_none(lake: Warehouse) -> None:
    """A damaged SQLite file is one sentence with exit code 2, and nothing is asked of the API."""
    settings = lake.settings("http://127.0.0.1:9")
    (lake.folder / "lake").mkdir()
    (lake.folder / "lake" / "catalog.db").write_bytes(b"no database at all" * 100)
    done = CliRunner().invoke(main, ["--config", str(settings.file), "run"])
    assert done.exit_code == 2
    assert "cannot be used" in done.output + done.stderr
    assert "Traceback" not in done.output + done.stderr


def test_clauses_of_our_statements() -> None:
    """Words in parentheses and in texts belong to the clause around them."""
    update = (
        "UPDATE t SET a = (SELECT max(b) FROM u WHERE b = 1), c = 'WHERE' FROM d AS d WHERE t.x = ?"
    )
    assert split_clauses(update) == {"FROM": "d AS d", "WHERE": "t.x = ?"}
    assert split_clauses("DELETE FROM t") == {}
    delete = "DELETE FROM t USING k AS k WHERE t.x = k.x AND t.y IN (SELECT y FROM z WHERE y > 1)"
    assert split_clauses(delete) == {
        "USING": "k AS k", "WHERE": "t.x = k.x AND t.y IN (SELECT y FROM z WHERE y > 1)",
    }  # fmt: skip
