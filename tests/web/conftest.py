"""A shop that many tests look at."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from orderpull import Settings, clock
from tests.web.shop import HOSTILE, Order, fill, finished_run, rows_of, serving, settings_in


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
def contexts(browser: Browser, site: str) -> Iterator[dict[bool, BrowserContext]]:
    """Browser contexts with JavaScript and without, shared by tests: static files are cached."""
    made = {
        scripted: browser.new_context(
            base_url=site, java_script_enabled=scripted, viewport={"width": 1280, "height": 900}
        )
        for scripted in (True, False)
    }
    yield made
    for context in made.values():
        context.close()


@pytest.fixture
def page(contexts: dict[bool, BrowserContext], site: str, scripted: bool) -> Iterator[Page]:
    """A page of the site; the test fails on script errors and on requests to other hosts."""
    yield from _watched(contexts[scripted], site)


@pytest.fixture
def live(contexts: dict[bool, BrowserContext], site: str) -> Iterator[Page]:
    """A page of the site with JavaScript, watched like :func:`page`."""
    yield from _watched(contexts[True], site)


def _watched(context: BrowserContext, site: str) -> Iterator[Page]:
    errors: list[str] = []
    requests: list[str] = []
    page = context.new_page()
    page.set_default_timeout(15_000)
    page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    yield page
    page.close()
    assert errors == []
    assert [url for url in requests if not url.startswith(site)] == []
