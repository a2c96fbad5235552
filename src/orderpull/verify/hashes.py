"""Recompute ``content_hash`` from the rows of an order: of a sample each day, or of all.

The sample is the orders whose hash begins with the digits of the day, so that each order has its
turn. Only as many orders as fit in memory are read at once.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import product

from orderpull import clock
from orderpull.destinations.merge.stored import DELETED
from orderpull.destinations.stage import execute_largely
from orderpull.model import ORDER_ADDRESS, ORDER_HEADER, ORDER_ITEM, Column
from orderpull.normalize.staging import HASHED, ITEM_FIELDS
from orderpull.sqltext import literal
from orderpull.verify.scope import Scope

SAMPLE = 10_000
"""Orders of a sample, at most about."""

AT_ONCE = 125_000
"""Orders that are read at once, at most about."""

_DAY_ZERO = datetime(2026, 1, 1)  # noqa: DTZ001 - as in the tables

_ADDED = [column.name for column in ORDER_HEADER.columns if column.since > 1]
_ADDED_TO_ITEMS = [column.name for column in ORDER_ITEM.columns if column.since > 1]
_PERSON, _PLACE = ("name", "line1", "line2"), ("country", "stateprovince", "city", "postalcode")

# The hash of an order that its shop deleted is made of the hash before.
_ROWS = """SELECT {names} FROM {table} AS t {join}
WHERE h.source = {source} AND h.content_hash LIKE '{digits}%'
  AND (h.status IS NULL OR h.status <> '{deleted}')"""
_JOIN = "JOIN order_header AS h ON h.source = t.source AND h.ordernumber = t.ordernumber"
_WRONG = f"""
WITH item AS (
    SELECT ordernumber, list_sort(list({{{{{ITEM_FIELDS}}}}})) AS items
    FROM hashed_item GROUP BY ordernumber),
whole AS (
    SELECT * REPLACE (coalesce(items, []) AS items)
    FROM hashed_header JOIN hashed_address USING (ordernumber) LEFT JOIN item USING (ordernumber))
SELECT ordernumber FROM whole WHERE content_hash NOT IN ({{hashes}})"""
_TABLES = {
    "hashed_header": ORDER_HEADER,
    "hashed_address": ORDER_ADDRESS,
    "hashed_item": ORDER_ITEM,
}


def wrong_hashes(scope: Scope, orders: int) -> Iterator[str]:
    """Yield the numbers of orders whose rows do not have their hash.

    :param orders: number of the source's orders.
    """
    versions = [HASHED]
    if scope.source.settings.keep_address:
        versions += _with_kept_address()
    hashes = [form(columns) for columns in versions for form in (_hash, _hash_before)]
    wrong = _WRONG.format(hashes=", ".join(hashes))
    for digits in _slices(orders, deep=scope.deep):
        with scope.reader.workbench(_rows(scope, digits)) as connection:
            for (number,) in execute_largely(connection, wrong).fetchall():
                yield number


def _with_kept_address() -> Iterator[str]:
    """Yield the columns of each version whose blank address ``keep_address`` may have completed.

    Such a version has no name and no street; of what is stored of the place it had any part.
    """
    for kept in product((True, False), repeat=len(_PLACE)):
        place = (name for name, is_kept in zip(_PLACE, kept, strict=True) if not is_kept)
        absent = {*_PERSON, *place}
        columns = ("NULL::VARCHAR" if n in absent else n for n in HASHED.split(", "))
        yield ", ".join(columns)


def _hash(columns: str) -> str:
    """SQL of the hash of the values *columns*."""
    return f"md5(json_array({columns})::VARCHAR)"


def _hash_before(columns: str) -> str:
    """The same as an orderpull of schema 4 made it; '' for a row with columns of later versions.

    Such rows stay until their page is shaped again; for good, if it is deleted (``keep_days``).
    """
    kept = [each for each in columns.split(", ") if each not in {*_ADDED, "items"}]
    some = " OR ".join(f"{name} IS NOT NULL" for name in _ADDED)
    item = " OR ".join(f"i.{name} IS NOT NULL" for name in _ADDED_TO_ITEMS)
    items = "list_transform(items, lambda i: {'sku': i.sku, 'quantity': i.quantity})"
    return (
        f"CASE WHEN {some} OR len(list_filter(items, lambda i: {item})) > 0 THEN '' "
        f"ELSE {_hash(', '.join([*kept, items]))} END"
    )


def _slices(orders: int, *, deep: bool) -> list[str]:
    """The first digits of the hashes to read, one slice after the other."""
    digits = 0
    while orders / 16**digits > (AT_ONCE if deep else SAMPLE):
        digits += 1
    if not digits:
        return [""]
    if deep:
        return [f"{number:0{digits}x}" for number in range(16**digits)]
    day = (clock.now() - _DAY_ZERO).days
    return [f"{day % 16**digits:0{digits}x}"]


def _rows(scope: Scope, digits: str) -> dict[str, tuple[str, Sequence[Column]]]:
    tables: dict[str, tuple[str, Sequence[Column]]] = {}
    for name, table in _TABLES.items():
        columns = [c for c in table.columns if c.name != "source"]
        query = _ROWS.format(
            names=", ".join(f"t.{column.name}" for column in columns),
            table=table.name,
            join=_JOIN,
            source=literal(scope.name),
            digits=digits,
            deleted=DELETED,
        )
        tables[name] = (query, columns)
    return tables
