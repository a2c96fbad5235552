"""The page of an order: header, lines and versions; names only for who may see them."""

import html
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from orderpull import Settings
from orderpull.operate import history as found_in
from tests.operate.home import house
from tests.web.raw_client import ask, locked, signed_in
from tests.web.shop import get, serving

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Orders with several versions, bad ones, and one number of two orders."""
    with house("duckdb", tmp_path_factory.mktemp("orders")) as home:
        yield home.settings()


def text_of(page: str) -> str:
    """The words of a page, without tags, each blank a space."""
    main = page.partition("<main")[2]
    return " ".join(re.sub(r"<[^>]+>", " ", main).split())


def test_an_order_its_lines_and_its_versions(shop: Settings) -> None:
    """By number or id; versions on demand, with what became of each; no name and no place."""
    with serving(shop) as site:
        plain = text_of(get(f"{site}/order?order=i3").data.decode())
        assert "Order Ä1" in plain
        assert "S3 3" in plain
        assert "Search the landed pages" in plain
        address = f"{site}/order?order={quote('Ä1')}&shop=shop&versions=1"
        page = text_of(get(address).data.decode())
        assert re.search("shop:1:3 . loaded as a new order", page)
        assert "shop:3:1" in page
        assert "in the tables" in page
        changed = text_of(get(f"{site}/order?order=i2&versions=1").data.decode())
        assert "ordernumber : a → moved" in changed
        assert "country : DE → Narnia" in changed
        assert re.search("name : ••• → .", changed)
        for said in (page, changed):
            assert "Ada" not in said
            assert "O&#39;Brien" not in said
        unknown = get(f"{site}/order?order=nowhere&shop=shop")
        assert unknown.status == 200
        assert "No order has the number or id nowhere" in text_of(unknown.data.decode())
        bad = text_of(get(f"{site}/order?order=B").data.decode())
        assert "it is rejected" in bad
        assert "quantity_invalid" in bad


def test_names_are_in_the_versions_for_who_may_see_them(shop: Settings) -> None:
    with serving(locked(shop, show_addresses=True)) as site:
        page = ask(site, "/order?order=i2&versions=1", signed_in(site)).text
        assert 'name: the "quoted" →' in html.unescape(re.sub("<[^>]+>", "", page))
        assert "•••" not in page


def test_one_search_of_the_landing_goes_on_at_a_time(
    shop: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second is refused in a sentence, the page stays; the same order waits for its result."""
    began, goes_on = threading.Event(), threading.Event()
    real = found_in.history
    calls: list[str] = []

    def slow(settings: Settings, number: str, source: str) -> Any:
        calls.append(number)
        began.set()
        assert goes_on.wait(30)
        return real(settings, number, source)

    monkeypatch.setattr("orderpull.web.order.history", slow)
    pages: list[str] = []
    with serving(shop) as site:
        first, same = (
            threading.Thread(
                target=lambda: pages.append(get(f"{site}/order?order=i3&versions=1").data.decode())
            )
            for _ in range(2)
        )
        first.start()
        assert began.wait(30)
        same.start()
        second = get(f"{site}/order?order=i5&versions=1").data.decode()
        assert "Another search of the landing goes on" in second
        assert "S5" in second
        goes_on.set()
        first.join()
        same.join()
    assert len(calls) == 1
    assert all("shop:1:3" in page for page in pages)
    assert len(pages) == 2


def test_a_landing_that_cannot_be_read_is_said(shop: Settings, tmp_path: Path) -> None:
    """The order itself is shown."""
    pages = shop.folder / "landing"
    moved = pages.rename(tmp_path / "landing")
    try:
        with serving(shop) as site:
            answer = get(f"{site}/order?order=i3&versions=1")
    finally:
        moved.rename(pages)
    assert answer.status == 200
    assert "S3" in answer.data.decode()
