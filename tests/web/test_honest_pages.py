"""Pages that do not mislead: failures, comparisons, filters, wrong input, rejects, and print."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Page, Route, expect

from orderpull import clock
from tests.web.browsing import take_screenshot
from tests.web.shop import NOON_ZONE as ZONE
from tests.web.shop import Order, fill, finished_run, get, rows_of, serving, settings_in

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.slow

COUNTRIES = 312
AGE = timedelta(days=364)
"""Age of the first order: younger than the first day of last year."""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A year of orders in many countries: one today, ten yesterday, three rejects."""
    settings = settings_in(tmp_path_factory.mktemp("honest"), zone=ZONE)
    zone = ZoneInfo(ZONE)
    midnight = datetime.now(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    six = midnight.astimezone(UTC).replace(tzinfo=None) + timedelta(hours=6)
    yesterday = six - timedelta(days=1)
    orders = [Order("today", placed=six, items={"PEN": 1})]
    orders += [Order(f"early {n}", placed=yesterday, items={"PEN": 1}) for n in range(2)]
    late = yesterday + timedelta(hours=14)
    orders += [Order(f"late {n}", placed=late, items={"INK": 1}) for n in range(8)]
    orders += [
        Order(f"#{n}", ("FR" if n % 4 else f"Land {n:03}"), {"PAPER": 1, "L" * 240: 1},
              six - timedelta(days=2 + n % 350))
        for n in range(COUNTRIES)
    ]  # fmt: skip
    orders += [
        Order(f"far {n}", f"Far {n:03}", {"PAPER": 1}, six - timedelta(days=20))
        for n in range(COUNTRIES - COUNTRIES // 4 - 2)
    ]
    orders += [Order("first", placed=six - AGE)]
    rows = rows_of(orders, [finished_run(inserted=5000, pulled_at=clock.now())])
    rows["orderpull_reject"] = [
        {"source": "shop", "ordernumber": f"R-{n}", "reason": "quantity_invalid", "page": 7,
         "message": "quantity is 'Ada Secret'", "path": "$.orderItems[0].quantityOrderedInTotal",
         "position": n, "run": 1, "rejected_at": yesterday, "order_id": None, "reject_key": str(n),
         "raw": "Ada Secret"}
        for n in range(3)
    ]  # fmt: skip
    fill(settings, rows)
    with serving(settings) as url:
        yield url


@pytest.fixture(scope="module")
def tab(browser: "Browser", shop: str) -> Iterator[Page]:
    """A page of the shop, shared by the tests of this file."""
    context = browser.new_context(
        base_url=shop, viewport={"width": 1280, "height": 900}, locale="en-US"
    )
    page = context.new_page()
    page.set_default_timeout(15_000)
    yield page
    context.close()


def test_a_request_that_fails_says_so_and_the_form_shows_what_the_page_shows(tab: Page) -> None:
    """A 503, no answer, and a late answer: a banner, the form as before, and a retry that works."""
    tab.clock.install()
    tab.goto("/")
    shown = tab.locator("#tile-1 .value").inner_text()
    box, banner = tab.locator("#form [name=country][value=DE]"), tab.locator("#trouble")
    for fault in (lambda route: route.fulfill(status=503, body="no"), lambda route: route.abort()):
        tab.route("**/?*country=DE*", fault)
        box.click()  # the form is reset before ``check`` would look
        expect(banner).to_be_visible()
        expect(box).not_to_be_checked()
        assert "country" not in tab.url
        expect(tab.locator("#tile-1 .value")).to_have_text(shown)
        tab.unroute_all()
    take_screenshot(tab, "failed")
    banner.locator("#retry").click()
    expect(tab.locator("#chip-country-1")).to_contain_text("Germany")
    expect(banner).not_to_be_visible()
    expect(box).to_be_checked()
    waiting: list[Route] = []
    tab.route("**/?*country=FR*", lambda route: waiting.append(route))  # noqa: PLW0108 - its signature is read
    tab.locator("#form [name=country][value=FR]").check()
    expect(tab.locator("main")).to_have_css("opacity", "0.6")
    tab.clock.fast_forward(9_000)
    expect(banner).to_contain_text("takes long")
    waiting[0].continue_()
    expect(tab.locator(".chips")).to_contain_text("France")
    expect(tab.locator("main")).to_have_css("opacity", "1")
    expect(banner).not_to_be_visible()
    tab.unroute_all()


def test_a_comparison_ends_at_the_same_time_of_day_and_begins_within_the_data(tab: Page) -> None:
    """One order by noon against two by noon yesterday, not against all ten of yesterday."""
    tab.goto("/?period=today")
    expect(tab.locator("#tile-1 .change")).to_contain_text("50.0%")
    expect(tab.locator("#compared")).to_contain_text("up to")
    assert tab.locator("#bars rect.so-far").count() == 1
    expect(tab.locator("#so-far-note")).to_contain_text("Today so far")
    tab.goto("/?period=year")
    expect(tab.locator("#compared")).to_contain_text("no data before")
    assert tab.locator(".change").all_inner_texts() == []
    assert tab.locator("path.earlier, .lazy").count() == 0


def test_a_second_series_and_movers_compare_as_much(tab: Page) -> None:
    """Today to noon: INK is new after noon yesterday, so it does not count; nothing of 1 moves."""
    tab.goto("/?period=today&show=items")
    tab.locator("#picks a").hover()
    expect(tab.locator("#tip")).to_contain_text(re.compile(": 2$"))
    tab.locator(".lazy").scroll_into_view_if_needed()
    card = tab.locator("#movers")
    expect(card).to_contain_text("fewer than 10 items")
    assert card.locator("tbody").count() == 0
    assert not tab.locator("#trouble").is_visible()
    tab.goto("/?since=2026-01-01&compare=year")
    assert tab.locator("path.earlier").count() == 0
    tab.goto("/?period=7d")
    tab.locator("#compare").select_option("year")
    expect(tab.locator("#compared")).to_contain_text("no data before")
    tab.locator("#compare").select_option("none")
    expect(tab.locator("#compared")).to_have_count(0)


def test_the_largest_moves_come_first(tab: Page) -> None:
    """The 76 papers of the day 20 days ago are a fall of the last 14 days, and of most share."""
    today = datetime.now(ZoneInfo(ZONE)).date()
    since, until = (today - timedelta(days=days) for days in (14, 1))
    tab.goto(f"/?since={since}&until={until}")
    tab.locator(".lazy").scroll_into_view_if_needed()
    falls = tab.locator("#movers .halves > div").nth(1).locator("tbody tr")
    expect(falls.first).to_contain_text("PAPER")
    tab.locator("#sort-share").click()
    tab.wait_for_url("**/movers?*sort=share")
    expect(tab.locator("#sort-share")).to_have_attribute("aria-current", "true")
    tab.goto("/movers?period=all")
    expect(tab.locator("#movers")).to_contain_text("no period before")


def test_thirty_days_with_their_comparison_are_shown_first(tab: Page) -> None:
    tab.goto("/")
    expect(tab.locator("#chip-period")).to_contain_text("30 days")
    expect(tab.locator("#tile-1 .change")).to_contain_text("%")
    assert tab.locator(".plot rect.fill").count() == 30
    tab.locator("#chip-period").click()
    tab.wait_for_url("**/?period=all")
    expect(tab.locator("#compared")).to_have_count(0)


def test_a_search_for_skus_is_part_of_the_card_that_it_filters(tab: Page) -> None:
    tab.goto("/")
    shown = tab.locator("#tile-1 .value").inner_text()
    box = tab.locator("section:has(> header #h-popular) #q")
    box.fill("ink")
    box.press("Enter")
    tab.wait_for_url("**/?q=ink")
    expect(tab.locator("section:has(> header #h-popular) tbody tr")).to_have_count(1)
    expect(tab.locator("#h-by-country")).to_contain_text("ink")
    expect(tab.locator("#tile-1 .value")).to_have_text(shown)
    assert "ink" not in " ".join(tab.locator("main > .chips").all_inner_texts())
    tab.locator("#form [name=country][value=DE]").check()
    tab.wait_for_url("**/?country=DE&q=ink")


def test_wrong_days_and_unknown_countries_leave_the_page(tab: Page) -> None:
    tab.goto("/?country=DE")
    tab.locator("#since").fill("2026-02-01")
    tab.locator("#until").fill("2026-01-01")
    tab.locator("#until").press("Tab")
    expect(tab.locator("#wrong-days")).to_contain_text("before it begins")
    expect(tab.locator("#since")).to_have_value("2026-02-01")
    expect(tab.locator("#form [name=country][value=DE]")).to_be_checked()
    expect(tab.locator("#tile-1")).to_be_visible()
    take_screenshot(tab, "wrong-days")
    tab.goto("/?country=germany")
    expect(tab.locator("#chip-country-1")).to_contain_text("Germany")
    tab.goto("/?country=Germny")
    expect(tab.locator("#absent-1")).to_contain_text("Germany")
    expect(tab.locator("#form")).to_be_visible()
    tab.locator("#absent-1 a").first.click()
    tab.wait_for_url("**/?country=DE")


def test_rejected_orders_are_listed_and_fit_a_phone(tab: Page) -> None:
    """Number, reason, place and name of each; no text of the order; few do not stand everywhere."""
    tab.goto("/")
    expect(tab.locator(".warnings")).to_have_count(0)
    expect(tab.locator("#nav-runs")).to_contain_text("3")
    tab.locator("#nav-runs").click()
    listed = tab.locator("#rejected tbody")
    for text in ("R-0", "R-2", "quantity_invalid", "$.orderItems[0].quantityOrderedInTotal",
                 "shop:7:1"):  # fmt: skip
        expect(listed).to_contain_text(text)
    assert "Secret" not in tab.content()
    large = tab.viewport_size
    tab.set_viewport_size({"width": 390, "height": 844})
    cut = "all => all.filter(it => it.scrollWidth > it.clientWidth).map(it => it.outerHTML)"
    assert tab.locator(".scroll, .scroll *").evaluate_all(cut) == []
    take_screenshot(tab, "rejected-390", full_page=True)
    assert large is not None
    tab.set_viewport_size(large)


def test_the_banner_of_rejects_stays_away_until_there_are_more(live: Page) -> None:
    live.goto("/")
    live.locator("#dismiss").click()
    expect(live.locator("#to-rejects")).to_have_count(0)
    live.goto("/skus")
    expect(live.locator("#to-rejects")).to_have_count(0)
    live.evaluate("document.cookie = 'orderpull-rejects=0; path=/'")
    live.goto("/skus")
    expect(live.locator("#to-rejects")).to_be_visible()
    live.context.clear_cookies()


def test_print_shows_all_and_no_controls(tab: Page) -> None:
    tab.goto("/?every=1&period=all")
    large = tab.viewport_size
    tab.set_viewport_size({"width": 794, "height": 1123})
    tab.emulate_media(media="print")
    for number in (1, 3, 20):
        expect(tab.locator(f"#fold-{number} table")).to_be_visible()
        expect(tab.locator(f"#h-country-{number}")).to_be_visible()
    for name in ("#filters", "#jumps", "#theme", ".csv >> nth=0", "#trend-table summary"):
        expect(tab.locator(name)).not_to_be_visible()
    expect(tab.locator("#trend-table table")).to_be_visible()
    cut = "all => all.filter(it => it.scrollHeight > it.clientHeight + 1).length"
    assert tab.locator(".tall").evaluate_all(cut) == 0
    take_screenshot(tab, "print", full_page=True)
    tab.emulate_media(media="screen")
    assert large is not None
    tab.set_viewport_size(large)


def test_each_of_seven_days_is_labelled_and_told_when_pointed_at(tab: Page) -> None:
    tab.goto("/?period=7d")
    expect(tab.locator(".plot text.step")).to_have_count(7)
    plot = tab.locator(".plot .trend:not(.scale)").bounding_box()
    assert plot is not None
    tab.mouse.move(plot["x"] + plot["width"] * 6.5 / 7, plot["y"] + 20)
    tip = tab.locator("#tip")
    expect(tip).to_be_visible()
    expect(tip).to_contain_text("so far")
    expect(tip).to_contain_text("1")
    tab.mouse.move(0, 0)
    expect(tip).not_to_be_visible()


def test_a_country_is_understood_by_its_name_in_the_language_of_the_reader(shop: str) -> None:
    german = get(f"{shop}/?country=Frankreich", **{"Accept-Language": "de"}).data.decode()
    assert 'value="FR" checked' in german
    assert 'id="absent-1"' not in german
    english = get(f"{shop}/?country=Frankreich", **{"Accept-Language": "en"}).data.decode()
    assert 'id="absent-1"' in english


def test_many_countries_come_page_by_page(shop: str) -> None:
    first = get(f"{shop}/?every=1&period=all").data.decode()
    assert len(re.findall('id="h-country-', first)) == 24
    assert 'id="page-next"' in first
    last = get(f"{shop}/?every=1&period=all&page=13").data.decode()
    assert len(re.findall('id="h-country-', last)) == COUNTRIES - 12 * 24
