"""The rows that the rollups are sums of: of the whole warehouse, or of one batch in the stage.

A row has the keys of its group, its numbers, and ``large``, which keeps apart what is too large to
be summed with others. A load inserts the sums of the orders that it adds and, with the sign turned,
of those that it deletes.
"""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from orderpull.days import offsets
from orderpull.destinations.ledger import Execute
from orderpull.destinations.protocol import DUCKDB_TYPES
from orderpull.model import NO_DAY, ORDER_ITEM, SUMMARY_DAY, SUMMARY_LINE, Column

LARGE_QUANTITY = 2**40
"""Pieces: an order or line of so many is a row by itself, so that the other sums fit a BIGINT."""

DAY_KEY = SUMMARY_DAY.pick("source, day, country, currency, channel")
DAY_NUMBERS = tuple(column for column in SUMMARY_DAY.columns if column not in DAY_KEY)
SKU_KEY = (*SUMMARY_LINE.pick("source, day, country, currency"), *ORDER_ITEM.pick("sku"))
LINE_NUMBERS = SUMMARY_LINE.pick("quantity, orders, returned, returnable, priced, amount")

_KEPT_APART = f"""CASE WHEN i.quantity < {LARGE_QUANTITY}
    AND coalesce(i.returned, 0) < {LARGE_QUANTITY} THEN '' ELSE h.ordernumber END"""

# {rows}: orders `h`, each beside an item `i` of its own; {sign}: '-' for what is taken off.
_LINES = f"""
SELECT h.source, {{day}} AS day, coalesce({{country}}, '') AS country,
       coalesce(h.currency, '') AS currency, i.sku, {{sign}}i.quantity AS quantity,
       {{sign}}1 AS orders, {{sign}}coalesce(i.returned, 0) AS returned,
       CASE WHEN i.returned IS NULL THEN 0 ELSE {{sign}}i.quantity END AS returnable,
       CASE WHEN i.amount IS NULL THEN 0 ELSE {{sign}}1 END AS priced,
       {{sign}}coalesce(i.amount, 0) AS amount, {_KEPT_APART} AS large
FROM {{rows}} WHERE h.counted AND i.quantity > 0"""
_ORDERS = f"""
SELECT h.source, {{day}} AS day, coalesce({{country}}, '') AS country,
       coalesce(h.currency, '') AS currency, coalesce(h.channel, '') AS channel,
       {{sign}}1 AS orders, CASE WHEN {{pieces}} > 0 THEN {{sign}}1 ELSE 0 END AS orders_with_items,
       {{sign}}coalesce({{pieces}}, 0) AS quantity, 0 AS returned, 0 AS returnable,
       CASE WHEN h.total IS NULL THEN 0 ELSE {{sign}}1 END AS priced,
       {{sign}}coalesce(h.total, 0) AS total, {{sign}}coalesce(h.refunded, 0) AS refunded,
       CASE WHEN {{pieces}} >= {LARGE_QUANTITY} THEN h.ordernumber ELSE '' END AS large
FROM {{rows}} WHERE h.counted"""
_RETURNS = f"""
SELECT h.source, {{day}}, coalesce({{country}}, ''), coalesce(h.currency, ''),
       coalesce(h.channel, ''), 0, 0, 0, {{sign}}i.returned, {{sign}}i.quantity, 0, 0, 0,
       {_KEPT_APART}
FROM {{rows}} WHERE h.counted AND i.quantity > 0 AND i.returned IS NOT NULL"""

_ADDRESS = "JOIN order_address AS a ON a.source = h.source AND a.ordernumber = h.ordernumber"
_ALL_LINES = f"""order_item AS i
JOIN order_header AS h ON h.source = i.source AND h.ordernumber = i.ordernumber {_ADDRESS}"""
_ALL_ORDERS = f"""order_header AS h {_ADDRESS}
LEFT JOIN (SELECT source, ordernumber, sum(quantity) AS quantity
           FROM order_item WHERE quantity > 0 GROUP BY source, ordernumber) AS p
       ON p.source = h.source AND p.ordernumber = h.ordernumber"""
