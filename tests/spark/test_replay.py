"""Spark's parts without Spark: the same tables and the same ledger as one machine makes."""

from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orderpull import clock, read_settings, report
from orderpull.errors import ClusterError, RejectLimitExceeded, UsageError
from orderpull.failpoints import set_action
from orderpull.model import DATA_TABLES, LEDGER_CURSOR, LEDGER_PAGE, LEDGER_REJECT
from orderpull.settings import Settings
from orderpull.spark import slices
from orderpull.spark.attempts import WORK, clean
from orderpull.spark.replay import replay
from orderpull.verify.verify import Options, verify
from tests.contract.list_shop import Listed
from tests.docs.markdown import ROOT, marked
from tests.operate.home import House, history
from tests.spark.inline import use_inline
from tests.spark.shop import hashes, new_shop, stored
from tests.warehouses import Warehouse, warehouse

pytestmark = pytest.mark.slow

DOCS = ROOT / "docs" / "scale.md"

OF_THE_LOAD = {"loaded_at", "rejected_at", "run", "updated_at", "loads", "landing"}
"""Columns about the load itself."""


def url_of(target: Warehouse) -> str:
    url = str(target.lines.get("url") or "duckdb:///orders.duckdb")
    kind, beside, file = url.partition(":///")
    return f"{kind}{beside}{target.folder}/{file}" if beside else url


def ledger(place: Warehouse) -> dict[str, list[str]]:
    """The rows of data, rejects, pages and cursor, but for what tells when they were loaded."""
    found = {}
    for table in (*DATA_TABLES, LEDGER_PAGE, LEDGER_REJECT, LEDGER_CURSOR):
        names = ", ".join(name for name in table.names if name not in OF_THE_LOAD)
        found[table.name] = sorted(map(repr, place.query(f"SELECT {names} FROM {table.name}")))
    return found


