"""A shop that many tests look at."""

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from orderpull import Settings, clock
from tests.web.shop import HOSTILE, Order, fill, finished_run, rows_of, serving, settings_in

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page


@pytest.fixture(scope="session")
def sold(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Two sources, 60 countries, odd SKUs, and a run of one source that failed."""
    settings = settings_in(tmp_path_factory.mktemp("sold"), ("shop", "outlet"))
    now = clock.now()
    codes = ["DE", "FR", "US", "AT", None, *(f"Land {number:02}" for number in range(55))]
    orders = [
        Order(
            f"#{index}",
            codes[index % 60 if index % 7 else 0],
            {f"SKU-{index % 23:02}": 1 + index % 4, "PEN": 1},
            now - timedelta(hours=7 * index),
            ("shop", "outlet")[index % 2],
        )
        for index in range(600)
    ]
    odd = ("L" * 300, "🚲 with 👩‍🚀", "قميص أزرق", "a&b=c#d", *HOSTILE)
    orders += [Order(f"odd {i}", "DE", {sku: 9}, now) for i, sku in enumerate(odd)]
    orders += [Order(f"hostile {i}", HOSTILE[i], {"PEN": 1}, now) for i in range(2)]
    orders += [Order("hostile source", "DE", {"PEN": 1}, now, source=HOSTILE[0])]
    orders += [Order("empty", "DE", {}, now), Order("dateless", "DE", {"PEN": 2}, None)]
    orders += [Order("twice", source=source, placed=now) for source in ("shop", "outlet")]
    failed = finished_run(
        2, "outlet", error="outlet did not answer: <b>refused</b>.", pulled_at=None
    )
    runs = [finished_run(1, "shop", fetched=600), failed]
    rows = rows_of(orders, runs)
    rows["orderpull_reject"] = [
        {"source": "shop", "ordernumber": None, "reason": "number_missing", "raw": "Ada Secret",
         "message": "no number", "path": "$", "page": 1, "position": 0, "run": 1,
         "rejected_at": now, "order_id": None, "reject_key": "k"}
    ]  # fmt: skip
    fill(settings, rows)
    return settings


@pytest.fixture(scope="session")
def site(sold: Settings) -> Iterator[str]:
    """The address of its pages."""
    with serving(sold) as url:
        yield url


@pytest.fixture(params=[True, False], ids=["script", "no script"])
def scripted(request: pytest.FixtureRequest) -> bool:
    """Whether JavaScript runs."""
    return bool(request.param)


@pytest.fixture(scope="session")
def tabs(browser: "Browser", site: str) -> Iterator["dict[bool, Tab]"]:
    """A tab with JavaScript and one without, shared by tests: a new one takes a new process."""
    made = {
        scripted: Tab(
            browser.new_context(
                base_url=site, java_script_enabled=scripted, viewport={"width": 1280, "height": 900}
            )
        )
        for scripted in (True, False)
    }
    yield made
    for tab in made.values():
        tab.context.close()


@pytest.fixture
def page(tabs: "dict[bool, Tab]", site: str, scripted: bool) -> Iterator["Page"]:
    """A page of the site; the test fails on script errors and on requests to other hosts."""
    yield from tabs[scripted].watched(site)


@pytest.fixture
def live(tabs: "dict[bool, Tab]", site: str) -> Iterator["Page"]:
    """A page of the site with JavaScript, watched like :func:`page`."""
    yield from tabs[True].watched(site)


class Tab:
    """A page for one test after another, without what the test before left in it."""

    def __init__(self, context: "BrowserContext") -> None:
        self.context = context
        self._page: Page | None = None
        self._errors: list[str] = []
        self._requests: list[str] = []

    def watched(self, site: str) -> Iterator["Page"]:
        """Yield the page; fail on script errors and on requests to other hosts."""
        page, self._page = self._page or self._opened(), None
        yield page
        errors, requests = [*self._errors], [*self._requests]
        page.goto("about:blank")
        page.emulate_media(color_scheme="null")
        self._errors.clear()
        self._requests.clear()
        assert errors == []
        assert [url for url in requests if not url.startswith(site)] == []
        self._page = page

    def _opened(self) -> "Page":
        """Return a new page: the first, or the one after a test that failed."""
        for page in self.context.pages:
            page.close()
        self._errors.clear()
        self._requests.clear()
        page = self.context.new_page()
        page.set_default_timeout(15_000)
        page.on("console", lambda m: self._errors.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: self._errors.append(str(error)))
        page.on("request", lambda request: self._requests.append(request.url))
        return page
