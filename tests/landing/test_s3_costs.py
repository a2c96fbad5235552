"""How often S3 is asked, and what this machine keeps of it: both follow what is new."""

import os
import stat
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from orderpull import clock, pipeline, read_settings
from orderpull.errors import LandingError
from orderpull.landing.s3.landing import landing_at
from orderpull.landing.s3.local_cache import LocalCache
from orderpull.pipeline import RunResult
from tests.aws.shops import many_shops
from tests.docs.markdown import ROOT, rows, section
from tests.doubles.faulty_s3 import Line
from tests.landing.buckets import TestBucket
from tests.landing.landings import S3Place
from tests.landing.pages import BODY, land

MONTHS, A_MONTH = 10, 1000


@pytest.mark.slow
def test_listing_ten_thousand_pages_asks_for_what_is_new(bucket: TestBucket) -> None:
    """Of 10,000 pages in ten months: as many listings as new pages need, and one of the months."""
    for month in range(MONTHS):
        for page in range(month * A_MONTH + 1, (month + 1) * A_MONTH + 1):
            bucket.put_at_once(f"2026-{month + 1:02d}/{page:012d}.json.zst")
    total = MONTHS * A_MONTH
    with Line(bucket.url) as line:

        def lists(after: int) -> tuple[int, int]:
            landing = bucket.landing(endpoint=line.url)
            before = line.count("LIST")
            return len(landing.pages(after)), line.count("LIST") - before

        assert lists(total) == (0, 3)
        assert lists(total - 1) == (1, 2)
        assert lists(total - A_MONTH - 5) == (A_MONTH + 5, 3)
        assert lists(0) == (total, 1 + MONTHS)
        landing = bucket.landing(endpoint=line.url)
        assert landing.next_page(total + 1) == total + 1
        again = line.count("LIST")
        assert landing.pages(total) == []
        assert line.count("LIST") - again == 2
        assert line.count("GET") == line.count("HEAD") == 0


def test_metadata_is_read_without_the_body(bucket: TestBucket) -> None:
    """A page of ten megabytes tells of itself in one small request; a long head in two."""
    landing = bucket.landing()
    landing.prepare()
    land(landing, os.urandom(10 << 20))
    land(landing, BODY, problem="p" * 20_000)
    with Line(bucket.url) as line:
        far = bucket.landing(endpoint=line.url)
        assert far.meta(1).size == 10 << 20
        assert far.meta(2).problem == "p" * 20_000
        ranges = [asked.headers["Range"] for asked in line.asked if asked.operation == "GET"]
    assert ranges[:2] == ["bytes=0-8191", "bytes=0-8191"]
    assert len(ranges) == 3


def test_calls_are_as_many_as_the_docs_say(bucket: TestBucket) -> None:
    """The table in docs/landing.md is what is asked for, counted on the line."""
    table = rows(section(ROOT / "docs" / "landing.md", "### Calls, and what they cost"))
    with Line(bucket.url) as line:
        landing = bucket.landing(endpoint=line.url)
        landing.prepare()  # the first time it also makes the identity

        def calls() -> list[str]:
            counts = Counter(asked.operation for asked in line.asked)
            line.asked.clear()
            both = counts["GET"] + counts["HEAD"]
            return [str(n or "") for n in (counts["PUT"], both, counts["LIST"], counts["DELETE"])]

        def told(what: str) -> list[str]:
            (row,) = (row for row in table if row["what"].startswith(what))
            return [row[name].partition(",")[0] for name in ("PUT", "GET, HEAD", "LIST", "DELETE")]

        calls()
        both = landing_at(bucket.settings(endpoint=line.url))
        both.check("shop")
        assert calls() == told("preflight")
        both.check("outlet")  # the first time it also makes the identity
        both = landing_at(bucket.settings(endpoint=line.url))
        both.check("shop")
        calls()
        both.check("outlet")
        assert calls() == told("of each further source")
        land(landing)
        with landing.pulling():
            calls()
            draft = landing.begin_request(2, "GET http://shop.test/orders")
            land(landing, page=2)
            draft.discard()
            assert calls() == told("a page of a consume-once API")
            land(landing, page=3)
            assert calls() == told("a page of another API")
        landing.meta(1)  # once: where months begin
        calls()
        with landing.pulling():
            pass
        assert calls() == told("a lease")
        landing.meta(2)
        landing.read(2)
        assert calls() == told("reading a page")


