"""``landing.keep_days``: loaded pages are deleted after a time, and nothing that is needed is."""

import json
import signal
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from orderpull import clock, read_settings
from orderpull.cli import main
from orderpull.landing import open_landing
from orderpull.landing.expired import Expired, expired_pages
from tests.landing.buckets import TestBucket
from tests.landing.fixtures import bucket
from tests.normalize import helpers
from tests.operate.home import House, history, order
from tests.operate.old_shop import OldShop, long_ago
from tests.processes import start
from tests.warehouses import warehouse

__all__ = ["bucket"]

KEEP = "\n[landing]\nkeep_days = 60\n"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OldShop:
    """An old shop in a folder."""
    return OldShop(tmp_path, "", monkeypatch)


def _check_expired(shop: OldShop) -> None:
    """What is not needed is gone, and everything goes on as before."""
    left = shop.landing.pages()
    assert set(left) == shop.needed | {6}
    assert 2 <= len(left) < 6
    expired = expired_pages(shop.landing)
    assert (expired.pages, expired.finished) == (6 - len(left), True)
    assert [page for page in range(1, 7) if page in expired] == [
        page for page in range(1, 7) if page not in left
    ]
    assert shop.everything() == shop.before
    assert shop.landing.next_page() == 7


@pytest.mark.slow
@pytest.mark.parametrize("place", ["folder", "s3", "folder, compacted", "s3, compacted"])
def test_loaded_pages_are_deleted_and_nothing_is_lost(
    place: str, tmp_path: Path, bucket: TestBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All but the newest and those of rejects; rows, replay, retry and verify stay exact."""
    shop = OldShop(tmp_path, bucket.toml() if place.startswith("s3") else "", monkeypatch)
    if place.endswith("compacted"):
        assert "5 pages" in shop.call("landing", "compact").stdout
    assert "a new warehouse cannot" not in shop.call("check", code=1).stdout
    gone = min({1, 2, 3, 4, 5} - shop.needed)
    page = shop.landing.read(gone)
    shop.keep()
    assert "a new warehouse cannot be made from it" in shop.call("check", code=1).stdout
    assert (
        "landed pages deleted: loaded, and received more than 60 days ago"
        in shop.call("load").stderr
    )
    _check_expired(shop)
    note = shop.landing.note("expired.json")
    shop.call("load")
    assert shop.landing.note("expired.json") == note
    told = json.loads(shop.call("status", "--json").stdout)["sources"]["shop"]
    before = f"{clock.now() - timedelta(days=60):%Y-%m-%d}"
    assert told["deleted"] == {"pages": expired_pages(shop.landing).pages, "before": before}
    if place.startswith("s3"):
        return
    assert f"received before {before} are deleted" in shop.call("status").stdout
    assert (
        f"as {expired_pages(shop.landing)} are"
        in shop.call("landing", "cat", f"{gone}", code=2).output
    )
    number = shop.rows("SELECT min(ordernumber) FROM order_header")[0][0]
    assert "older pages are deleted" in shop.call("history", str(number)).stdout
    assert "their orders stay as they are" in shop.call("replay").stdout
    assert "their orders stay" in shop.call("replay", "--dry-run").stdout
    shop.call("rejects", "retry", "--json")
    assert shop.everything() == shop.before
    assert json.loads(shop.call("verify", "--deep", "--json").stdout)["ok"] is True
    assert "missing" not in CliRunner().invoke(main, ["--config", str(shop.file), "doctor"]).output
    # A page that comes back, from a backup say, is neither waiting nor counted again.
    shop.landing.land(*page)
    assert json.loads(shop.call("load", "--json").stdout)["sources"]["shop"]["fetched"] == 0
    assert shop.everything() == shop.before
    # A page that is lost, and was not deleted by us, is told still.
    lost = min(shop.needed)
    with shop.landing.rewriting():
        shop.landing.delete_pages([lost])
    told = json.loads(shop.call("verify", "--deep", "--json", code=1).stdout)
    assert [each["order"] for each in told["sources"]["shop"]["differences"]][:1] == [
        f"page {lost}"
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    "point",
    ["expiry-noted:1", "page-deleted:1", "container-written:1", "container-stored:1",
     "container-replaced:1"],
)  # fmt: skip
def test_a_kill_meanwhile_is_made_up_for(shop: OldShop, point: str) -> None:
    """A page is noted before it is deleted; the next run deletes what was left."""
    if point.startswith("container"):
        shop.call("landing", "compact")
    shop.keep()
    killed = start("-m", "orderpull", "load", cwd=shop.folder, kill_at=point)
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    left, expired = set(shop.landing.pages()), expired_pages(shop.landing)
    assert not expired.finished
    assert {page for page in range(1, 7) if page not in left} <= {
        page for page in range(1, 7) if page in expired
    }
    assert left > shop.needed | {6}
    shop.call("load")
    _check_expired(shop)


@pytest.mark.slow
def test_a_new_warehouse_is_told_what_it_lacks(
    shop: OldShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rebuild is refused; a run into an empty warehouse says that orders may be missing."""
    shop.keep()

    def refused_by_the_disk(self: Path, *, missing_ok: bool = False) -> None:
        raise PermissionError(1, "Operation not permitted", str(self))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refused_by_the_disk)
        assert "cannot be used: Operation not permitted" in shop.call("load", code=1).output
    assert shop.landing.pages() == [1, 2, 3, 4, 5, 6]
    shop.call("load")
    refused = shop.call("replay", "--into", "duckdb:///other.duckdb", code=2).output
    assert "has deleted" in refused
    assert "copy the old warehouse instead" in refused
    for file in shop.folder.glob("orders.*"):
        file.unlink()
    told = json.loads(shop.call("load", "--json").stdout)
    assert "Orders may be missing from it" in told["sources"]["shop"]["notes"][0]


