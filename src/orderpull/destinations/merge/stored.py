"""Stored orders, fetched back into the stage: those that vanished, and addresses that are kept.

Each statement asks for orders of one source (its only parameter) whose ids are in a table of keys
of the stage; a server is sent that table first.
"""

from collections.abc import Callable, Sequence

import duckdb

from orderpull.destinations.stage import count_rows
from orderpull.model import ORDER_ADDRESS, ORDER_HEADER, ORDER_ITEM, Column

DELETED = "deleted at source"
"""The status of an order that the API lists no more."""

FetchStored = Callable[[str, str, str, Sequence[Column]], None]
"""Makes the temporary table NAME of the stage, of what STATEMENT finds by the table KEYS: name,
keys, statement, columns."""

_PLACE = [c for c in ORDER_ADDRESS.columns if c.name not in {"ordernumber", "source"}]
_PLACES = ", ".join(f"a.{column.name}" for column in _PLACE)
_HEAD = [c for c in ORDER_HEADER.columns if c.name not in {"loaded_at", "source"}]
_HEADS = ", ".join(f"h.{column.name}" for column in _HEAD)
_ID = next(c for c in ORDER_HEADER.columns if c.name == "order_id")
_ITEM = [c for c in ORDER_ITEM.columns if c.name in {"sku", "quantity"}]
_ADDRESSED = "order_header AS h JOIN order_address AS a USING (source, ordernumber)"

ID_COLUMN = (_ID,)
"""The columns of a table of keys."""

_NAMED = "h.source = ? AND h.order_id IN (SELECT order_id FROM {keys})"
_ADDRESSES = f"SELECT h.order_id, {_PLACES} FROM {_ADDRESSED} WHERE {_NAMED}"
_ORDERS = f"SELECT {_HEADS}, {_PLACES} FROM {_ADDRESSED} WHERE {_NAMED}"
_ITEMS = f"""SELECT h.order_id, i.sku, i.quantity
FROM order_header AS h JOIN order_item AS i USING (source, ordernumber) WHERE {_NAMED}"""

NOT_DELETED = f"""SELECT h.order_id, h.ordered_at, h.page FROM order_header AS h
WHERE h.source = ? AND (h.status IS NULL OR h.status <> '{DELETED}')"""
"""The stored orders that are not known to have vanished."""

NOT_DELETED_COLUMNS = tuple(
    c for c in ORDER_HEADER.columns if c.name in {"order_id", "ordered_at", "page"}
)

_NO_ADDRESS = "name IS NULL AND line1 IS NULL AND line2 IS NULL"
_BLANK = f"""CREATE OR REPLACE TEMP TABLE blank AS
SELECT order_id, {{'modified_at': coalesce(modified_at, '-infinity'), 'page': page,
                  'position': position}} AS version
FROM to_write WHERE {_NO_ADDRESS}"""
# The newest of its earlier versions with one, where that is newer than what is stored.
_EARLIER = f"""CREATE OR REPLACE TEMP TABLE earlier AS
SELECT order_id, {", ".join(c.name for c in _PLACE)} FROM (
    SELECT *, {{'modified_at': coalesce(modified_at, '-infinity'), 'page': page,
               'position': position}} AS version FROM staged_order) AS s
WHERE NOT ({_NO_ADDRESS}) AND EXISTS (
    SELECT 1 FROM blank WHERE blank.order_id = s.order_id AND blank.version > s.version)
  AND NOT EXISTS (
    SELECT 1 FROM stored_order WHERE stored_order.order_id = s.order_id AND s.version <
        {{'modified_at': coalesce(stored_order.modified_at, '-infinity'), 'page': stored_order.page,
         'position': -1}})
QUALIFY row_number() OVER (PARTITION BY order_id ORDER BY version DESC) = 1"""
_KEPT = ", ".join(f"{c.name} = coalesce(to_write.{c.name}, kept.{c.name})" for c in _PLACE)
_KEEP = f"UPDATE to_write SET {_KEPT} FROM {{kept}} AS kept WHERE to_write.order_id = kept.order_id"

# What is listed no more, but for what came with this page or after it.
_VANISHED = """CREATE OR REPLACE TEMP TABLE vanished AS
SELECT order_id FROM stored_id WHERE page < ? AND order_id NOT IN (SELECT order_id FROM listed)"""
# An API that shows the last weeks only has not deleted what is older.
_NOT_OUT_OF_SIGHT = """ AND ordered_at >= (
    SELECT min(ordered_at) FROM stored_id WHERE order_id IN (SELECT order_id FROM listed))"""
_STAGE_VANISHED = f"""INSERT INTO staged_order BY NAME
SELECT ? AS page, row_number() OVER (ORDER BY order_id) - 1 AS position,
    ordernumber, order_id, '{DELETED}' AS status, false AS counted, ordered_at, modified_at,
    currency, total, channel, {", ".join(c.name for c in _PLACE)},
    coalesce(lines.items, []) AS items, item_quantity,
    md5('{DELETED}' || content_hash) AS content_hash
FROM vanished_order LEFT JOIN (
    SELECT order_id, list_sort(list({{'sku': sku, 'quantity': quantity}})) AS items
    FROM vanished_item GROUP BY order_id) AS lines USING (order_id)"""


def keep_addresses(stage: duckdb.DuckDBPyConnection, fetch: FetchStored) -> None:
    """Give orders whose address came blank the one that came before, or the one that is stored."""
    stage.execute(_BLANK)
    if not count_rows(stage, "blank"):
        return
    stage.execute(_EARLIER)
    stage.execute(_KEEP.format(kept="earlier"))
    stage.execute("CREATE OR REPLACE TEMP TABLE stored_blank AS "
                  "SELECT order_id FROM blank SEMI JOIN stored_order USING (order_id) "
                  "ANTI JOIN earlier USING (order_id)")  # fmt: skip
    if count_rows(stage, "stored_blank"):
        keys = "stored_blank"
        fetch("kept", keys, _ADDRESSES.format(keys=keys), [_ID, *_PLACE])
        stage.execute(_KEEP.format(kept="kept"))


def stage_vanished(
    stage: duckdb.DuckDBPyConnection,
    fetch: FetchStored,
    page: int,
    listed: Sequence[str],
    *,
    partial: bool,
) -> tuple[int, int]:
    """Stage the stored orders that the API lists no more, as deleted.

    The tables ``stored_id`` (:data:`NOT_DELETED`) and ``staged_order`` must be there.

    :param page: the page that the list came with.
    :param listed: ids of the orders that are listed.
    :param partial: whether the list may leave old orders out.
    :return: how many vanished, and how many were stored.
    """
    stage.execute(
        "CREATE OR REPLACE TEMP TABLE listed AS SELECT unnest($1::VARCHAR[]) AS order_id",
        [list(listed)],
    )
    stage.execute(_VANISHED + (_NOT_OUT_OF_SIGHT if partial else ""), [page])
    if gone := count_rows(stage, "vanished"):
        fetch("vanished_order", "vanished", _ORDERS.format(keys="vanished"), [*_HEAD, *_PLACE])
        fetch("vanished_item", "vanished", _ITEMS.format(keys="vanished"), [_ID, *_ITEM])
        stage.execute("ALTER TABLE vanished_order DROP COLUMN page")
        stage.execute(_STAGE_VANISHED, [page])
    return gone, count_rows(stage, "stored_id")
