"""Stored orders that are fetched into the stage: vanished orders, and addresses to keep.

Each statement selects orders by their sources and ids, which are in a table of keys of the stage,
which the loader uploads first.
"""

from collections.abc import Callable, Sequence

from orderpull.destinations.stage import count_rows
from orderpull.engine import duckdb
from orderpull.model import ORDER_ADDRESS, ORDER_HEADER, ORDER_ITEM, Column
from orderpull.normalize.staging import ITEM_FIELDS

DELETED = "deleted at source"
"""The status of an order that the API no longer lists."""

FetchStored = Callable[[str, str, str, Sequence[Column]], None]
"""Makes a temporary table of the stage: name, table of keys, statement that uses it, columns."""


def keyed(table: str, keys: str, column: str = "order_id") -> str:
    """SQL condition: the table *keys* has the source and *column* of a row of *table*."""
    return f"""EXISTS (SELECT 1 FROM {keys} AS k
        WHERE k.source = {table}.source AND k.{column} = {table}.{column})"""


ADDRESS_COLUMNS = [c for c in ORDER_ADDRESS.columns if c.name not in {"ordernumber", "source"}]
_ADDRESS_NAMES = ", ".join(f"a.{column.name}" for column in ADDRESS_COLUMNS)
HEAD_COLUMNS = [c for c in ORDER_HEADER.columns if c.name != "loaded_at"]
_HEAD_NAMES = ", ".join(f"h.{column.name}" for column in HEAD_COLUMNS)
ITEM_COLUMNS = ORDER_ITEM.pick("sku, quantity, title, amount, returned")
_ADDRESSED = "order_header AS h JOIN order_address AS a USING (source, ordernumber)"

ID_COLUMNS = ORDER_HEADER.pick("source, order_id")
"""The columns of a table of keys."""

_NAMED = keyed("h", "{keys}")
_ADDRESSES = f"SELECT h.source, h.order_id, {_ADDRESS_NAMES} FROM {_ADDRESSED} WHERE {_NAMED}"
ORDERS = f"SELECT {_HEAD_NAMES}, {_ADDRESS_NAMES} FROM {_ADDRESSED} WHERE {_NAMED}"
_ITEM_NAMES = ", ".join(f"i.{column.name}" for column in ITEM_COLUMNS)
ITEMS = f"""SELECT h.source, h.order_id, {_ITEM_NAMES}
FROM order_header AS h JOIN order_item AS i USING (source, ordernumber) WHERE {_NAMED}"""

ROW = Column("stored_row", "integer", "")
"""DuckDB's number of the row; other warehouses have no such number."""

OLD_ROWS = {
    ORDER_ADDRESS: ("old_address", ORDER_ADDRESS.pick("source, ordernumber, country")),
    ORDER_ITEM: ("old_item", ORDER_ITEM.columns),
}
"""The stage's table of stored rows of orders that a batch replaces, and its columns."""

NOT_DELETED = f"""SELECT h.source, h.order_id, h.ordered_at, h.page FROM order_header AS h
WHERE h.source = ? AND (h.status IS NULL OR h.status <> '{DELETED}')"""
"""Selects the stored orders of a source that are not deleted there."""

NOT_DELETED_COLUMNS = ORDER_HEADER.pick("source, order_id, ordered_at, page")

_NO_ADDRESS = "name IS NULL AND line1 IS NULL AND line2 IS NULL"
_BLANK = f"""CREATE OR REPLACE TEMP TABLE blank_address AS
SELECT source, page, position, order_id, {{'modified_at': coalesce(modified_at, '-infinity'),
                                          'page': page, 'position': position}} AS version
FROM to_write WHERE {_NO_ADDRESS}"""
# The newest earlier version with an address, if it is newer than the stored version.
_EARLIER = f"""CREATE OR REPLACE TEMP TABLE earlier_address AS
SELECT source, order_id, {", ".join(c.name for c in ADDRESS_COLUMNS)} FROM (
    SELECT *, {{'modified_at': coalesce(modified_at, '-infinity'), 'page': page,
               'position': position}} AS version FROM staged_order) AS s
WHERE NOT ({_NO_ADDRESS}) AND EXISTS (
    SELECT 1 FROM blank_address AS b
    WHERE b.source = s.source AND b.order_id = s.order_id AND b.version > s.version)
  AND NOT EXISTS (
    SELECT 1 FROM stored_order
    WHERE stored_order.source = s.source AND stored_order.order_id = s.order_id AND s.version <
        {{'modified_at': coalesce(stored_order.modified_at, '-infinity'), 'page': stored_order.page,
         'position': -1}})
QUALIFY row_number() OVER (PARTITION BY source, order_id ORDER BY version DESC) = 1"""
_COALESCED = ", ".join(
    f"{c.name} = coalesce(staged_order.{c.name}, former.{c.name})" for c in ADDRESS_COLUMNS
)
_KEEP = f"""UPDATE staged_order SET {_COALESCED} FROM {{table}} AS former
WHERE staged_order.source = former.source AND staged_order.order_id = former.order_id
  AND (staged_order.source, staged_order.page, staged_order.position)
      IN (SELECT (source, page, position) FROM blank_address)"""