@pytest.mark.slow
def test_what_waits_or_is_young_or_needed_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages behind a damaged one wait however old they are; a young page stays."""
    monkeypatch.setattr(helpers, "RECEIVED", clock.iso(long_ago()))
    with warehouse("duckdb", tmp_path) as origin:
        home = House(tmp_path, origin)
        home.settings(KEEP)
        good = [[order(f"g{n}", f"G{n}")] for n in range(4)]
        home.land(good[0], *history(), good[1], good[2], good[3])
        landing = open_landing(read_settings(tmp_path / "orderpull.toml").landing, tmp_path)
        damaged = next((tmp_path / "landing").glob("shop/*/000000000006.json.zst"))
        whole = damaged.read_bytes()
        damaged.write_bytes(whole[:-1])
        with monkeypatch.context() as patch:
            patch.setattr(
                "orderpull.loading.pages.BATCH_ORDERS", 6
            )  # the damaged page is in the fifth batch
            home.call("load", "--accept-rejects", code=1)
        needed = {page for (page,) in origin.query("SELECT page FROM orderpull_reject")}
        assert landing.source("shop").pages() == sorted({*needed, 6, 7})
        assert 1 not in needed
        damaged.write_bytes(whole)
        monkeypatch.setattr(helpers, "RECEIVED", clock.iso(clock.now() - timedelta(days=59)))
        home.land([order("young", "Y1")], [order("younger", "Y2")])
        home.call("load")
        # Of today, everything is deleted that may be; the next day has its turn again.
        assert landing.source("shop").pages() == sorted({*needed, 6, 7, 8, 9})
        later = clock.now() + timedelta(days=1)
        with monkeypatch.context() as patch:
            patch.setattr(clock, "now", lambda: later)
            home.call("load")
        assert landing.source("shop").pages() == sorted({*needed, 8, 9})


VERSIONS: dict[str, dict[str, Any]] = {
    "new": {"changed": "2026-02-10T00:00:00Z"},
    "old": {"changed": "2026-02-05T00:00:00Z", "total": "3"},
    "newer, bad": {"changed": "2026-02-20T00:00:00Z", "lines": [{"sku": "X", "n": "some"}]},
    "older, bad": {"changed": "2026-02-01T00:00:00Z", "lines": [{"sku": "X", "n": "some"}]},
}
"""The versions that an order may come in."""


@pytest.mark.slow
@pytest.mark.parametrize("on_change", ["update", "ignore"])
def test_a_page_that_stays_rejects_no_order_again(
    on_change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever good versions came before or after a bad one, newer or stale, on deleted pages.

    The bad one's page is needed by another reject, so that a replay reads it once more.
    """
    monkeypatch.setattr(helpers, "RECEIVED", clock.iso(long_ago()))
    orders = [
        kinds
        for length in (2, 3)
        for kinds in product(VERSIONS, repeat=length)
        if any("bad" in kind for kind in kinds)
    ]
    pages: list[list[dict[str, Any]]] = []
    for number, kinds in enumerate(orders):
        for kind in kinds:
            page = [order(f"i{number}", f"A{number}", **VERSIONS[kind])]
            if "bad" in kind:
                needed = f"B{len(pages)}"
                page.append(order(needed, needed, **VERSIONS[kind]))
            pages.append(page)
    with warehouse("duckdb", tmp_path, prepared=True) as origin:
        home = House(tmp_path, origin)
        settings = home.settings(f'on_change = "{on_change}"\n{KEEP}')
        home.land(*pages, [order("c", "C")])
        home.call("load", "--accept-rejects")
        landing = open_landing(settings.landing, settings.folder)
        assert len(landing.source("shop").pages()) < len(pages)
        tables = (
            "SELECT ordernumber, page, position FROM orderpull_reject ORDER BY ALL",
            "SELECT * EXCLUDE loaded_at FROM order_header ORDER BY ALL",
        )
        before = [origin.query(query) for query in tables]
        home.call("replay", "--accept-rejects")
        assert [origin.query(query) for query in tables] == before


@given(st.lists(st.sets(st.integers(1, 40)), max_size=4))
def test_ranges_hold_exactly_the_pages(added: list[set[int]]) -> None:
    """Whatever is added in whatever order, each page once, and runs as short as can be."""
    expired = Expired()
    for numbers in added:
        expired.add(numbers)
    everything = set().union(*added)
    assert {page for page in range(45) if page in expired} == everything
    assert expired.pages == len(everything)
    assert all(b[0] > a[1] + 1 for a, b in zip(expired.ranges, expired.ranges[1:], strict=False))


def test_empty_months_go_and_the_newest_stays(tmp_path: Path) -> None:
    """A folder of a month whose pages are all deleted is removed, but for the newest."""
    landing = helpers.new_landing(tmp_path)
    folder = landing.folder
    for month in ("2026-01", "2026-02"):
        (folder / month).mkdir()
    (folder / "2026-01" / "000000000001.json.zst").write_bytes(b"x")
    (folder / "2026-02" / "000000000002.json.zst").write_bytes(b"x")
    landing.delete_pages([1, 2, 3])
    assert sorted(path.name for path in folder.glob("20*")) == ["2026-02"]
