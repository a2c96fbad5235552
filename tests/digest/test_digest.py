"""The numbers of a digest, counted a second time, and how it is shown."""

import json
import re
from datetime import date, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner

from orderpull import Settings
from orderpull.cli import main
from orderpull.digest import figures
from orderpull.digest.digest import Digest, read_digest
from orderpull.digest.figures import Figure, totals
from orderpull.digest.html import as_html
from orderpull.digest.period import Period, last_finished
from orderpull.digest.text import as_text
from tests.digest.shop import LONG, MARKUP, NOW, TITLES, TOTAL, at, orders, shop
from tests.web.shop import settings_in


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return shop(tmp_path_factory.mktemp("shop"), '[notify]\nname = "Shop & Co"\n')


@pytest.fixture(scope="module")
def digest(settings: Settings) -> Digest:
    return read_digest(settings, NOW)


def test_the_numbers_are_those_of_the_orders(digest: Digest) -> None:
    """Counted again in Python, by the days of Berlin."""
    zone = ZoneInfo("Europe/Berlin")
    by_day: dict[date, list[dict[str, int]]] = {}
    for order in orders():
        if order.counted and order.placed:
            local = order.placed.replace(tzinfo=ZoneInfo("UTC")).astimezone(zone).date()
            by_day.setdefault(local, []).append(order.items)

    def counted(first: date) -> tuple[int, int]:
        days = [first + timedelta(days=n) for n in range(7)]
        sold = [items for day in days for items in by_day.get(day, [])]
        return len(sold), sum(sum(items.values()) for items in sold)

    assert digest.period == Period("week", date(2026, 11, 23))
    assert digest.before is not None
    assert (digest.totals["orders"], digest.totals["items"]) == counted(date(2026, 11, 23))
    assert (digest.before["orders"], digest.before["items"]) == counted(date(2026, 11, 16))
    assert (digest.totals["orders"], digest.totals["items"]) == (16, 61)
    assert digest.totals["average_items_per_order"] == 61 / 16
    assert digest.totals["countries"] == 3
    assert [day for day, _, _ in digest.days] == [date(2026, 11, 16 + n) for n in range(14)]
    for day, count, items in digest.days:
        sold = by_day.get(day, [])
        assert (count, items) == (len(sold), sum(sum(each.values()) for each in sold))
    assert [(row["sku"], row["quantity"], row["before"]) for row in digest.top] == [
        ("PEN", 35, 21), (MARKUP, 9, 0), ("CAP", 7, 7), ("MUG", 7, 21), ("tab\there", 2, 0), (LONG, 1, 0),
    ]  # fmt: skip
    moved = [(row["sku"], row["now"], row["before"]) for row in digest.rises + digest.falls]
    assert moved == [("PEN", 35, 21), ("MUG", 7, 21)], "9 pieces are no headline"
    assert (len(digest.rises), len(digest.falls)) == (1, 1)
    assert digest.undated == 1
    assert [row["title"] for row in digest.rises + digest.falls] == list(TITLES.values())
    assert digest.top[0]["title"] == "Ball pen"
    assert digest.top[0]["revenue"] == [{"currency": "EUR", "amount": 70}]


def test_amounts_of_several_currencies_are_never_summed(digest: Digest) -> None:
    """Seven German orders and one Italian, seven French, and one without a country or currency."""
    found = {row["currency"]: (row["amount"], row["orders"]) for row in digest.totals["revenue"]}
    assert found == {"EUR": (8 * TOTAL, 8), "USD": (7 * TOTAL, 7), None: (TOTAL, 1)}
    assert (digest.totals["returned"], digest.totals["returnable"]) == (1, 35)
    shown = {figure.label: figure for figure in totals(digest)}
    assert shown["Revenue EUR"] == Figure("Revenue EUR", "100.00", "+14.3 %", "87.50")
    assert shown["Average order USD"] == Figure("Average order USD", "12.50", "0.0 %", "12.50")
    assert shown["Revenue (no currency)"] == Figure("Revenue (no currency)", "12.50")
    assert shown["Items returned"] == Figure("Items returned", "2.9 %", "", "0.0 %")


@pytest.mark.parametrize(
    ("now", "kind", "first"),
    [
        (datetime(2026, 11, 29, 22, 59), "week", date(2026, 11, 16)),
        (datetime(2026, 11, 29, 23), "week", date(2026, 11, 23)),
        (datetime(2026, 12, 6, 22, 59), "week", date(2026, 11, 23)),
        (datetime(2026, 11, 30, 7), "day", date(2026, 11, 29)),
        (datetime(2026, 10, 25, 23), "day", date(2026, 10, 25)),  # a day of 25 hours
    ],
)
def test_a_period_is_over_at_midnight_of_the_zone(now: datetime, kind: str, first: date) -> None:
    zone = ZoneInfo("Europe/Berlin")
    period = last_finished("day" if kind == "day" else "week", now, zone)
    assert period.first == first
    since, until = period.times(zone)
    assert until <= now
    assert until - since == timedelta(
        hours=25 if now.month == 10 else 168 if kind == "week" else 24
    )


