"""The pictures of the pages in README.md: ``make pictures`` takes them anew, in Chromium.

Their numbers are of the same shop each time; days and times are those of the moment.
"""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Browser

from orderpull import clock
from tests.browsers import chromium
from tests.docs import pictured
from tests.web.shop import fill, serving, settings_in

DOCS = Path(__file__).resolve().parents[2] / "docs"
SCHEMES = ("light", "dark")
WIDTH, HEIGHT = 1200, 900
QUALITY = 90
ORDERS = 6000
LARGEST = 120_000
"""Size in bytes that no picture may exceed: each clone and each reader of the README pays for it."""


def file_of(scheme: str) -> Path:
    """The picture in a colour scheme."""
    return DOCS / f"pages-{scheme}.webp"


@contextmanager
def pages() -> Iterator[str]:
    """The pages over the shop of the pictures; yields their address."""
    with TemporaryDirectory() as folder:
        settings = settings_in(Path(folder), pictured.SOURCES)
        fill(settings, pictured.rows(clock.now(), ORDERS))
        with serving(settings) as url:
            yield url


def take(browser: Browser, url: str, scheme: str) -> bytes:
    """A picture of the first page, as far as a screen shows it."""
    page = browser.new_page(
        viewport={"width": WIDTH, "height": HEIGHT},
        color_scheme="dark" if scheme == "dark" else "light",
        locale="en-GB",
    )
    try:
        page.goto(url, wait_until="networkidle")
        session = page.context.new_cdp_session(page)  # Playwright itself writes no WebP.
        shot = session.send("Page.captureScreenshot", {"format": "webp", "quality": QUALITY})
        return base64.b64decode(shot["data"])
    finally:
        page.close()


def main() -> None:
    """Take all pictures; the old ones stay if one is too large."""
    with pages() as url, chromium() as browser:
        taken = {file_of(scheme): take(browser, url, scheme) for scheme in SCHEMES}
    for file, picture in taken.items():
        if len(picture) > LARGEST:
            raise SystemExit(f"{file.name} has {len(picture):,} bytes, more than {LARGEST:,}.")
    for file, picture in taken.items():
        file.write_bytes(picture)
        print(f"{file}: {len(picture):,} bytes")  # noqa: T201 - a command


if __name__ == "__main__":
    main()
