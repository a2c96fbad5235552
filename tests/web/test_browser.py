"""The pages in a real browser: every control, with JavaScript and without."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, Request, expect

from orderpull.web.periods import PERIODS
from orderpull.web.question import DEFAULT_PERIOD
from tests.web.browsing import assert_accessible, take_screenshot
from tests.web.shop import HOSTILE, Order, fill, finished_run, rows_of, serving, settings_in

pytestmark = pytest.mark.slow


def tile(page: Page, number: int = 1) -> str:
    return page.locator(f"#tile-{number} .value").inner_text()


def applied(page: Page, scripted: bool) -> None:
    """Press Apply where nothing presses it by itself."""
    if not scripted:
        page.locator("#apply").click()


def country_boxes(page: Page) -> list[str]:
    return [
        box.get_attribute("value") or ""
        for box in page.locator("#form [name=country]:checked").all()
    ]


def choose_period(key: str, page: Page) -> None:
    page.locator(f"label:has(#period-{key})").click()


CONTROLS: dict[str, tuple[Callable[[Page], object], str]] = {
    **{
        f"period {key}": (partial(choose_period, key), f"period={key}")
        for key in PERIODS
        if key != DEFAULT_PERIOD
    },
    "country": (lambda page: page.get_by_label("Germany").first.check(), "country=DE"),
    "no country": (lambda page: page.locator("#form [name=country][value='(no country)']").check(), "country=%28no%20country%29"),
    "source": (lambda page: page.get_by_label("outlet").check(), "source=outlet"),
    "since": (lambda page: page.locator("#since").fill("2026-01-01"), "period=custom&since=2026-01-01"),
    "until": (lambda page: page.locator("#until").fill("2030-01-01"), "period=custom&until=2030-01-01"),
    "top": (lambda page: page.locator("#top").fill("3"), "top=3"),
    "measure": (lambda page: page.locator("#show").select_option("orders"), "show=orders"),
    "compare": (lambda page: page.locator("#compare").select_option("year"), "compare=year"),
    "step": (lambda page: page.locator("#by").select_option("month"), "by=month"),
}  # fmt: skip


@pytest.mark.parametrize("control", CONTROLS)
def test_a_control_changes_the_address_and_the_page(
    page: Page, scripted: bool, control: str
) -> None:
    """The address has this filter and no other; opened again, it shows the same page."""
    use, query = CONTROLS[control]
    page.goto("/")
    use(page)
    page.locator("#filters").press("Tab")  # A typed value counts when one leaves its field.
    applied(page, scripted)
    page.wait_for_url(re.compile(r"/\?" + re.escape(query) + "$"))
    expect(page.locator("#page")).to_be_visible()
    if scripted:
        expect(page.locator("#said")).to_contain_text("Updated")
        # Without a script, the browser has just opened this address.
        shown = page.locator("main").inner_text()
        page.reload()
        assert page.locator("main").inner_text() == shown


def test_bars_toggle_countries_and_chips_remove_them(page: Page) -> None:
    """A click on a bar chooses its country, a second one lets go; a chip does so, too."""
    page.goto("/")
    everything = tile(page)
    page.locator("#h-countries").locator("xpath=../..").get_by_role("link", name="Germany").click()
    page.wait_for_url("**/?country=DE")
    expect(page.locator("#chip-country-1")).to_contain_text("Germany")
    assert country_boxes(page) == ["DE"]
    assert tile(page) != everything
    page.locator("#h-countries").locator("xpath=../..").get_by_role("link", name="France").click()
    page.wait_for_url("**/?country=DE&country=FR")
    expect(page.locator("#chip-country-2")).to_be_visible()
    assert sorted(country_boxes(page)) == ["DE", "FR"]
    page.locator("#chip-country-1").click()
    page.wait_for_url("**/?country=FR")
    expect(page.locator("#chip-country-2")).to_have_count(0)
    page.locator("#chip-none").click()
    page.wait_for_url(re.compile(r"/$"))
    expect(page.locator("#chip-none")).to_have_count(0)
    assert tile(page) == everything


def test_a_bar_of_the_trend_narrows_and_its_chip_leads_back(page: Page, scripted: bool) -> None:
    """By a click on the bar, and by a link in the table of the trend."""
    page.goto("/?period=30d&compare=none")
    everything = tile(page)
    bars = page.locator("#picks a")
    expect(bars).to_have_count(30)
    bars.nth(20).click()
    page.wait_for_url("**/?period=custom&since=*&until=*&back=30d&compare=none")
    expect(page.locator("#picks a")).to_have_count(1)
    assert tile(page) != everything
    page.locator("#form [name=country]").first.check()
    applied(page, scripted)
    page.wait_for_url("**/?country=*&period=custom&since=*&until=*&back=30d&compare=none")
    page.locator("#chip-country-1").click()
    page.wait_for_url("**/?period=custom&since=*&until=*&back=30d&compare=none")
    page.locator("#chip-period").click()
    page.wait_for_url("**/?compare=none")
    expect(page.locator("#tile-1 .value")).to_have_text(everything)
    page.locator("#trend-table summary").press("Enter")
    page.locator("#pick-30").press("Enter")
    page.wait_for_url("**/?period=custom&since=*&until=*&back=30d&compare=none")
    expect(page.locator("#chip-period")).to_be_visible()


def test_back_and_forward_bring_back_data_and_controls(page: Page, scripted: bool) -> None:
    page.goto("/")
    everything = tile(page)
    page.get_by_label("Germany").first.check()
    applied(page, scripted)
    page.wait_for_url("**/?country=DE")
    expect(page.locator("#chip-country-1")).to_be_visible()
    german = tile(page)
    page.get_by_label("France").first.check()
    applied(page, scripted)
    page.wait_for_url("**/?country=DE&country=FR")
    expect(page.locator("#chip-country-2")).to_be_visible()
    page.go_back()
    expect(page.locator("#chip-country-2")).to_have_count(0)
    expect(page.locator("#tile-1 .value")).to_have_text(german)
    assert country_boxes(page) == ["DE"]
    page.go_back()
    expect(page.locator("#tile-1 .value")).to_have_text(everything)
    assert country_boxes(page) == []
    page.go_forward()
    expect(page.locator("#tile-1 .value")).to_have_text(german)


def test_from_a_country_to_its_skus_to_their_orders(page: Page) -> None:
    """Each step keeps what was chosen, pages on, and leads back; no name or street is shown."""
    page.goto("/?country=DE&period=all")
    page.locator("#skus-of-1").click()
    page.wait_for_url("**/skus?country=DE&period=all")
    expect(page.locator("h1")).to_contain_text("SKUs")
    page.get_by_role("link", name="PEN", exact=True).click()
    page.wait_for_url("**/sku?country=DE&period=all&sku=PEN")
    expect(page.locator("h1")).to_have_text("PEN")
    expect(page.locator("#picks a").first).to_be_visible()
    page.locator("#all-orders").click()
    page.wait_for_url("**/orders?country=DE&period=all&sku=PEN")
    first = page.locator("tbody tr").first.inner_text()
    assert page.locator("tbody tr").count() == 50
    page.locator("#page-next").click()
    page.wait_for_url("**/orders?country=DE&period=all&sku=PEN&page=2")
    expect(page.locator("tbody tr").first).not_to_have_text(first)
    assert "Secret" not in page.content()
    page.locator("#back").click()
    page.wait_for_url("**/?country=DE&period=all")


def test_focus_stays_and_keys_suffice(live: Page) -> None:
    """Space on a country with the keyboard: the page changes, focus and scroll stay."""
    live.goto("/")
    box = live.locator("#form [name=country][value=FR]")
    box.focus()
    live.keyboard.press("Space")
    live.wait_for_url("**/?country=FR")
    expect(live.locator("#chip-country-1")).to_be_visible()
    expect(live.locator("#said")).to_contain_text("Updated")
    assert live.evaluate("document.activeElement.value") == "FR"
    live.keyboard.press("Space")
    live.wait_for_url(re.compile(r"/$"))


def test_the_search_box_narrows_the_list_and_asks_nothing(live: Page) -> None:
    live.goto("/")
    live.wait_for_load_state("networkidle")
    requests: list[str] = []

    def note(sent: Request) -> None:
        # Chromium fetches the icon late on a busy machine; nothing asks for it.
        if "/icon.svg" not in sent.url:
            requests.append(sent.url)

    live.on("request", note)
    live.locator("#find-country").fill("land 1")
    expect(live.locator("#country-list li:visible")).to_have_count(10)
    live.locator("#find-country").press("Enter")
    assert requests == []
    live.remove_listener("request", note)
    live.locator("#country-list li:visible input").first.check()
    expect(live.locator("#chip-country-1")).to_contain_text("Land 1")
    expect(live.locator("#country-list li:visible")).to_have_count(10)


def test_light_and_dark(page: Page, scripted: bool) -> None:
    """The switch changes the colours, is kept, and works by the address without scripts."""

    def ground() -> str:
        return page.evaluate("getComputedStyle(document.body).backgroundColor")

    page.emulate_media(color_scheme="light")
    page.goto("/")
    light = ground() if scripted else ""
    page.locator("#theme").click()
    if scripted:
        assert ground() != light
        page.goto("/runs")
        assert ground() != light
        page.emulate_media(color_scheme="dark")
        page.locator("#theme").click()
        assert ground() == light
        page.evaluate("localStorage.clear()")  # Other tests share the context.
    else:
        page.wait_for_url("**/?theme=dark")
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")


@pytest.mark.slow
def test_texts_of_a_shop_are_texts(live: Page) -> None:
    """Markup in SKUs, countries, sources and errors is shown, and does nothing."""
    for path in ("/", "/skus", "/runs", "/?every=1&top=200"):
        live.goto(path)
        assert "broken into" not in live.title()
    shown = live.locator("main").inner_text()
    for text in HOSTILE[:2]:
        assert text in shown
    assert "49" not in live.locator("bdi").all_inner_texts()
    assert live.locator("img, main script, [onerror]").count() == 0
    for sku in HOSTILE:
        live.goto("/skus")
        live.get_by_role("link", name=sku, exact=True).click()
        expect(live.locator("h1")).to_have_text(sku)
    live.goto("/?q=" + "%22%3E%3Cscript%3Edocument.title='broken into'%3C/script%3E")
    assert live.locator("main script").count() == 0


def test_a_sku_with_signs_of_an_address_leads_to_its_orders(page: Page) -> None:
    page.goto("/skus?q=a%26b")
    page.get_by_role("link", name="a&b=c#d").click()
    expect(page.locator("h1")).to_have_text("a&b=c#d")
    expect(page.locator("#h-orders").locator("xpath=../..").locator("tbody tr")).to_have_count(1)
    page.goto("/sku?sku=nowhere")
    expect(page.locator("#unknown")).to_have_text("No counted order has this SKU.")


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_it(
    browser: Browser, site: str, width: int, scheme: Literal["light", "dark"]
) -> None:
    """Checked by axe: it finds nothing at levels A and AA; nothing is wider than the screen."""
    context = browser.new_context(
        base_url=site, viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True
    )  # fmt: skip
    page = context.new_page()
    for name, path in {
        "first": "/?period=30d&country=DE&country=FR",
        "skus": "/skus",
        "orders": "/orders?sku=PEN",
        "sku": "/sku?sku=PEN&period=7d",
        "order": "/order?order=%230&versions=1",
        "runs": "/runs",
        "problem": "/orders",
    }.items():
        page.goto(path)
        page.locator("details").evaluate_all("all => all.forEach(it => { it.open = true; })")
        assert_accessible(page, path, width, scheme)
        take_screenshot(page, f"{name}-{width}-{scheme}", full_page=True)
    context.close()


@pytest.mark.parametrize("what", ["empty", "one order", "nothing yet"])
def test_small_warehouses(browser: Browser, tmp_path: Path, what: str) -> None:
    """No order, one order, no warehouse: each page says what it is."""
    settings = settings_in(tmp_path)
    if what != "nothing yet":
        orders = [Order("1", items={"PEN": 2})] if what == "one order" else []
        fill(settings, rows_of(orders, [finished_run()]))
    with serving(settings) as url:
        page = browser.new_page()
        response = page.goto(url)
        assert response is not None
        said = page.locator("body").inner_text()
        take_screenshot(page, what, full_page=True)
        page.close()
    assert response.status == 200
    assert "cannot be read" not in said
    assert ("No orders yet" in said) == (what != "one order")
    if what == "nothing yet":
        assert "nothing to read yet" in said
        assert "orderpull check" in said
        assert "0" not in re.sub(r"orderpull [\d.]+", "", said).replace(str(settings.folder), "")


def test_the_first_load_is_small(browser: Browser, site: str) -> None:
    """Less than 50 KB over the wire, and nothing from elsewhere."""
    context = browser.new_context(base_url=site)
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    sizes: list[float] = []
    session.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    page.goto("/")
    page.wait_for_load_state("networkidle")
    context.close()
    assert len(sizes) >= 5
    assert sum(sizes) < 50_000
