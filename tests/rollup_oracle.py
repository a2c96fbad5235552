"""The summaries of a warehouse beside a recount of its orders, in plain Python."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from orderpull.model import NO_DAY, NO_SKU

Query = Callable[[str], list[tuple[Any, ...]]]
Group = tuple[object, ...]

DAYS = (
    "orders", "orders_with_items", "quantity", "returned", "returnable", "priced", "total",
    "refunded",
)  # fmt: skip
LINES = ("quantity", "orders", "returned", "returnable", "priced", "amount")


def differing(query: Query, zone: str) -> list[str]:
    """The groups in which a summary says something else than the orders do."""
    told, recounted = summaries(query), recount(query, ZoneInfo(zone))
    return [
        f"{name} {group}: {told[name].get(group, 0)}, but {recounted[name].get(group, 0)}"
        for name in recounted
        for group in sorted({*told[name], *recounted[name]}, key=str)
        if told[name].get(group, 0) != recounted[name].get(group, 0)
    ]


def summaries(query: Query) -> dict[str, dict[Group, Any]]:
    """What the summaries say of each group, each number by the name of its column."""
    found: dict[str, Counter[Group]] = {name: Counter() for name in ("day", "line", "year")}
    days = f"SELECT source, day, country, currency, channel, {', '.join(DAYS)} FROM summary_day"
    for *key, numbers in _split(query(days), DAYS):
        _add(found["day"], key, DAYS, numbers)
    for name, when in (("line", "day"), ("year", "year")):
        lines = query(
            f"SELECT t.source, t.{when}, t.country, t.currency, s.sku, "
            f"{', '.join(f't.{column}' for column in LINES)} FROM summary_{name} AS t "
            "LEFT JOIN summary_sku AS s ON s.sku_number = t.sku_number"
        )
        for *key, numbers in _split(lines, LINES):
            _add(found[name], key, LINES, numbers)
    titles = query("SELECT sku, title, titled_at FROM summary_sku WHERE title IS NOT NULL")
    return {
        **{name: _not_zero(groups) for name, groups in found.items()},
        "title": {(sku,): (title, at) for sku, title, at in titles},
    }


def recount(query: Query, zone: ZoneInfo) -> dict[str, dict[Group, Any]]:
    """The same, of the orders themselves."""
    countries = {
        (source, number): country or ""
        for source, number, country in query(
            "SELECT source, ordernumber, country FROM order_address"
        )
    }
    items: dict[tuple[str, str], list[tuple[Any, ...]]] = {}
    for source, number, *item in query(
        "SELECT source, ordernumber, sku, quantity, title, amount, returned FROM order_item"
    ):
        items.setdefault((source, number), []).append(tuple(item))
    found: dict[str, Counter[Group]] = {name: Counter() for name in ("day", "line", "year")}
    titles: dict[Group, tuple[datetime, bytes]] = {}
    for source, number, counted, placed, currency, channel, total, refunded in query(
        "SELECT source, ordernumber, counted, ordered_at, currency, channel, total, refunded "
        "FROM order_header"
    ):
        lines = items.get((source, number), [])
        for sku, _, title, _, _ in lines:
            if title is not None and sku != NO_SKU:
                held = (placed or datetime.min, title.encode())
                titles[sku,] = max(titles.get((sku,), held), held)
        if not counted:
            continue
        day: date = placed.replace(tzinfo=UTC).astimezone(zone).date() if placed else NO_DAY
        country, money = countries[source, number], currency or ""
        sold = [line for line in lines if line[1]]
        known = [line for line in sold if line[4] is not None]
        key = (source, day, country, money, channel or "")
        numbers = (
            1, bool(sold), sum(line[1] for line in sold), sum(line[4] for line in known),
            sum(line[1] for line in known), total is not None, total or 0, refunded or 0,
        )  # fmt: skip
        _add(found["day"], key, DAYS, numbers)
        for sku, pieces, _, amount, returned in sold:
            back = (0, 0) if returned is None else (returned, pieces)
            line = (pieces, 1, *back, amount is not None, amount or 0)
            for name, when in (("line", day), ("year", day.year)):
                _add(found[name], (source, when, country, money, sku), LINES, line)
    return {
        **{name: _not_zero(groups) for name, groups in found.items()},
        "title": {
            key: (title.decode(), None if at == datetime.min else at)
            for key, (at, title) in titles.items()
        },
    }


def _split(rows: list[tuple[Any, ...]], numbers: tuple[str, ...]) -> list[list[Any]]:
    return [[*row[: -len(numbers)], row[-len(numbers) :]] for row in rows]


def _add(found: Counter[Group], key: Any, names: tuple[str, ...], numbers: tuple[Any, ...]) -> None:
    for name, number in zip(names, numbers, strict=True):
        found[*key, name] += Decimal(number)  # type: ignore[assignment]


def _not_zero(groups: Counter[Group]) -> dict[Group, Any]:
    return {group: number for group, number in groups.items() if number}
