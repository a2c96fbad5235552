"""The summaries of a warehouse beside a recount of its orders, in plain Python."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, date
from typing import Any
from zoneinfo import ZoneInfo

from orderpull.model import NO_DAY

Query = Callable[[str], list[tuple[Any, ...]]]
Group = tuple[object, ...]


def differing(query: Query, zone: str) -> list[str]:
    """The groups in which a summary says something else than the orders do."""
    told, recounted = summaries(query), recount(query, ZoneInfo(zone))
    return [
        f"{name} {group}: {told[name].get(group, 0)}, but {recounted[name].get(group, 0)}"
        for name in recounted
        for group in sorted({*told[name], *recounted[name]}, key=str)
        if told[name].get(group, 0) != recounted[name].get(group, 0)
    ]


def summaries(query: Query) -> dict[str, dict[Group, int]]:
    """What the summaries say of each group, each number by the name of its column."""
    days = query(
        "SELECT source, day, country, orders, orders_with_items, quantity FROM summary_day"
    )
    lines = query(
        "SELECT l.source, l.day, l.country, s.sku, l.quantity, l.orders "
        "FROM summary_line AS l LEFT JOIN summary_sku AS s ON s.sku_number = l.sku_number"
    )
    years = query(
        "SELECT y.source, y.year, y.country, s.sku, y.quantity, y.orders "
        "FROM summary_year AS y LEFT JOIN summary_sku AS s ON s.sku_number = y.sku_number"
    )
    found: dict[str, Counter[Group]] = {name: Counter() for name in ("day", "line", "year")}
    for source, day, country, orders, with_items, quantity in days:
        group = (source, day, country)
        found["day"][*group, "orders"] += orders
        found["day"][*group, "orders_with_items"] += with_items
        found["day"][*group, "quantity"] += int(quantity)
    for name, rows in (("line", lines), ("year", years)):
        for *key, quantity, orders in rows:
            found[name][*key, "quantity"] += int(quantity)
            found[name][*key, "orders"] += orders
    return {
        name: {group: number for group, number in groups.items() if number}
        for name, groups in found.items()
    }


def recount(query: Query, zone: ZoneInfo) -> dict[str, dict[Group, int]]:
    """The same, of the orders themselves."""
    countries = {
        (source, number): country or ""
        for source, number, country in query(
            "SELECT source, ordernumber, country FROM order_address"
        )
    }
    items: dict[tuple[str, str], list[tuple[str, int]]] = {}
    for source, number, sku, quantity in query(
        "SELECT source, ordernumber, sku, quantity FROM order_item"
    ):
        if quantity:
            items.setdefault((source, number), []).append((sku, quantity))
    found: dict[str, Counter[Group]] = {name: Counter() for name in ("day", "line", "year")}
    for source, number, counted, placed in query(
        "SELECT source, ordernumber, counted, ordered_at FROM order_header"
    ):
        if not counted:
            continue
        day: date = placed.replace(tzinfo=UTC).astimezone(zone).date() if placed else NO_DAY
        country = countries[source, number]
        lines = items.get((source, number), [])
        found["day"][source, day, country, "orders"] += 1
        found["day"][source, day, country, "orders_with_items"] += bool(lines)
        found["day"][source, day, country, "quantity"] += sum(pieces for _, pieces in lines)
        for sku, pieces in lines:
            for name, when in (("line", day), ("year", day.year)):
                found[name][source, when, country, sku, "quantity"] += pieces
                found[name][source, when, country, sku, "orders"] += 1
    return {name: dict(groups) for name, groups in found.items()}
