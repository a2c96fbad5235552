"""Page numbers grow by one, whatever the clock says, and are found cheaply."""

import os
from datetime import datetime
from pathlib import Path

import pytest

from orderpull import clock
from orderpull.errors import LandingError
from orderpull.landing.page import PageMeta
from tests.landing.landings import Place
from tests.landing.pages import land, meta, new_landing

MANY = 20_000


def set_clock(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Let it be *text* from now on."""
    monkeypatch.setattr(clock, "now", lambda: datetime.fromisoformat(text))


def test_numbers_grow_by_one_while_the_clock_goes_back(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock set back over a month's end puts no page before one that is there."""
    landing = place.open()
    for now in ("2026-12-31T23:59:59", "2027-01-01T00:00:01", "2026-11-15", "2019-02-03"):
        set_clock(monkeypatch, now)
        land(landing)
    assert landing.pages() == [1, 2, 3, 4]
    assert landing.next_page() == 5
    folders = [place.name_of(page).partition("/")[0] for page in landing.pages()]
    assert folders == ["2026-12", "2027-01", "2027-01", "2027-01"]
    assert [landing.read(page)[0].page for page in landing.pages()] == [1, 2, 3, 4]


def test_numbers_do_not_begin_again_where_the_ledger_knows_higher_ones(place: Place) -> None:
    """An emptied landing goes on above what was loaded from it."""
    landing = place.open()
    assert landing.next_page(at_least=8) == 8
    land(landing, page=8)
    assert landing.next_page(at_least=3) == 9


def test_pages_after_a_number_are_listed_over_months(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Listing goes back through as many months as it takes, and no further."""
    landing = place.open()
    for month in range(1, 7):
        set_clock(monkeypatch, f"2026-{month:02d}-10")
        land(landing)
        land(landing)
    assert landing.pages(after=12) == []
    assert landing.pages(after=7) == [8, 9, 10, 11, 12]
    assert landing.pages() == list(range(1, 13))
    assert place.open().pages(after=9) == [10, 11, 12]
    assert [landing.meta(page).page for page in (1, 7, 12)] == [1, 7, 12]


def test_listing_goes_back_no_further_than_it_must(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folders of months that are known to be older are not looked at."""
    landing = new_landing(tmp_path)
    for month in range(1, 7):
        set_clock(monkeypatch, f"2026-{month:02d}-10")
        land(landing)
        land(landing)
    looked_at = count_calls(monkeypatch, "scandir")
    landing.pages(after=10)
    assert [Path(str(path)).name for (path,) in looked_at] == ["shop", "2026-06", "2026-05"]


def test_other_peoples_files_are_no_pages(place: Place) -> None:
    """What a file manager or a backup leaves in the landing does not stop it."""
    landing = place.open()
    land(landing)
    month = place.name_of(1).partition("/")[0]
    for name in ("._000000000001.json.zst", "notes.json.zst", "000000000009.json.zst.tmp", ".x"):
        place.put(f"{month}/{name}", b"?")
    for folder in ("2026-13-old", "9999-12", "notes"):
        place.put(f"{folder}/x", b"?")
    for landing_ in (landing, place.open()):
        assert landing_.pages() == [1]
        assert landing_.next_page() == 2
        assert landing_.pages(after=1) == []
        assert landing_.meta(1).page == 1


def test_a_page_is_never_written_over(place: Place) -> None:
    """A number that is taken is refused, and the page under it stays as it is."""
    landing = place.open()
    land(landing)
    before = place.get(place.name_of(1))
    with pytest.raises(LandingError, match="page 1 is there already"):
        landing.land(meta(1, b"[]"), b"[]")
    assert place.get(place.name_of(1)) == before


@pytest.mark.slow
def test_listing_twenty_thousand_pages_opens_none_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next number and the newest pages are found from names alone, each folder read once."""
    landing = new_landing(tmp_path)
    month = landing.folder / "2026-11"
    month.mkdir()
    for page in range(1, MANY + 1):
        (month / f"{page:012d}.json.zst").touch()
    opened = count_calls(monkeypatch, "open")
    stats = count_calls(monkeypatch, "stat")
    folders = count_calls(monkeypatch, "scandir")
    assert landing.next_page() == MANY + 1
    assert landing.pages(after=MANY - 3) == [MANY - 2, MANY - 1, MANY]
    assert len(landing.pages()) == MANY
    assert (len(opened), len(folders)) == (0, 6)
    assert len(stats) < 10


def test_the_newest_cursor_is_found_among_many_pages_with_few_reads(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only pages newer than the newest word on the cursor are opened."""
    landing = place.open()
    for number in range(1, 31):
        land(landing, cursor_after=f"cursor {number}" if number <= 28 else None)
    read: list[int] = []
    look = landing.meta

    def looking(page: int) -> PageMeta:
        read.append(page)
        return look(page)

    monkeypatch.setattr(landing, "meta", looking)
    assert landing.newest_cursor("the ledger's", 4) == "cursor 28"
    assert read == [30, 29, 28]


@pytest.mark.parametrize(
    ("loaded_through", "verified_after", "expected"),
    [
        (0, None, None),  # nothing is known at all
        (3, None, "ledger"),  # all pages are loaded: the ledger knows
        (3, 3, "verified"),  # a window was verified after the last page
        (3, 2, "ledger"),  # what was loaded since has the later word
    ],
)
def test_the_newest_word_on_the_cursor_is_taken(
    place: Place, loaded_through: int, verified_after: int | None, expected: str | None
) -> None:
    """Pages, the verified window and the ledger each know it where they are the newest."""
    landing = place.open()
    for number in range(loaded_through):
        land(landing, cursor_after=f"loaded {number}")
    if verified_after is not None:
        landing.keep_cursor("verified", verified_after)
    ledger = "ledger" if loaded_through else None
    assert landing.newest_cursor(ledger, loaded_through) == expected
    land(landing, cursor_after="page")
    assert landing.newest_cursor(ledger, loaded_through) == "page"


def count_calls(monkeypatch: pytest.MonkeyPatch, name: str) -> list[tuple[object, ...]]:
    """Record each call of ``os.NAME`` from now on."""
    calls: list[tuple[object, ...]] = []
    real = getattr(os, name)

    def counting(*arguments: object, **named: object) -> object:
        calls.append(arguments)
        return real(*arguments, **named)

    monkeypatch.setattr(os, name, counting)
    return calls
