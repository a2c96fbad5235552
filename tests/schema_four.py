"""``content_hash`` as an orderpull of schema 4 made it, kept here as it was then.

Rows that it wrote keep their hash until their page is shaped again.
"""

from collections.abc import Callable, Mapping
from typing import Any

import duckdb

PINNED = {
    "N-1": "3b59559381e164eb70f1044c4b1d9e36",
    "N-2": "3f932d1b128bfe15473d7509c38f8a67",
}
"""What it wrote for the orders of ``test_hashes_of_an_older_orderpull``."""

_HEADER = {
    "order_id": "VARCHAR", "status": "VARCHAR", "counted": "BOOLEAN", "ordered_at": "TIMESTAMP",
    "modified_at": "TIMESTAMP", "currency": "VARCHAR", "total": "DECIMAL(19, 4)",
    "channel": "VARCHAR",
}  # fmt: skip
_ADDRESS = ("country", "line1", "line2", "name", "postalcode", "stateprovince", "city")
_DELETED = "deleted at source"

Query = Callable[[str], list[tuple[Any, ...]]]


def hashes_of_schema_4(
    query: Query, before: Mapping[str, tuple[str, bool]] | None = None
) -> dict[str, str]:
    """The hash of each stored order, by its number.

    :param before: status of deleted orders before they were, and whether they were counted then.
    """
    found: dict[str, str] = {}
    items: dict[str, list[dict[str, Any]]] = {}
    for number, sku, quantity in query("SELECT ordernumber, sku, quantity FROM order_item"):
        items.setdefault(number, []).append({"sku": sku, "quantity": quantity})
    columns = [f"h.{name}" for name in _HEADER] + [f"a.{name}" for name in _ADDRESS]
    rows = query(
        f"SELECT h.ordernumber, {', '.join(columns)} FROM order_header AS h "
        "JOIN order_address AS a ON a.source = h.source AND a.ordernumber = h.ordernumber"
    )
    types = ["VARCHAR", *_HEADER.values(), *(["VARCHAR"] * len(_ADDRESS))]
    values = ", ".join(f"?::{type_}" for type_ in types)
    statement = (
        f"SELECT md5(json_array({values}, list_sort(?::STRUCT(sku VARCHAR, quantity BIGINT)[]))"
        "::VARCHAR)"
    )
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for number, order_id, status, counted, *rest in rows:
            is_deleted = status == _DELETED
            if is_deleted and before is not None:
                status, counted = before[number]  # noqa: PLW2901 - as they were then
            held = [number, order_id, status, counted, *rest, items.get(number, [])]
            ((found[number],),) = connection.execute(statement, held).fetchall()
            if is_deleted:
                sql = f"SELECT md5('{_DELETED}' || ?)"
                ((found[number],),) = connection.execute(sql, [found[number]]).fetchall()
    return found


def rehash(query: Query, before: Mapping[str, tuple[str, bool]] | None = None) -> None:
    """Give each stored order that hash. Parameters as :func:`hashes_of_schema_4`."""
    for number, content_hash in hashes_of_schema_4(query, before).items():
        query(
            f"UPDATE order_header SET content_hash = '{content_hash}' "
            f"WHERE ordernumber = '{number}'"
        )