def test_a_pull_and_a_load_ask_as_often_as_the_docs_say(bucket: TestBucket, tmp_path: Path) -> None:
    """Each further source, in the second pull of it: what many sources cost."""
    table = rows(section(ROOT / "docs" / "landing.md", "### Calls, and what they cost"))
    names = [f"s{number}" for number in range(6)]
    with Line(bucket.url) as line, many_shops("none") as shops:

        def calls(do: Callable[..., RunResult], sources: list[str]) -> Counter[str]:
            line.asked.clear()
            assert do(settings, sources).ok
            return Counter(asked.operation for asked in line.asked)

        file = tmp_path / "orderpull.toml"
        blocks = (
            f'[sources.{name}]\napi = "skubana-assessment"\nbase_url = "{shops.url}/{name}"\n'
            for name in names
        )
        file.write_text(bucket.toml(endpoint=line.url) + "".join(blocks), encoding="utf-8")
        settings = read_settings(file)
        for do in (pipeline.pull, pipeline.load):
            calls(do, names)
        for what, do in (("pull", pipeline.pull), ("load", pipeline.load)):
            (row,) = (row for row in table if row["what"].startswith(f"all in all, a {what} "))
            of_two, of_four = calls(do, names[:2]), calls(do, names[2:])
            more = of_four - of_two  # one source alone is not loaded with others
            told = {name: 2 * int(row[name] or 0) for name in ("PUT", "LIST", "DELETE")}
            assert {name: more[name] for name in told} == told
            assert more["GET"] + more["HEAD"] == 2 * int(row["GET, HEAD"])


def test_no_page_that_is_read_stays_on_this_machine(bucket: TestBucket, tmp_path: Path) -> None:
    """Pages hold names and addresses."""
    landing = S3Place(bucket).open()
    for _ in range(3):
        land(landing)
    assert [bucket.landing().read(page)[1] for page in (1, 2, 3)] == [BODY] * 3
    assert [*tmp_path.rglob("*.json.zst")] == []


def test_answers_under_way_are_for_one_user_only(
    bucket: TestBucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They hold names and addresses: nobody else may look into the folder."""
    S3Place(bucket).open().begin_request(1, "GET http://shop.test/orders").close()
    top = tmp_path / "cache" / "orderpull"
    assert stat.S_IMODE(top.stat().st_mode) == 0o700
    (draft,) = top.rglob("*.part")
    assert BODY not in draft.read_bytes()


def test_without_a_cache_folder_the_temporary_one_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in AWS Lambda, where only that can be written."""
    (tmp_path / "file").write_text("not a folder", encoding="utf-8")
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    scratch = LocalCache("shop")
    scratch.prepare()
    assert scratch.in_flight == tmp_path / "tmp" / f"orderpull-{os.getuid()}" / "shop" / "in-flight"


def test_no_place_at_all_is_told(
    bucket: TestBucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine on which nothing can be kept is refused before anything is asked."""
    (tmp_path / "file").write_text("not a folder", encoding="utf-8")
    for name in ("XDG_CACHE_HOME", "HOME"):
        monkeypatch.setenv(name, str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "file"))
    with pytest.raises(LandingError, match="This machine has no place for pages under way"):
        bucket.landing().prepare()


def test_a_page_of_a_month_that_another_process_began_is_found(
    bucket: TestBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PageIndex that were listed are listed anew where a page is not in the last of them."""
    place = S3Place(bucket)
    puller, loader = place.open(), place.open()
    for month in (1, 2, 3):
        now = datetime.fromisoformat(f"2026-{month:02d}-10")
        monkeypatch.setattr(clock, "now", lambda now=now: now)
        land(puller)
        assert loader.meta(month).page == month
        assert not loader.has(month + 1)
