"""Compacted pages are read as before; at any kill each page is there at least once, and counts once."""

import random
import shutil
import signal
import subprocess
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from orderpull import clock
from orderpull.errors import CorruptPage, LandingBusy, LandingError
from orderpull.landing import compaction, container
from orderpull.landing.compaction import compacted
from orderpull.landing.local import LocalSourceLanding
from orderpull.landing.page import PageMeta, digest, encode
from orderpull.landing.protocol import SourceLanding
from tests.doubles.faulty_s3 import Line
from tests.failpoints import CONTAINER_POINTS
from tests.landing.buckets import TestBucket
from tests.landing.compacting import PROGRAM, Killed, compact, killed_at
from tests.landing.landings import Place, S3Place
from tests.landing.pages import land, new_landing
from tests.processes import start

pytestmark = pytest.mark.slow

Pages = dict[int, tuple[PageMeta, bytes]]


def body_of(page: int, size: int = 60) -> bytes:
    """The body of a *page* like no other, as it was landed."""
    return random.Random(page).randbytes(size)


def filled(place: Place, monkeypatch: pytest.MonkeyPatch, pages: int = 12) -> Pages:
    """Land *pages* pages in three months, the last of which goes on; return them as they are."""
    landing = place.open()
    for page in range(1, pages + 1):
        month = 9 + 3 * (page - 1) // pages
        now = datetime(2026, month, 3 + page % 20)
        monkeypatch.setattr(clock, "now", lambda now=now: now)
        received = clock.iso(now)
        land(landing, body_of(page), page, received_at=received, cursor_after=f"c{page}")
    return read_all(landing)


def read_all(landing: SourceLanding) -> Pages:
    """Each page by its number, as its metadata alone say, too."""
    pages = {page: landing.read(page) for page in landing.pages()}
    assert {page: landing.meta(page) for page in pages} == {p: m for p, (m, _) in pages.items()}
    return pages


def check(place: Place, expected: Pages) -> None:
    """Another process reads *expected*, and nothing else; and each page lies in one file."""
    landing = place.open()
    assert read_all(landing) == expected
    newest = max(expected, default=0)
    for after in {0, 1, 4, 5, newest - 1, newest, newest + 1}:
        numbers = [page for page in expected if page > after]
        assert landing.pages(after) == numbers
    assert landing.next_page() == newest + 1
    files = landing.stored()
    assert [page for file in files for page in file.pages] == [*expected]
    for file in files:
        data = place.get(file.key)
        assert len(data) == file.size
        for placed in landing.placed(file):
            piece = data[placed.offset : placed.offset + placed.size]
            assert (placed.meta, piece) == (expected[placed.meta.page][0], whole_file(placed.meta))


def whole_file(meta: PageMeta) -> bytes:
    """The file of a page with a body of :func:`body_of`, perhaps :func:`changed`."""
    return b"".join(encode(meta, b"redacted" * meta.redacted + body_of(meta.page)))


def containers(place: Place) -> list[str]:
    return [name for name in place.names() if name.startswith("containers/")]