_NEW_LINES = "(SELECT *, unnest(items) AS i FROM to_write) AS h"
_NEW_ORDERS = "to_write AS h"
_OLD_ORDERS = """stored_order AS h SEMI JOIN to_delete USING (source, ordernumber)
JOIN old_address AS a USING (source, ordernumber)"""
_OLD_LINES = f"{_OLD_ORDERS} JOIN old_item AS i USING (source, ordernumber)"

Ordered = tuple[datetime | None, datetime | None]
"""The earliest and the latest time of orders."""


def delta_queries(
    ordered: Ordered, zone: ZoneInfo, *, deletes: bool
) -> dict[str, tuple[Sequence[Column], str]]:
    """Columns and query of ``delta_sku`` and ``delta_day``: what a batch adds to the rollups.

    :param ordered: of the batch's orders. :param deletes: the batch deletes orders.
    """
    values = {"day": day_of("h.ordered_at", *ordered, zone), "pieces": "h.item_quantity"}
    new = {**values, "country": "h.country", "sign": ""}
    old = {**values, "country": "a.country", "sign": "-"}
    lines, returns = ([sql.format(rows=_NEW_LINES, **new)] for sql in (_LINES, _RETURNS))
    orders = [_ORDERS.format(rows=_NEW_ORDERS, **new)]
    if deletes:
        lines.append(_LINES.format(rows=_OLD_LINES, **old))
        returns.append(_RETURNS.format(rows=_OLD_LINES, **old))
        orders.append(_ORDERS.format(rows=_OLD_ORDERS, **old))
    by_sku = sums(f"({' UNION ALL '.join(lines)})", SKU_KEY, LINE_NUMBERS, ", large")
    by_day = sums(f"({' UNION ALL '.join(orders + returns)})", DAY_KEY, DAY_NUMBERS, ", large")
    return {
        "delta_sku": ((*SKU_KEY, *LINE_NUMBERS), by_sku),
        "delta_day": ((*DAY_KEY, *DAY_NUMBERS), by_day),
    }


def all_rows(execute: Execute, zone: ZoneInfo) -> tuple[str, str]:
    """The queries for all counted lines, and all counted orders, of a warehouse, by day in *zone*.

    What is known of an order's returned pieces is in further rows, of no orders.
    """
    first, last = execute("SELECT min(ordered_at), max(ordered_at) FROM order_header", [])[0]
    values = {
        "day": day_of("h.ordered_at", first, last, zone),
        "country": "a.country",
        "pieces": "p.quantity",
        "sign": "",
    }
    orders = (
        _ORDERS.format(rows=_ALL_ORDERS, **values),
        _RETURNS.format(rows=_ALL_LINES, **values),
    )
    return _LINES.format(rows=_ALL_LINES, **values), " UNION ALL ".join(orders)


def sums(rows: str, by: Sequence[Column], numbers: Sequence[Column], also_by: str = "") -> str:
    """SQL of the sums of *numbers* over *rows*, where one is not zero.

    :param also_by: further expressions of the GROUP BY, which are not selected.
    """
    summed = ", ".join(
        f"CAST(sum({each.name}) AS {DUCKDB_TYPES[each.type]}) AS {each.name}" for each in numbers
    )
    some = " OR ".join(f"sum({each.name}) <> 0" for each in numbers)
    keys = ", ".join(column.name for column in by)
    return f"SELECT {keys}, {summed} FROM {rows} GROUP BY {keys}{also_by} HAVING {some}"


def day_of(column: str, first: datetime | None, last: datetime | None, zone: ZoneInfo) -> str:
    """SQL of the day in *zone* of *column*, a time in UTC; ``NO_DAY`` for NULL.

    :param first: the earliest time in the column. :param last: the latest.
    """
    if first is None or last is None:
        return f"DATE '{NO_DAY}'"
    changes = offsets(first, last, zone)
    local = f"{column} + INTERVAL '{changes[0][1]} seconds'"
    if len(changes) > 1:
        cases = " ".join(
            f"WHEN {column} >= TIMESTAMP '{since:%Y-%m-%d %H:%M:%S}' "
            f"THEN {column} + INTERVAL '{east} seconds'"
            for since, east in reversed(changes[1:])
        )
        local = f"CASE {cases} ELSE {local} END"
    return f"coalesce(CAST({local} AS DATE), DATE '{NO_DAY}')"
