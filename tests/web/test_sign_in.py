"""Signing in and out in a real browser, with JavaScript and without; and who sees addresses."""

import re
from collections.abc import Iterator
from typing import Literal

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from orderpull import Settings
from tests.web.browsing import assert_accessible, take_screenshot
from tests.web.raw_client import BEARER, PASSWORD, ask, locked, signed_in
from tests.web.shop import serving


@pytest.fixture(scope="module")
def shut(sold: Settings) -> Iterator[str]:
    """The shop that many tests look at, behind a password."""
    with serving(locked(sold)) as url:
        yield url


@pytest.fixture(scope="module")
def shown(sold: Settings) -> Iterator[str]:
    """The same, with addresses shown, behind a password and a proxy's word."""
    proxy = {"trusted_proxy": ["127.0.0.1"], "proxy_header": "X-Forwarded-User"}
    with serving(locked(sold, show_addresses=True, **proxy)) as url:
        yield url


@pytest.fixture
def context(browser: Browser, shut: str, scripted: bool) -> Iterator[BrowserContext]:
    """A browser that knows nothing of the pages yet."""
    made = browser.new_context(base_url=shut, java_script_enabled=scripted)
    made.set_default_timeout(15_000)
    yield made
    made.close()


def enter(page: Page, password: str = PASSWORD) -> None:
    """Type the password and send it with the keyboard alone."""
    expect(page.locator("h1")).to_have_text("Sign in")
    page.locator("#password").fill(password)
    page.keyboard.press("Enter")


def test_a_shared_link_is_shown_after_signing_in(context: BrowserContext) -> None:
    """All that was chosen is chosen still; what is clicked next needs no sign-in."""
    page = context.new_page()
    page.goto("/orders?country=DE&sku=a%26b%3Dc%23d")
    assert "/sign-in?next=" in page.url
    assert page.locator("nav, #fresh *").count() == 0
    enter(page)
    page.wait_for_url("**/orders?country=DE&sku=a%26b%3Dc%23d")
    expect(page.locator("h1")).to_have_text("a&b=c#d")
    page.locator("#back").click()
    page.wait_for_url("**/?country=DE")
    expect(page.locator("#chip-country-1")).to_contain_text("Germany")
    page.goto("/sign-in?next=/runs")
    page.wait_for_url("**/runs")


def test_a_wrong_password_is_said_and_the_next_one_may_be_right(context: BrowserContext) -> None:
    page = context.new_page()
    page.goto("/skus")
    enter(page, "not this one")
    expect(page.locator("#wrong")).to_have_text("That is not the password.")
    assert page.locator("#password").input_value() == ""
    enter(page)
    page.wait_for_url("**/skus")


def test_who_signs_out_is_out_in_every_tab(context: BrowserContext, scripted: bool) -> None:
    """Also with the button back, also for a page that is open and asks by itself."""
    page, other = context.new_page(), context.new_page()
    page.goto("/")
    enter(page)
    page.wait_for_url(re.compile(r"/$"))
    other.goto("/?country=FR")
    expect(other.locator("#chip-country-1")).to_be_visible()
    page.locator("#sign-out").click()
    page.wait_for_url("**/sign-in")
    assert context.cookies() == []
    page.go_back()
    expect(page.locator("h1")).to_have_text("Sign in")
    other.locator("#chip-country-1").click()
    expect(other.locator("h1")).to_have_text("Sign in")
    assert other.url.endswith("/sign-in?next=%2F")
    enter(other)
    other.wait_for_url(re.compile(r"/$"))
    expect(other.locator("#tile-1")).to_be_visible()


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_sign_in(
    browser: Browser, shut: str, width: int, scheme: Literal["light", "dark"]
) -> None:
    """Checked by axe: it finds nothing at levels A and AA; nothing is wider than the screen."""
    context = browser.new_context(
        base_url=shut, viewport={"width": width, "height": 800}, color_scheme=scheme, bypass_csp=True
    )  # fmt: skip
    page = context.new_page()
    for name in ("sign-in", "wrong"):
        if name == "sign-in":
            page.goto("/")
        else:
            enter(page, "not this one")
            expect(page.locator("#wrong")).to_be_visible()
        assert_accessible(page, name, width, scheme)
        assert page.evaluate("document.activeElement.id") == "password"
        take_screenshot(page, f"{name}-{width}-{scheme}")
    enter(page)
    page.wait_for_url(re.compile(r"/$"))
    take_screenshot(page, f"signed-in-{width}-{scheme}")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    context.close()


PROXY = "X-Forwarded-User: ada"
ADDRESSED = "/orders?sku=PEN"


@pytest.mark.slow
def test_names_and_streets_are_shown_to_people_who_signed_in(shut: str, shown: str) -> None:
    """Where that is switched on, to a session or a proxy's person; not to a token, not in a file."""
    assert (
        "Secret" not in ask(shown, ADDRESSED, BEARER).text
    )  # And what was kept of it is not shown to people.
    for person in (signed_in(shown), PROXY):
        for path in (ADDRESSED, "/order?order=%230"):
            said = ask(shown, path, person).text
            assert "Ada Secret" in said
            assert "Secret Street 1" in said
        for path in (
            "/",
            "/skus",
            "/runs",
            "/csv/orders?sku=PEN",
            "/api/orders?sku=PEN",
            "/csv/rejects",
            "/metrics",
        ):
            answer = ask(shown, path, person)
            assert answer.status == 200
            assert "Secret" not in answer.text
    for site, way in ((shown, BEARER), (shut, BEARER), (shut, signed_in(shut))):
        for path in (ADDRESSED, "/order?order=%230"):
            answer = ask(site, path, way)
            assert answer.status == 200
            assert "PEN" in answer.text
            assert "Secret" not in answer.text
    assert "Secret" not in ask(shown, ADDRESSED).text


def test_without_a_sign_in_no_address_is_shown(sold: Settings) -> None:
    """On this machine everybody may look, but nobody has signed in."""
    open_ = locked(sold, show_addresses=True, password_hash=None, token=None)
    with serving(open_) as site:
        answer = ask(site, ADDRESSED)
    assert answer.status == 200
    assert "Secret" not in answer.text


def test_no_address_is_logged(shown: str, capfd: pytest.CaptureFixture[str]) -> None:
    cookie = signed_in(shown)
    assert "Ada Secret" in ask(shown, ADDRESSED, cookie).text
    assert ask(shown, "/orders?sku=PEN&page=x", cookie).status == 400
    logged = "".join(capfd.readouterr())
    assert "Secret" not in logged
    assert "PEN" not in logged


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1280])
def test_the_orders_with_addresses_fit(browser: Browser, shown: str, width: int) -> None:
    context = browser.new_context(
        base_url=shown, viewport={"width": width, "height": 800}, bypass_csp=True,
        extra_http_headers={"X-Forwarded-User": "ada@example.com"},
    )  # fmt: skip
    page = context.new_page()
    page.goto(ADDRESSED)
    expect(page.locator(".address").first).to_contain_text("Ada Secret")
    expect(page.locator("header.top")).to_contain_text("ada@example.com")
    assert_accessible(page, "addresses", width)
    take_screenshot(page, f"addresses-{width}")
    context.close()
