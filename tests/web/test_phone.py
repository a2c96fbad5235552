"""The first page on a phone: links down the page, folded countries, bars inside their card."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.slow

SCREENS = 5
"""Largest height of the page with twelve countries, in screens of a phone."""


@pytest.fixture
def phone(page: Page) -> Iterator[Page]:
    """A small screen, with JavaScript and without."""
    large = page.viewport_size
    assert large is not None
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/")
    yield page
    page.set_viewport_size(large)


def test_countries_are_folded_and_open_one_by_one(phone: Page) -> None:
    tall = phone.locator("#page").bounding_box()
    assert tall is not None
    assert tall["height"] < SCREENS * 844
    first, second = phone.locator("#fold-1"), phone.locator("#fold-2")
    expect(first.locator("table")).not_to_be_visible()
    first.locator("summary").press("Enter")
    expect(first.locator("table")).to_be_visible()
    expect(second.locator("table")).not_to_be_visible()
    first.locator("#fold-skus-of-1").click()
    phone.wait_for_url("**/skus?country=DE")


def test_links_lead_down_the_page(phone: Page) -> None:
    lazy = phone.locator("section.lazy")  # once one loads, it moves what is below it
    for _ in range(20):
        if lazy.count():
            lazy.first.scroll_into_view_if_needed()
            phone.wait_for_timeout(100)
    for name in ("Trend", "SKUs", "Countries", "Movers", "SKUs by country"):
        phone.locator("#jumps").get_by_role("link", name=name, exact=True).click()
        leads = phone.locator("#jumps").get_by_role("link", name=name, exact=True)
        heading = phone.locator(leads.get_attribute("href") or "")
        expect(heading).to_be_in_viewport()
    assert phone.url.endswith("/#h-by-country")


def test_bars_stay_in_their_card(phone: Page) -> None:
    card = phone.locator("section:has(.plot)").bounding_box()
    last = phone.locator(".plot rect").last.bounding_box()
    assert card is not None
    assert last is not None
    assert last["x"] + last["width"] < card["x"] + card["width"]


def test_on_a_large_screen_all_is_open(live: Page) -> None:
    live.goto("/")
    expect(live.locator("#fold-12 table")).to_be_visible()
    expect(live.locator("#fold-12 summary")).not_to_be_visible()
    expect(live.locator("#fold-12 .more")).not_to_be_visible()
    expect(live.locator("#jumps")).not_to_be_visible()
    expect(live.locator("#skus-of-12")).to_be_visible()