@pytest.mark.slow
def test_nothing_is_compared_where_that_would_mislead(tmp_path: Path) -> None:
    """Data that begins within the period before, a shop not read to the end, no dates at all."""
    later = [order for order in orders() if order.placed and order.placed.day > 16]
    told = {
        "begins": shop(folder(tmp_path, "a"), orders_=later),
        "unread": shop(folder(tmp_path, "b"), pulled=datetime(2026, 11, 29, 22)),
        "never": shop(folder(tmp_path, "c"), sources=("shop", "new")),
        "undated": shop(folder(tmp_path, "d"), orders_=[o for o in orders() if not o.placed]),
    }
    digests = {name: read_digest(settings, NOW) for name, settings in told.items()}
    assert {name: each.not_compared for name, each in digests.items()} == {
        "begins": "Not compared: the first order is of 17 Nov 2026.",
        "unread": "Not compared: shop has not been read to the end of this week.",
        "never": "Not compared: new has not been read to the end of this week.",
        "undated": "Not compared: no order has a date.",
    }
    for each in digests.values():
        assert each.before is None
        assert each.not_compared is not None
        assert not each.rises + each.falls
        text, html = as_text(each), as_html(each)
        assert not re.search(r"[+-][\d,.]+ %", text + html)
        assert " new" not in text.replace(" new has", "").replace("\nnew:", "")
        assert ">new<" not in html
        assert each.not_compared in text
        assert each.not_compared in html
    assert "new: never read to its end." in as_text(digests["never"])


def folder(parent: Path, name: str) -> Path:
    (parent / name).mkdir()
    return parent / name


class Page(HTMLParser):
    """The tags, attributes and texts of a document."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attributes

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_html_that_mail_shows(digest: Digest) -> None:
    """No script, picture, link or form; SKUs are texts; short enough for one message."""
    html = as_html(digest)
    page = Page(html)
    assert page.tags == {
        "html", "head", "meta", "title", "style", "body", "table", "tr", "td", "h1", "h2", "p", "span", "br",
    }  # fmt: skip
    assert not {name for name, _ in page.attributes} & {"src", "href", "background", "onload"}
    assert "url(" not in html
    assert f"2. {MARKUP}" in page.texts
    assert "5. tab\\x09here" in page.texts
    assert "Shop & Co: 23 Nov to 29 Nov 2026" in page.texts
    assert "1. PEN  Ball pen" in page.texts
    assert "MUG  Mug with <b>handle</b>" in page.texts
    assert "prefers-color-scheme: dark" in html
    heights = [int(value or 0) for name, value in page.attributes if name == "height"]
    assert max(heights) == 96
    assert len(heights) == 14
    assert len(html.encode()) < 30_000, "apprise splits messages of 32 KiB"


def test_what_has_not_changed_is_neither_good_nor_bad(digest: Digest) -> None:
    """CAP sold 7 pieces in both weeks; 0.04 % are no change."""
    assert figures.change_of_sku(7, 7) == figures.change_of_sku(7, 7).strip("+-") == "0"
    assert figures.percent(10_004, 10_000) == "0.0 %"
    assert figures.percent(9_996, 10_000) == "0.0 %"
    assert figures.percent(0.5, 1) == "-50.0 %"
    assert "1 order has no date, and so no period." in as_text(digest)
    assert '<span class="quiet"' in as_html(digest).partition("3. CAP")[2].partition(">0<")[0]


def test_nobody_is_named(
    digest: Digest, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(monkeypatch)
    done = called(settings, "digest", "--json")
    assert json.loads(done)["totals"]["orders"] == 16
    for text in (as_text(digest), as_html(digest), done):
        assert "Secret" not in text
        assert "Ada" not in text


def test_the_command(
    settings: Settings, digest: Digest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    at(monkeypatch)
    shown = called(settings, "digest")
    assert shown == f"Shop & Co: 23 Nov to 29 Nov 2026\n\n{as_text(digest)}\n"
    assert all(len(line) <= 80 for line in shown.splitlines())
    assert "Orders                              16" in shown
    assert "tab\\x09here" in shown
    assert f"{LONG[:39]}…" in shown
    assert called(settings, "digest", "--html", "-") == as_html(digest)
    told = called(settings, "digest", "--html", str(tmp_path / "none" / "d.html"), code=2)
    assert "d.html could not be written: No such file or directory." in told
    assert "--once goes with --send" in called(settings, "digest", "--once", code=2)
    assert "Nobody is named" in called(settings, "digest", "--send", code=2)
    told = called(settings_in(tmp_path), "digest", code=2)
    assert "There is nothing to read yet" in told


def called(settings: Settings, *arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(main, ["--config", str(settings.file), *arguments])
    assert result.exit_code == code, result.output
    return result.output
