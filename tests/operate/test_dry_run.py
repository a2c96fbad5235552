"""``orderpull replay --dry-run`` foretells exactly what a replay then does, and writes nothing."""

import hashlib
import json
import os
import shutil
import signal
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from orderpull import clock
from orderpull.landing import open_landing
from orderpull.model import LEDGER_TABLES, SUMMARY_TABLES
from orderpull.settings import LandingSettings
from tests.docs.markdown import ROOT, marked
from tests.docs.shape import shape
from tests.normalize import helpers
from tests.operate.foretold import assert_foretold, state
from tests.operate.home import API, House, house, order
from tests.processes import start
from tests.warehouses import Warehouse, _on_file

pytestmark = pytest.mark.slow

MENDED: dict[str, tuple[str, str]] = {
    "country": ('country = "country"', 'country = "status"'),
    "name": ('name = "to"', 'name = "street"'),
    "no street": ('line1 = "street"\n', ""),
    "number": ('number = "no"', 'number = "id"'),
    "id": ('id = "id"', 'id = "no"'),
    "no stamp": ('modified_at = "changed"\n', ""),
    "total": ('total = "total"', 'total = "placed"'),
    "where": ('status = "status"', 'status = "status"\nwhere = "not(in(country, \'Narnia\'))"'),
    "counted": ('status = "status"', "status = \"status\"\ncounted = \"not(in(id, 'i5', 'i6'))\""),
    "lines": ('path = "lines"', 'path = "lines[].none"'),
    "sku": ('sku = "sku"', 'sku = "n"'),
    "quantity": ('quantity = "n"', 'quantity = "sku"'),
}
"""Changes of the API file, some of them mistakes."""

MORE = ("", 'ordernumber = "{number}~{id}"', 'on_change = "ignore"', "keep_address = true")
"""Changes of the source's settings."""


def fingerprint(folder: Path) -> dict[str, str]:
    """The hash of every file below *folder*."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a loaded history, and a page that waits."""
    folder = tmp_path_factory.mktemp("loaded")
    with house("duckdb", folder) as home:
        late = order("i4", "a b", changed="2026-05-01T00:00:00Z", to="Grete", lines=[])
        home.land([late, order("new", "N1"), order("bad2", "B2", lines=[{"n": "x"}])])
    return folder


SEARCHES = int(os.environ.get("ORDERPULL_SEARCH", "1"))


@settings(
    max_examples=2 * SEARCHES, deadline=None, derandomize=True, database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@example(mended={"name", "no stamp"}, more="")  # which pages are one batch decides
@given(mended=st.sets(st.sampled_from(sorted(MENDED)), max_size=3), more=st.sampled_from(MORE))
def test_a_replay_does_what_was_foretold(
    loaded: Path, tmp_path: Path, mended: set[str], more: str
) -> None:
    """Whatever the API file became: counts by order, item, column and reject; no byte is written."""
    folder = tmp_path / "home"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(loaded, folder)
    file = folder / "orders.duckdb"
    home = House(folder, Warehouse("duckdb", folder, {}, lambda query: _on_file(file, query)))
    home.settings(more)
    text = API
    for each in sorted(mended):
        text = text.replace(*MENDED[each])
    (folder / "awkward.toml").write_text(text, encoding="utf-8")
    before = state(home.origin.query)
    bytes_before = fingerprint(folder)
    told = json.loads(home.call("replay", "--dry-run", "--json").stdout)
    assert fingerprint(folder) == bytes_before
    home.call("replay", "--json")
    assert_foretold(told, before, state(home.origin.query))


@pytest.mark.parametrize("kind", ["postgresql", "redshift"])
def test_the_same_on_a_server(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows, ledger, rollups and landing stay as they are; the replay then does what was told.

    The history of an order, and ``keep_days``, read the same tables there.
    """
    monkeypatch.setattr(helpers, "RECEIVED", clock.iso(clock.now() - timedelta(days=100)))
    with house(kind, tmp_path) as home:
        versions = json.loads(home.call("history", "i1", "--json").stdout)["versions"]
        assert [(v["page"], v["outcome"], v["held"]) for v in versions] == [
            (1, "inserted", False), (2, "updated", True), (3, "stale", False),
        ]  # fmt: skip
        for each in ("country", "number", "quantity"):
            text = (tmp_path / "awkward.toml").read_text("utf-8").replace(*MENDED[each])
            (tmp_path / "awkward.toml").write_text(text, encoding="utf-8")
        tables = [table.name for table in (*LEDGER_TABLES, *SUMMARY_TABLES)]
        query = home.origin.query
        everything = [sorted(query(f"SELECT * FROM {name}"), key=repr) for name in tables]
        before, bytes_before = state(query), fingerprint(tmp_path)
        told = json.loads(home.call("replay", "--dry-run", "--json").stdout)
        documented = json.loads(marked(ROOT / "docs" / "commands.md", "json: replay dry run").text)
        printed = shape(told)
        printed["sources"]["shop"]["rejects"]["first"] = None
        assert json.dumps(printed) == json.dumps(shape(documented))
        assert told["written"] is False
        assert [sorted(query(f"SELECT * FROM {name}"), key=repr) for name in tables] == everything
        assert (state(query), fingerprint(tmp_path)) == (before, bytes_before)
        home.call("replay", "--json")
        assert_foretold(told, before, state(query))
        after, needed = (
            state(query),
            {page for (page,) in query("SELECT page FROM orderpull_reject")},
        )
        home.settings("\n[landing]\nkeep_days = 60\n")
        home.call("load")
        left = open_landing(LandingSettings(), tmp_path).source("shop").pages()
        assert (left, state(query)) == (sorted(needed | {3}), after)


def test_examples_hide_persons_unless_asked(loaded: Path, tmp_path: Path) -> None:
    """Columns with their first orders; names and streets show with --names alone."""
    folder = tmp_path / "home"
    shutil.copytree(loaded, folder)
    text = API.replace('name = "to"', 'name = "sku"').replace(
        'country = "country"', 'country = "x"'
    )
    (folder / "awkward.toml").write_text(text, encoding="utf-8")
    home = House(folder, Warehouse("duckdb", folder, {}, lambda _: []))
    shown = home.call("replay", "--dry-run").stdout
    assert "order_address.name" in shown
    assert "a,b" not in shown
    assert ": DE → NULL" in shown
    assert "#9: a,b → NULL" in home.call("replay", "--dry-run", "--names").stdout
    assert "exclude each other" in home.call("replay", "--dry-run", "--into", "x", code=2).output


def test_a_killed_load_is_not_recovered_by_looking(loaded: Path, tmp_path: Path) -> None:
    """A file that a kill left behind is read as it is committed, and neither it nor its log change."""
    folder = tmp_path / "home"
    shutil.copytree(loaded, folder)
    killed = start("-m", "orderpull", "load", cwd=folder, kill_at="committed:1")
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    assert "orders.duckdb.wal" in fingerprint(folder)
    home = House(folder, Warehouse("duckdb", folder, {}, lambda _: []))
    before = fingerprint(folder)
    told = json.loads(home.call("replay", "--dry-run", "--json").stdout)
    assert told["sources"]["shop"]["orders"]["inserted"] == 0
    assert told["sources"]["shop"]["pages"] == 4
    assert fingerprint(folder) == before
