"""A shop for digests: three weeks of orders, with hostile and long SKUs."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from orderpull import Settings, clock, read_settings
from tests.web.shop import Order, fill, finished_run, rows_of, settings_in

NOW = datetime(2026, 11, 30, 7)
"""Monday, 8 o'clock in Berlin."""

LONG = "SKU-" + "x" * 240
CURRENCIES = {"DE": "EUR", "IT": "EUR", "FR": "USD"}
TITLES = {"PEN": "Ball pen", "MUG": "Mug with <b>handle</b>"}
TOTAL = Decimal("12.50")
"""The total of each order."""

MARKUP = "<script>alert('x')</script>"


def orders() -> list[Order]:
    """Orders of 9 to 29 November: the last week (from the 23rd) sold PEN more and MUG less."""
    found = []
    for day in range(21):
        week = day // 7
        placed = datetime(2026, 11, 9, 10) + timedelta(days=day)
        items = {"PEN": 1 + 2 * week, "MUG": 5 - 2 * week}
        found += [
            Order(f"A{day}", "DE", items, placed),
            Order(f"B{day}", "FR", {"CAP": 1}, placed),
        ]
    # 23:30 UTC on Sunday the 22nd is Monday the 23rd in Berlin.
    found.append(Order("C1", "IT", {MARKUP: 9, LONG: 1}, datetime(2026, 11, 22, 23, 30)))
    found.append(Order("C2", None, {"tab\there": 2}, datetime(2026, 11, 29, 22, 59)))
    found.append(Order("C3", "DE", {"PEN": 100}, datetime(2026, 11, 29, 23)))
    found.append(Order("C4", "DE", {"PEN": 100}, datetime(2026, 11, 25), counted=False))
    return [*found, Order("C5", "DE", {"PEN": 100}, None)]


def shop(
    folder: Path,
    more: str = "",
    *,
    orders_: Sequence[Order] | None = None,
    pulled: datetime | None = NOW,
    sources: Sequence[str] = ("shop",),
) -> Settings:
    """A warehouse with these orders, and its settings. :param more: further lines of them."""
    settings = settings_in(folder, sources)
    assert settings.file is not None
    settings.file.write_text(settings.file.read_text("utf-8") + more, encoding="utf-8")
    runs = [finished_run(pulled_at=pulled)]
    rows = rows_of(orders() if orders_ is None else orders_, runs)
    for header, address in zip(rows["order_header"], rows["order_address"], strict=True):
        header |= {"currency": CURRENCIES.get(address["country"]), "total": TOTAL}
    for item in rows["order_item"]:
        item |= {"amount": 2 * item["quantity"], "title": TITLES.get(item["sku"])}
        item["returned"] = int(item["ordernumber"] == "A20") if item["sku"] == "PEN" else None
    fill(settings, rows)
    return read_settings(settings.file)


def at(monkeypatch: pytest.MonkeyPatch, now: datetime = NOW) -> None:
    """Let it be *now*."""
    monkeypatch.setattr(clock, "now", lambda: now)