@pytest.mark.parametrize("on_change", ["update", "ignore"])
@pytest.mark.parametrize("kind", ["duckdb", "postgresql", "redshift", "iceberg"])
def test_awkward_orders_become_the_same_rows(
    kind: Any, on_change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows, rejects, pages, counts and cursor; each task twice; and `load` goes on from there."""
    with warehouse("duckdb", tmp_path / "a") as here, warehouse(kind, tmp_path / "b") as there:
        home = House(here.folder, here)
        settings = home.settings(f'on_change = "{on_change}"\nkeep_names = "hash"', there)
        home.land(*history())
        home.call("load", "--accept-rejects")
        cluster = use_inline(monkeypatch)
        url = url_of(there)
        result = replay(settings, url, cluster=cluster, accept_rejects=True)
        assert result.records["shop"].counts.fetched == 20
        assert ledger(here) == ledger(there)
        assert not replay(settings, url, cluster=cluster, accept_rejects=True).records
        assert not (here.folder / WORK).exists()
        home.land([{**history()[0][1], "changed": "2026-12-01T00:00:00Z", "lines": []}])
        home.call("load")
        home.call("replay", "--into", url)
        assert ledger(here) == ledger(there)


def test_a_kill_leaves_nothing_or_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken off at each fail point, the same command again commits once; clean finds the rest."""
    shop = new_shop(tmp_path, 700)
    settings = read_settings(tmp_path / "orderpull.toml")
    cluster = use_inline(monkeypatch)
    expected = hashes(shop.truth.tables())

    class Killed(BaseException):
        pass

    for url, points in {
        "parquet:lake": ("spark-executed", "spark-before-rename", "spark-renamed"),
        "duckdb:///w.duckdb": ("spark-uploaded", "spark-before-commit", "spark-committed"),
    }.items():
        for point in points:

            def act(reached: str, point: str = point) -> None:
                if reached == point:
                    raise Killed

            before = set_action(act)
            try:
                with pytest.raises(Killed):
                    replay(settings, url, cluster=cluster, accept_rejects=True)
            finally:
                set_action(before)
        result = replay(settings, url, cluster=cluster, accept_rejects=True)
        assert not result.records, "the last kill was after the commit"
    files = sorted((tmp_path / "lake").glob("order_item/*.parquet"))
    assert len(files) == len(set(files)) == 3
    with duckdb.connect() as connection:
        for table in (tmp_path / "lake").iterdir():
            if table.is_dir():
                connection.execute(
                    f"CREATE VIEW {table.name} AS FROM read_parquet('{table}/*.parquet')"
                )
        assert hashes(stored(lambda q: connection.execute(q).fetchall())) == expected
    with duckdb.connect(str(tmp_path / "w.duckdb"), read_only=True) as connection:
        assert hashes(stored(lambda q: connection.execute(q).fetchall())) == expected
        assert connection.execute("SELECT count(*) FROM orderpull_run").fetchone() == (1,)
    settings = read_settings(_with_destination(tmp_path))
    verified = verify(settings, (), Options(offline=True))
    assert not any(source.needs_repair for source in verified.sources.values())
    _the_docs_ask(tmp_path / "lake", settings)


def _the_docs_ask(folder: Path, settings: Settings) -> None:
    """The queries of docs/scale.md over *folder* give the answers of the report."""
    text = marked(DOCS, "scale: questions").text.replace("'orders/", f"'{folder}/")
    with duckdb.connect() as connection:
        average, overall, by_country = (
            connection.execute(each).fetchall() for each in text.split(";") if each.strip()
        )
    answer = report(settings)
    assert average == [(pytest.approx(answer.average["average"]),)]
    assert overall == [(row["sku"], row["quantity"]) for row in answer.overall]
    firsts = {country: (sku, pieces) for country, sku, pieces in reversed(by_country)}
    assert len(firsts) > 1
    assert firsts == {
        row["country"] or "": (row["sku"], row["quantity"])
        for row in answer.by_country
        if row["rank"] == 1
    }


def _with_destination(folder: Path) -> Path:
    file = folder / "w.toml"
    text = (folder / "orderpull.toml").read_text()
    file.write_text(f'[destination]\nurl = "duckdb:///w.duckdb"\n{text}')
    return file


def test_clean_leaves_a_running_replay_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = new_shop(tmp_path, 300)
    settings = read_settings(tmp_path / "orderpull.toml")
    cluster = use_inline(monkeypatch)
    left = tmp_path / WORK / "0123456789abcdef-01234567"
    (left / "parts" / "order_item").mkdir(parents=True)
    (left / "parts" / "order_item" / "x.parquet").write_bytes(b"1234")
    found: list[Any] = []
    set_action(lambda point: found.extend(clean(tmp_path / WORK) if "executed" in point else ()))
    try:
        replay(settings, "parquet:lake", cluster=cluster, accept_rejects=True)
    finally:
        set_action(None)
    assert [(o.path, o.files, o.size) for o in found] == [(left, 1, 4)]
    assert (tmp_path / "lake" / "orderpull.json").exists()
    shop.land([])
    with pytest.raises(UsageError, match="made by the replay"):
        replay(settings, "parquet:lake", cluster=cluster)


def test_lost_rows_and_too_many_rejects_stop_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slice that Spark loses or gives twice is noticed; so are rejects over the limit."""
    new_shop(tmp_path, 700, more="reject_limit = 0.001")
    settings = read_settings(tmp_path / "orderpull.toml")
    cluster = use_inline(monkeypatch)
    with pytest.raises(RejectLimitExceeded, match="Nothing was committed"):
        replay(settings, "parquet:lake", cluster=cluster)
    real = slices.from_batches

    def losing(batches: Any) -> Any:
        made = list(real(batches))
        orders = [n for n, each in enumerate(made) if each[1] == "order"]
        return iter(made[: orders[0]] + made[orders[0] + 1 :] if orders else made)

    monkeypatch.setattr(slices, "from_batches", losing)
    with pytest.raises(ClusterError, match="missing or repeated rows"):
        replay(settings, "parquet:lake", cluster=cluster, accept_rejects=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["landing", "long.toml", "orderpull.toml"]


def test_a_list_of_all_orders_deletes_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reconciled: what a list lacks is deleted; what comes after it is there again."""
    now = datetime.now(UTC).replace(tzinfo=None)
    ticks = count(1)
    monkeypatch.setattr(clock, "now", lambda: now + timedelta(seconds=2 * next(ticks)))
    with warehouse("duckdb", tmp_path / "a") as here, warehouse("duckdb", tmp_path / "b") as there:
        listed = Listed(here, 30, 'reconcile = "1s"\n')
        assert listed.run().ok
        for number in (3, 11, 20):
            kept = listed.shop.orders.pop(number)
        assert listed.run().ok
        listed.shop.orders[20] = kept | {"changed": listed.shop.orders[30]["changed"]}
        assert listed.run().ok
        assert sorted(listed.states().values()).count(("deleted at source", False)) == 2
        replay(listed.settings, url_of(there), cluster=use_inline(monkeypatch))
        assert ledger(here) == ledger(there)
