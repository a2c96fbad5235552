"""The browser of the tests and of the docs' pictures."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, as `scripts/servers` installs it."""
    program = os.environ.get("ORDERPULL_CHROMIUM", "/usr/bin/chromium")
    with sync_playwright() as playwright:
        # The sandbox cannot be had as root, as which containers run.
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        yield browser
        browser.close()