def test_compacted_pages_are_read_as_before(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers, metadata, bodies and cursors; what waits and the newest page are not moved."""
    before = filled(place, monkeypatch)
    reader = place.open()
    assert reader.read(2) == before[2]
    result = compact(place.open(), (6,), due=True)
    assert (result.pages, result.containers, result.waiting, result.not_due) == (6, 2, 1, 4)
    assert containers(place) == [
        "containers/000000000004-4-1.json.zst", "containers/000000000008-2-1.json.zst",
    ]  # fmt: skip
    check(place, before)
    assert reader.read(3) == before[3], "listed before the page was moved"
    assert reader.pages() == [*before]
    assert (reader.has(3), reader.has(13)) == (True, False)
    again = compact(place.open(), (6,), due=True)
    assert (again.pages, again.compacted_before) == (0, 6)
    assert compact(place.open(), (6,)).pages == 3
    note = compacted(place.open())
    assert note is not None
    assert (note.pages, note.containers) == (9, 3)
    check(place, before)
    names = place.names()
    assert [name for name in names if name.startswith("2026-")] == [
        f"2026-{month}/{page:012d}.json.zst" for month, page in ((10, 5), (10, 6), (11, 12))
    ]
    assert place.open().newest_cursor(None, 0) == "c12"
    with pytest.raises(LandingError, match="Page 99 of source 'shop' is not in"):
        place.open().read(99)


def test_a_container_is_a_file_of_zstd_and_holds_a_day_if_pages_expire(
    place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Zstd reads the bodies in turn; by day, old pages go by the container."""
    before = filled(place, monkeypatch)
    assert compact(place.open(), daily=True).containers == 0, "each page is of another day"
    monkeypatch.setattr(clock, "now", lambda: datetime(2026, 12, 3))
    day = [land(place.open(), body_of(n), n, received_at=f"2026-12-0{1 + n // 16}T00:00:00Z")
           for n in range(13, 19)]  # fmt: skip
    assert compact(place.open(), daily=True).pages == 5, "the newest stays"
    assert containers(place) == [
        "containers/000000000015-3-1.json.zst", "containers/000000000017-2-1.json.zst",
    ]  # fmt: skip
    data = place.get(containers(place)[0])
    file = tmp_path / "container.json.zst"
    file.write_bytes(data)
    if program := shutil.which("zstd"):
        done = subprocess.run([program, "-dc", file], capture_output=True, check=True)
        assert done.stdout == b"".join(map(body_of, (13, 14, 15)))
    check(place, before | {meta.page: (meta, body_of(meta.page)) for meta in day})


def changed(page: tuple[PageMeta, bytes]) -> tuple[PageMeta, bytes]:
    """The *page* as after an erasure."""
    body = b"redacted" + page[1]
    sha256 = digest(body)
    return structs.replace(page[0], sha256=sha256, size=len(body), redacted=True), body


def test_pages_are_rewritten_and_deleted_in_containers(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One container is replaced for all pages of it that change; a rest of one page stays, too."""
    expected = filled(place, monkeypatch)
    landing = place.open()
    compact(landing)
    reader = place.open()
    assert reader.read(7) == expected[7]
    with landing.rewriting():
        groups = [*landing.rewritten_together([2, 3, 7, 12])]
        assert groups == [[2, 3], [7], [12]]
        for group in groups:
            landing.rewrite([changed(expected[page]) for page in group])
            for page in group:
                expected[page] = changed(expected[page])
                assert landing.drop_old_copies(page) == []
    assert containers(place) == [
        "containers/000000000004-4-2.json.zst", "containers/000000000008-4-2.json.zst",
        "containers/000000000011-3-1.json.zst",
    ]  # fmt: skip
    check(place, expected)
    assert reader.read(8) == expected[8], "its container was replaced"
    with landing.rewriting():
        landing.delete_pages([1, 2, 3, 4, 6, 11, 99])
    for page in (1, 2, 3, 4, 6, 11):
        del expected[page]
    assert containers(place) == [
        "containers/000000000005-1-3.json.zst", "containers/000000000008-2-3.json.zst",
        "containers/000000000010-2-2.json.zst",
    ]  # fmt: skip
    check(place, expected)
    with pytest.raises(LandingError, match="is not in"):
        reader.read(6)


TOUCHED = [1, 2, 3, 7]
"""Pages that are rewritten or deleted."""


def compact_all(place: Place, before: Pages) -> Pages:
    """Compact all pages."""
    compact(place.open())
    return before


def rewrite(place: Place, before: Pages) -> Pages:
    """Rewrite some pages."""
    after = before | {page: changed(before[page]) for page in TOUCHED}
    with (landing := place.open()).rewriting():
        for group in landing.rewritten_together(TOUCHED):
            landing.rewrite([after[page] for page in group])
    return after


def delete(place: Place, before: Pages) -> Pages:
    """Delete some pages."""
    with (landing := place.open()).rewriting():
        landing.delete_pages(TOUCHED)
    return {page: each for page, each in before.items() if page not in TOUCHED}


@pytest.mark.parametrize("do", [compact_all, rewrite, delete])
def test_killed_at_each_step(
    do: Callable[[Place, Pages], Pages], place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each page is still there and counts once; the next process goes on, and leaves nothing."""
    before = filled(place, monkeypatch)
    if do is not compact_all:
        compact(place.open())
    moved = ("container-written", "container-stored", "container-replaced")
    for point in CONTAINER_POINTS if do is compact_all else moved:
        with pytest.raises(Killed), killed_at(point):
            do(place, before)
        left = read_all(place.open())
        assert {*before} - {*left} <= {*(TOUCHED if do is delete else ())}
        for page, each in left.items():
            assert each in (before[page], changed(before[page])), page
    after = do(place, before)
    check(place, after)
    compact(place.open())
    assert [name for name in place.names() if name.startswith("in-flight")] == []


def test_killed_by_the_system(place: Place, tmp_path: Path) -> None:
    """SIGKILL at each step of a compaction: the pages are there, and the next process goes on."""
    expected: Pages = {}
    for point in CONTAINER_POINTS:
        landing = place.open()
        for page in range(len(expected) + 1, len(expected) + 5):
            expected[page] = land(landing, body_of(page), page), body_of(page)
        process = start("-c", PROGRAM, *place.address, cwd=tmp_path, kill_at=f"{point}:1")
        _, errors = process.communicate(timeout=120)
        assert process.returncode == -signal.SIGKILL, (point, errors.decode())
        assert read_all(place.open()) == expected
    for _ in range(2):
        process = start("-c", PROGRAM, *place.address, cwd=tmp_path)
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors.decode()
    check(place, expected)


def test_one_rewrites_at_a_time(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process is told which; a pull goes on meanwhile."""
    filled(place, monkeypatch)
    with place.open().rewriting():
        with pytest.raises(LandingBusy, match="is rewriting landed pages of source 'shop'"):
            compact(place.open())
        with place.open().pulling():
            land(place.open(), page=13)
    assert compact(place.open()).pages == 12


def test_damage_is_named_and_never_hidden(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A damaged page stays outside; of a damaged container the file is named; a copy helps."""
    before = filled(place, monkeypatch)
    name = place.name_of(2)
    good = place.get(name)
    place.put(name, good[:-1])
    result = compact(place.open())
    assert (result.damaged, result.pages) == ([2], 9)
    place.put(name, good)
    check(place, before)
    key = containers(place)[1]
    whole = place.get(key)
    at = whole.index(whole_file(before[6][0])) + 300
    for data, words in (
        (whole[:-1], "its end is missing"),
        (whole[: len(whole) // 2], "its end is missing"),
        (whole[:-60] + b"?" + whole[-59:], "its index has changed"),
        (whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :], "page 6 in it has changed"),
    ):
        place.put(key, data)
        landing = place.open()
        assert landing.pages() == [*before]
        with pytest.raises(CorruptPage, match=words) as caught:
            landing.read(6)
        assert key in caught.value.message
        assert f"Restore {key.partition('/')[2]} from a backup" in caught.value.hint
    place.put("2026-10/000000000006.json.zst", whole_file(before[6][0]))
    assert place.open().read(6) == before[6]
    with place.open().rewriting():
        pass
    assert place.open().read(6) == before[6], "the good copy is kept"
    place.put(key, whole)
    with place.open().rewriting():
        pass
    check(place, before)


def test_two_different_pages_of_one_number_are_never_deleted(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A landing was restored over another one: nobody rewrites before that is put right."""
    before = filled(place, monkeypatch)
    compact(place.open())
    place.put("2026-09/000000000003.json.zst", whole_file(changed(before[3])[0]))
    with pytest.raises(LandingError, match=r"Page 3 .* is there twice, with different contents"):
        compact(place.open())
    place.put("2026-09/000000000003.json.zst", whole_file(before[3][0]))
    compact(place.open())
    check(place, before)


@pytest.mark.parametrize("fault", ["bit", "cut"])
def test_what_reads_back_differently_replaces_nothing(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that keeps other bytes than it was given: one sentence, and all pages stay."""
    landing = new_landing(tmp_path)
    for page in range(1, 6):
        land(landing, body_of(page), page)
    before = read_all(landing)

    def spoil(point: str) -> None:
        if point == "container-written":
            (path,) = (landing.folder / "in-flight").glob("*.tmp")
            data = path.read_bytes()
            path.write_bytes(data[:-9] if fault == "cut" else data[:300] + b"?" + data[301:])

    monkeypatch.setattr("orderpull.failpoints._action", spoil)
    with pytest.raises(LandingError, match="was written, and reads back differently"):
        compact(landing)
    monkeypatch.setattr("orderpull.failpoints._action", None)
    assert [*(landing.folder / "in-flight").iterdir()] == []
    assert read_all(new_landing(tmp_path)) == before
    assert compact(landing).pages == 4


def test_pages_of_many_are_found_with_few_requests(
    bucket: TestBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Listing, metadata and bodies of 60 pages: requests follow containers, not pages."""
    place = S3Place(bucket)
    filled(place, monkeypatch, pages=60)

    def asked(do: Callable[[SourceLanding], object]) -> dict[str, int]:
        with Line(bucket.url) as line:
            landing = bucket.landing(endpoint=line.url)
            do(landing)
            return {kind: line.count(kind) for kind in ("GET", "HEAD", "LIST")}

    def read(landing: SourceLanding) -> None:
        numbers = landing.pages()
        assert [landing.meta(page).page for page in numbers] == numbers
        assert [landing.read(page)[1] for page in numbers] == [*map(body_of, numbers)]

    before = asked(read)
    assert before["GET"] == 120
    assert asked(lambda landing: landing.pages(60)) == {"GET": 0, "HEAD": 0, "LIST": 3}
    compact(place.open())
    assert len(containers(place)) == 3
    after = asked(read)
    assert after["GET"] == 3 * (2 + 2) + 2, "its index, twice; a page, and those after it"
    assert after["LIST"] <= before["LIST"] + 2
    assert asked(lambda landing: landing.pages(59)) == {"GET": 0, "HEAD": 0, "LIST": 2}
    assert asked(lambda landing: landing.stored(packed=True))["LIST"] == 1


def test_a_bucket_that_keeps_versions_keeps_no_erased_page(
    bucket: TestBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither of the page's own object nor of its container; what was deleted otherwise is named."""
    bucket.client.put_bucket_versioning(
        Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"}
    )
    place = S3Place(bucket)
    before = filled(place, monkeypatch)
    landing = place.open()
    compact(landing)
    with landing.rewriting():
        landing.rewrite([changed(before[3])])
        assert landing.drop_old_copies(3) == []
    assert landing.unsearched() == []
    listed = bucket.client.list_object_versions(Bucket=bucket.name)["Versions"]
    kept = [bucket.client.get_object(
        Bucket=bucket.name, Key=each["Key"], VersionId=each["VersionId"])["Body"].read()
        for each in listed if "json.zst" in each["Key"]]  # fmt: skip
    old = whole_file(before[3][0])
    assert sum(whole_file(before[2][0]) in data for data in kept) >= 1
    assert not any(old in data for data in kept)
    with landing.rewriting():
        landing.delete_pages([5])
    (left,) = landing.unsearched()
    assert "versions of deleted pages" in left


def test_a_page_that_was_moved_is_still_known_by_its_pull(
    bucket: TestBucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A machine that returns finds its response in a container, and does not land it again."""
    landing = bucket.landing()
    landing.prepare()
    draft = landing.begin_request(1, "GET http://shop.test/orders")
    draft.answered(200)
    draft.write(body_of(1))
    draft.close()
    land(landing, body_of(1), 1)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "elsewhere"))
    other = S3Place(bucket).open()
    for page in (2, 3):
        land(other, body_of(page), page)
    assert compact(other).pages == 2
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (found,) = bucket.landing().requests_in_flight()
    assert found.page == 1, "it is landed; a new number would be a second copy"


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["land", "land", "compact", "rewrite", "delete", "month"]),
        st.integers(1, 12),
        st.integers(0, 9),
    ),
    max_size=25,
)


@settings(max_examples=60, suppress_health_check=list(HealthCheck), deadline=None)
@given(actions=ACTIONS)
def test_any_history_reads_as_without_compaction(
    actions: list[tuple[str, int, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Pages are landed, compacted, rewritten, deleted, each perhaps killed: as in a plain dict."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(container, "FULL_BYTES", 1500)
        patch.setattr(compaction, "FULL_BYTES", 1500)
        patch.setattr("os.fsync", lambda _: None)
        landing = new_landing(tmp_path_factory.mktemp("history"))
        expected: Pages = {}
        month = 1
        for kind, number, step in actions:
            now = datetime(2026, month, 9)
            patch.setattr(clock, "now", lambda now=now: now)
            landing = LocalSourceLanding(landing.folder, "shop")
            if kind == "month":
                month = min(12, month + 1)
            elif kind == "land":
                page = landing.next_page()
                expected[page] = land(landing, body_of(page), page), body_of(page)
            else:
                chosen = [page for page in sorted(expected)[:-1] if page % number < 3]
                _killed_or_done(landing, kind, chosen, expected, step)
            assert read_all(LocalSourceLanding(landing.folder, "shop")) == expected


def _killed_or_done(
    landing: LocalSourceLanding, kind: str, chosen: list[int], expected: Pages, step: int
) -> None:
    """Do it; if it is killed at *step*, do it again; *expected* becomes what is to be read then."""

    def do(landing: LocalSourceLanding) -> None:
        if kind == "compact":
            compact(landing, tuple(chosen), due=step % 2 == 0)
            return
        with landing.rewriting():
            if kind == "delete":
                landing.delete_pages(chosen)
            for group in landing.rewritten_together(chosen) if kind == "rewrite" else ():
                landing.rewrite([new[page] for page in group])

    new = {page: changed(expected[page]) for page in chosen}
    try:
        with killed_at(step):
            do(landing)
    except Killed:
        again = LocalSourceLanding(landing.folder, "shop")
        for page, each in read_all(again).items():
            assert each in (expected[page], new.get(page)), page
        assert {*expected} - {*again.pages()} <= {*(chosen if kind == "delete" else ())}
        do(again)
    if kind == "delete":
        for page in chosen:
            del expected[page]
    if kind == "rewrite":
        expected |= new
