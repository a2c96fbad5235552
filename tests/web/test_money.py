"""Money on the pages: revenue for each currency, channels, titles, returns, customers."""

import csv
import io
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from orderpull import clock, parse_settings
from tests.web.shop import NOON_ZONE as ZONE
from tests.web.shop import Order, fill, finished_run, get, rows_of, serving, settings_in

DAYS = 8


def orders_of() -> list[Order]:
    """Two orders of 10 EUR and one of 8 USD a day for eight days, and some that tell nothing.

    The day before yesterday, in place of one of 10 EUR: one of 90.
    """
    six = datetime.now(ZoneInfo(ZONE)).replace(hour=6, minute=0, second=0, microsecond=0)
    six = six.astimezone(UTC).replace(tzinfo=None)
    made = []
    for day in range(1, DAYS + 1):
        at = six - timedelta(days=day)
        large = 90 if day == 2 else 10
        made += [
            Order(f"web {day}", "DE", {"PEN": 2, "INK": 1}, at, currency="EUR", total=large,
                  channel="web", customer=f"c{day % 2}", title="Fine",
                  amounts={"PEN": large - 4, "INK": 4}, returned={"PEN": 1, "INK": 0}),
            Order(f"fair {day}", "FR", {"PEN": 1}, at, currency="EUR", total=10, channel="fair",
                  customer=f"new{day}", amounts={"PEN": 10}, returned={"PEN": 0}),
            Order(f"us {day}", "US", {"BOOK": 1}, at, currency="USD", total=8, channel="web",
                  amounts={"BOOK": 8}),
        ]  # fmt: skip
    made.append(Order("silent", "DE", {"PEN": 5}, six - timedelta(days=1)))
    late = six - timedelta(hours=12)
    made.append(Order("late", "DE", {}, late, currency="EUR", total=0, channel="web"))
    return made


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    settings = settings_in(tmp_path_factory.mktemp("money"), zone=ZONE)
    fill(settings, rows_of(orders_of(), [finished_run(pulled_at=clock.now())]))
    with serving(settings) as url:
        yield url


def answer(site: str, path: str) -> Any:
    response = get(site + path)
    assert response.status == 200, response.data
    return json.loads(response.data)


def span(first: int, last: int) -> str:
    """Parameters of the days from *first* to *last* days ago."""
    today = datetime.now(ZoneInfo(ZONE)).date()
    return f"since={today - timedelta(days=first)}&until={today - timedelta(days=last)}"


def text_of(site: str, path: str) -> str:
    page = get(site + path).data.decode().partition("<main")[2]
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def test_each_currency_has_its_own_figure_the_largest_first(shop: str) -> None:
    """Amounts, orders that tell one, and the period before; items that came back of those told."""
    told = answer(shop, f"/api/totals?{span(4, 1)}")
    assert told["totals"]["revenue"] == [
        {"currency": "EUR", "amount": 160.0, "orders": 9, "average_order_value": 17.78},
        {"currency": "USD", "amount": 32.0, "orders": 4, "average_order_value": 8.0},
    ]
    assert told["before"]["revenue"][0]["amount"] == 80.0
    assert (told["totals"]["returned"], told["totals"]["returnable"]) == (4, 16)
    page = text_of(shop, f"/?{span(4, 1)}")
    assert "Revenue €160.00 ▲ +100.0% from €80.00 and $32.00" in page
    assert "of the 13 orders that tell their total" in page
    assert "Returned 25.0% 4 of 16 items so far" in page
    (row,) = csv.DictReader(
        io.StringIO(get(f"{shop}/csv/totals?{span(4, 1)}").data.decode("utf-8-sig"))
    )
    assert (row["orders"], row["revenue_EUR"], row["revenue_USD"]) == ("14", "160.0000", "32.0000")


