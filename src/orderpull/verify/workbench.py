"""The workbench: a DuckDB connection in which the landing's orders lie beside the stored ones."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from orderpull.destinations.stage import count_rows
from orderpull.engine import duckdb
from orderpull.sqltext import literal
from orderpull.verify import joined
from orderpull.verify.landed import Landed
from orderpull.verify.scope import Scope

_NO_TIME = datetime(1, 1, 1)  # noqa: DTZ001 - as in the tables

_AT_ONCE = 500
"""Orders that are looked up in the warehouse by one statement."""

_SOME_MISSING = """SELECT ordernumber, order_id, changed, page FROM difference
WHERE kind = 'missing' AND rowid >= ? AND rowid < ?"""
_LOOKED_UP = """SELECT ordernumber, order_id, modified_at, page FROM order_header
WHERE source = ? AND (ordernumber IN ({marks}) OR order_id IN ({marks}))"""
_WAITING = """SELECT order_id FROM stored_reject WHERE reason = 'number_reused'"""
_CHANGE = """
UPDATE difference SET kind = 'older', detail = 'page ' || page || ' has a newer version'
WHERE ordernumber IN (SELECT unnest(?::VARCHAR[]))"""
_DROP = "DELETE FROM difference WHERE ordernumber IN (SELECT unnest(?::VARCHAR[]))"


@contextmanager
def workbench(scope: Scope, extent: Landed) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB connection with the table ``difference``, and both sides as in ``joined.py``."""
    tables = {
        name: (joined.stored_rows(table, columns, scope.name, extent.first), columns)
        for name, (table, columns) in joined.STORED.items()
    }
    source = scope.source
    with scope.reader.workbench(tables) as connection:
        connection.execute(f"ATTACH {literal(str(extent.file))} AS landed (READ_ONLY)")
        try:
            connection.execute(joined.unseen(extent.first, extent.unseen))
            for statement in joined.views():
                connection.execute(statement)
            statement = joined.joined(
                whole=extent.whole,
                uncounted_may_be_extra=source.api.mapping.where is not None,
                may_lack_address=source.settings.keep_address,
            )
            connection.execute(statement)
            if not extent.whole:
                _drop_explained(scope, extent, connection)
            connection.execute(joined.detail())
            yield connection
        finally:
            connection.execute("DETACH landed")


def _drop_explained(scope: Scope, extent: Landed, connection: duckdb.DuckDBPyConnection) -> None:
    """Drop from ``difference`` the missing orders that a page which was not read explains.

    The tables may hold a newer version of the order, from such a page, perhaps under another
    number; or it waits for its number among the rejects. Where they hold an older one, it is not
    missing but older.
    """
    waiting = {order_id for (order_id,) in connection.execute(_WAITING).fetchall()}
    first_wins = scope.source.settings.on_change == "ignore"
    explained, older = list[str](), list[str]()
    for first in range(0, count_rows(connection, "difference"), _AT_ONCE):
        some = connection.execute(_SOME_MISSING, [first, first + _AT_ONCE]).fetchall()
        kept = _kept_from_elsewhere(scope, extent, some)
        for number, order_id, changed, page in some:
            version = kept.get(("id", order_id))
            if first_wins:
                version = version or kept.get(("number", number))
            if order_id in waiting or (version and (first_wins or version > (changed, page))):
                explained.append(number)
            elif version:
                older.append(number)
    connection.execute(_DROP, [explained])
    connection.execute(_CHANGE, [older])


def _kept_from_elsewhere(
    scope: Scope, extent: Landed, orders: Sequence[tuple[Any, ...]]
) -> dict[tuple[str, str], tuple[datetime, int]]:
    """The stored versions of *orders* from pages that were not read, by number and by id."""
    if not orders:
        return {}
    numbers, ids = [order[0] for order in orders], [order[1] for order in orders]
    marks = ", ".join("?" for _ in orders)
    rows = scope.rows(_LOOKED_UP.format(marks=marks), scope.name, *numbers, *ids)
    kept = {}
    for number, order_id, changed, page in rows:
        if extent.is_unseen(page):
            kept["number", number] = kept["id", order_id] = (changed or _NO_TIME, page)
    return kept