# Orders that are no longer listed, except those that came with this page or a later one.
_VANISHED = """CREATE OR REPLACE TEMP TABLE vanished AS
SELECT source, order_id FROM stored_id
WHERE page < ? AND order_id NOT IN (SELECT order_id FROM listed)"""
# An API that lists the last weeks only has not deleted older orders.
_NOT_OUT_OF_SIGHT = """ AND ordered_at >= (
    SELECT min(ordered_at) FROM stored_id WHERE order_id IN (SELECT order_id FROM listed))"""
_STAGE_VANISHED = f"""INSERT INTO staged_order BY NAME
SELECT source, ? AS page, row_number() OVER (ORDER BY order_id) - 1 AS position,
    ordernumber, order_id, '{DELETED}' AS status, false AS counted, ordered_at, modified_at,
    currency, total, discount, shipping, tax, refunded, customer, channel,
    {", ".join(c.name for c in ADDRESS_COLUMNS)},
    coalesce(lines.items, []) AS items, item_quantity,
    md5('{DELETED}' || content_hash) AS content_hash
FROM vanished_order LEFT JOIN (
    SELECT order_id, list_sort(list({{{ITEM_FIELDS}}})) AS items
    FROM vanished_item GROUP BY order_id) AS lines USING (order_id)"""


def keep_addresses(stage: duckdb.DuckDBPyConnection, fetch: FetchStored) -> None:
    """Give orders with a blank address their earlier address, else the stored one."""
    stage.execute(_BLANK)
    if not count_rows(stage, "blank_address"):
        return
    stage.execute(_EARLIER)
    stage.execute(_KEEP.format(table="earlier_address"))
    stage.execute("""CREATE OR REPLACE TEMP TABLE still_blank AS
        SELECT source, order_id FROM blank_address
        SEMI JOIN stored_order USING (source, order_id)
        ANTI JOIN earlier_address USING (source, order_id)""")
    if count_rows(stage, "still_blank"):
        keys = "still_blank"
        fetch("stored_address", keys, _ADDRESSES.format(keys=keys), [*ID_COLUMNS, *ADDRESS_COLUMNS])
        stage.execute(_KEEP.format(table="stored_address"))


def stage_vanished(
    stage: duckdb.DuckDBPyConnection,
    fetch: FetchStored,
    page: int,
    listed: Sequence[str],
    *,
    partial: bool,
) -> tuple[int, int]:
    """Stage the stored orders that the API no longer lists, as deleted.

    The tables ``stored_id`` (:data:`NOT_DELETED`) and ``staged_order`` must be there. Parameters
    and result as ``Loader.stage_vanished``.
    """
    stage.execute(
        "CREATE OR REPLACE TEMP TABLE listed AS SELECT unnest($1::VARCHAR[]) AS order_id",
        [list(listed)],
    )
    stage.execute(_VANISHED + (_NOT_OUT_OF_SIGHT if partial else ""), [page])
    if vanished := count_rows(stage, "vanished"):
        fetch(
            "vanished_order",
            "vanished",
            ORDERS.format(keys="vanished"),
            [*HEAD_COLUMNS, *ADDRESS_COLUMNS],
        )
        fetch(
            "vanished_item", "vanished", ITEMS.format(keys="vanished"), [*ID_COLUMNS, *ITEM_COLUMNS]
        )
        stage.execute("ALTER TABLE vanished_order DROP COLUMN page")
        stage.execute(_STAGE_VANISHED, [page])
    return vanished, count_rows(stage, "stored_id")