def test_revenue_governs_bars_and_rankings_in_one_currency(shop: str) -> None:
    query = f"{span(4, 1)}&show=revenue"
    trend = answer(shop, f"/api/trend?{query}")
    assert (trend["currency"], [bar["revenue"] for bar in trend["bars"]]) == (
        "EUR", [20.0, 20.0, 100.0, 20.0]
    )  # fmt: skip
    assert [bar["before_revenue"] for bar in trend["bars"]] == [20.0] * 4
    ranked = answer(shop, f"/api/popular-skus?{query}")["rows"]
    assert [(row["sku"], row["rank"], row["title"]) for row in ranked] == [
        ("PEN", 1, "Fine PEN"), ("INK", 2, "Fine INK")
    ]  # fmt: skip
    assert ranked[0]["revenue"] == [{"currency": "EUR", "amount": 144.0}]
    dollars = answer(shop, f"/api/popular-skus?{query}&currency=USD")["rows"]
    assert [row["sku"] for row in dollars] == ["BOOK"]
    page = text_of(shop, f"/?{query}")
    assert "Revenue by day in EUR" in page
    assert "amounts in EUR only. Show USD instead" in page
    assert "1 Germany DE €120.00" in page
    assert "By revenue in EUR" in text_of(shop, f"/skus?{query}")
    sku = text_of(shop, f"/sku?sku=PEN&{query}")
    assert "Revenue of the SKU €144.00 ▲ +125.0% from €64.00 Items 17" in sku
    assert "Fine PEN" in sku


def test_channels_filter_and_customers_come_back(shop: str) -> None:
    page = text_of(shop, f"/?{span(4, 1)}")
    assert (
        "Channels CSV of the channels XLSX of the channels Channel Items Orders Share web 16 9"
        in page
    )
    chosen = text_of(shop, f"/?{span(4, 1)}&channel=fair")
    assert "Orders 4 unchanged" in chosen
    assert answer(shop, f"/api/totals?{span(4, 1)}&channel=fair")["totals"]["items"] == 4
    none = answer(shop, f"/api/totals?{span(4, 1)}&channel=(no%20channel)")["totals"]
    assert (none["orders"], none["revenue"]) == (1, [])
    counts = answer(shop, f"/api/customers?{span(4, 1)}")
    assert (counts["new_orders"], counts["returning_orders"], counts["unknown_orders"]) == (4, 4, 6)
    card = text_of(shop, f"/customers?{span(4, 1)}")
    assert "New 4 4 50.0% Returning 2 4 50.0%" in card
    channels = answer(shop, f"/api/channels?{span(4, 1)}")["rows"]
    assert [(row["channel"], row["items"]) for row in channels] == [
        ("web", 16), (None, 5), ("fair", 4)
    ]  # fmt: skip


def test_today_is_compared_up_to_the_time_of_day_in_money_too(shop: str) -> None:
    """A cut day has orders of several currencies and channels, which the rollups do not cut."""
    told = answer(shop, "/api/totals?period=today&channel=web")
    assert [(row["currency"], row["amount"]) for row in told["before"]["revenue"]] == [
        ("EUR", 10.0), ("USD", 8.0)
    ]  # fmt: skip
    assert told["before"]["orders"] == 2


def test_without_amounts_nothing_of_money_is_shown(site: str) -> None:
    page = get(f"{site}/?show=revenue").data.decode()
    for trace in (
        "tile-revenue",
        "tile-order-value",
        "tile-returned",
        '<option value="revenue"',
        "€",
    ):
        assert trace not in page
    assert "No order here tells its total: the bars show items." in page
    assert 'name="channel"' not in page
    assert "/customers" not in page


def test_conversion_and_missing_rates_are_said(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    settings = settings_in(tmp_path_factory.mktemp("rates"), zone=ZONE)
    fill(settings, rows_of(orders_of(), [finished_run(pulled_at=clock.now())]))
    file = settings.folder / "orderpull.toml"
    text = file.read_text("utf-8")
    text = text.replace("[report]", '[report]\ncurrency = "EUR"\nrates = "rates.csv"')
    rates = settings.folder / "rates.csv"
    day = (datetime.now(ZoneInfo(ZONE)) - timedelta(days=3)).date()
    rates.write_text(f"date,currency,rate\n{day},USD,2\n", encoding="utf-8")
    with serving(parse_settings(text, file)) as site:
        told = answer(site, f"/api/totals?{span(4, 1)}")["totals"]["revenue"]
        assert [(row["currency"], row["amount"]) for row in told] == [("EUR", 172.0), ("USD", 8.0)]
        page = text_of(site, f"/?{span(4, 1)}")
        assert "Amounts are converted to EUR by the day of the order." in page
        assert "1 order in USD is not converted to EUR: no rate on" in page
        rates.write_text("date,currency,rate\nnever,USD,2\n", encoding="utf-8")
        page = text_of(site, f"/?{span(3, 1)}")
        assert "Amounts are not converted." in page
        assert "line 2" in page
