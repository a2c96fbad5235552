"""Helpers of the browser tests: screenshots, and accessibility checks by axe."""

import os
from pathlib import Path

from playwright.sync_api import Page

ROOT = Path(__file__).resolve().parents[2]
SHOTS = ROOT / "build" / "screenshots"
"""Screenshots of the pages, for people to look at; git ignores the folder."""

_AXE = (ROOT / "tests" / "web" / "vendor" / "axe.min.js").read_text("utf-8")


COLOUR_RULES = ("color-contrast", "link-in-text-block")
"""The rules of axe that depend on colours."""


def assert_accessible(page: Page, label: str, width: int, scheme: str = "light") -> None:
    """Assert that axe reports nothing at levels A and AA, and that nothing overflows *width*.

    The dark scheme differs in colours only, so only the rules about colours are checked there.

    The page's context needs ``bypass_csp=True``, because axe is run as an inline script.
    """
    page.evaluate(_AXE)
    options: dict[str, object] = {"resultTypes": ["violations"]}
    if scheme == "dark":
        options["runOnly"] = COLOUR_RULES
    report = page.evaluate("options => axe.run(options)", options)
    violations = [(each["id"], each["nodes"][0]["html"]) for each in report["violations"]]
    assert violations == [], label
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def take_screenshot(page: Page, name: str, *, full_page: bool = False) -> None:
    """Save a screenshot of *page*, if ORDERPULL_SCREENSHOTS is set: people look at them."""
    if "ORDERPULL_SCREENSHOTS" not in os.environ:
        return
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png", full_page=full_page)
