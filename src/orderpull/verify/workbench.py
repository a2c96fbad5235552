"""The workbench: a DuckDB connection in which the landing's orders lie beside the stored ones."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple

from orderpull.destinations.stage import count_rows, execute_largely
from orderpull.engine import duckdb
from orderpull.sqltext import literal
from orderpull.verify import joined
from orderpull.verify.landed import Landed
from orderpull.verify.scope import Scope

_NO_TIME = datetime(1, 1, 1)  # noqa: DTZ001 - as in the tables

_AT_ONCE = 500
"""Orders that are looked up in the warehouse by one statement."""

_SOME_ELSEWHERE = """SELECT ordernumber, order_id, changed, page FROM difference
WHERE elsewhere AND rowid >= ? AND rowid < ?"""
_REJECTED = "SELECT order_id FROM stored_reject WHERE order_id IS NOT NULL"
_UNKNOWN = """SELECT order_id FROM landed.unknown_order
WHERE order_id IN (SELECT unnest(?::VARCHAR[]))"""
_LOOKED_UP = """SELECT ordernumber, order_id, modified_at, page FROM order_header
WHERE source = ? AND (ordernumber IN ({marks}) OR order_id IN ({marks}))"""
_WAITING = """SELECT order_id FROM stored_reject WHERE reason = 'number_reused'"""
_CHANGE = """
UPDATE difference SET kind = 'older', detail = 'page ' || page || ' has a newer version'
WHERE ordernumber IN (SELECT unnest(?::VARCHAR[]))"""
_DROP = "DELETE FROM difference WHERE ordernumber IN (SELECT unnest(?::VARCHAR[]))"


@contextmanager
def workbench(
    scope: Scope, extent: Landed, *, every: bool = False
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB connection with the table ``difference``, and both sides as in ``joined.py``.

    :param every: with all stored orders, those of pages that were not read too.
    """
    first = 1 if every else extent.first
    tables = {
        name: (joined.stored_rows(table, columns, scope.name, first), columns)
        for name, (table, columns) in joined.STORED.items()
    }
    source = scope.source
    with scope.reader.workbench(tables) as connection:
        connection.execute(f"ATTACH {literal(str(extent.file))} AS landed (READ_ONLY)")
        try:
            unseen = sorted(extent.unseen)
            connection.execute(
                "CREATE OR REPLACE TEMP TABLE unseen_page AS SELECT unnest(?::BIGINT[]) AS page",
                [unseen],
            )
            macros = joined.macros(extent.first, extent.state.refill)
            for statement in (*macros, *joined.views()):
                connection.execute(statement)
            statement = joined.joined(
                whole=extent.whole,
                first_wins=source.settings.on_change == "ignore",
                may_lack_address=source.settings.keep_address,
            )
            execute_largely(connection, statement)
            if not extent.whole:
                _drop_explained(scope, extent, connection)
            execute_largely(connection, joined.detail())
            yield connection
        finally:
            connection.execute("DETACH landed")


def _drop_explained(scope: Scope, extent: Landed, connection: duckdb.DuckDBPyConnection) -> None:
    """Drop from ``difference`` the landed orders that a page which was not read explains.

    The tables do not have such an order under its number. They may have a newer version of it, from
    such a page, perhaps under another number; or it waits for its number among the rejects. Where
    they have an older one, it is not missing but older.
    """
    waiting = {order_id for (order_id,) in connection.execute(_WAITING).fetchall()}
    first_wins = scope.source.settings.on_change == "ignore"
    unseen = extent.unseen
    explained, older = list[str](), list[str]()
    for first in range(0, count_rows(connection, "difference"), _AT_ONCE):
        some = connection.execute(_SOME_ELSEWHERE, [first, first + _AT_ONCE]).fetchall()
        kept = _kept(scope, some)
        if not first_wins:  # else it is enough that the tables have the order, or its number
            kept = [each for each in kept if each.page < extent.first or each.page in unseen]
        ids = [each.order_id for each in kept]
        unknown = {row[0] for row in connection.execute(_UNKNOWN, [ids]).fetchall()}
        by_id = {each.order_id: each for each in kept}
        by_number = {each.number: each for each in kept}
        for number, order_id, changed, page in some:
            same, holder = by_id.get(order_id), by_number.get(number)
            if (
                order_id in waiting
                or (holder and holder.order_id in unknown)
                or (first_wins and (same or holder))
            ):
                explained.append(number)
            elif same:
                wins = (same.changed, same.page) > (changed, page)
                (explained if wins else older).append(number)
    connection.execute(_DROP, [explained])
    connection.execute(_CHANGE, [older])


class Kept(NamedTuple):
    """A stored version of an order."""

    number: str
    order_id: str
    changed: datetime
    page: int


def _kept(scope: Scope, orders: Sequence[tuple[Any, ...]]) -> list[Kept]:
    """The stored orders with a number or an id of *orders*."""
    if not orders:
        return []
    numbers, ids = [order[0] for order in orders], [order[1] for order in orders]
    marks = ", ".join("?" for _ in orders)
    rows = scope.rows(_LOOKED_UP.format(marks=marks), scope.name, *numbers, *ids)
    return [Kept(number, id_, changed or _NO_TIME, page) for number, id_, changed, page in rows]


def judged_rejects(scope: Scope, extent: Landed) -> str:
    """The condition under which a reject of *extent* is judged."""
    first_wins = scope.source.settings.on_change == "ignore"
    return joined.judged_rejects(whole=extent.whole, first_wins=first_wins)


def missing_rejects(
    scope: Scope, extent: Landed, connection: duckdb.DuckDBPyConnection
) -> list[tuple[str, str, str]]:
    """Name, reason and key of the landed rejects that are not recorded, by name.

    Of an order that the tables have, or another reject of it, the pages that were read do not tell
    which version resolves a reject: such ones are left out, unless every page was read.
    """
    query = joined.missing_rejects(judged_rejects(scope, extent))
    rejects = connection.execute(query).fetchall()
    known = set[str]() if extent.whole else _known_orders(scope, connection, rejects)
    return [
        (name, reason, key)
        for name, reason, order_id, key in rejects
        if not known & {name, order_id}
    ]


def _known_orders(
    scope: Scope, connection: duckdb.DuckDBPyConnection, rejects: Sequence[tuple[Any, ...]]
) -> set[str]:
    """Numbers and ids of landed *rejects* whose order the tables have, or another reject of it."""
    known = {order_id for (order_id,) in connection.execute(_REJECTED).fetchall()}
    for first in range(0, len(rejects), _AT_ONCE):
        some = rejects[first : first + _AT_ONCE]
        for each in _kept(scope, [(number, order_id) for number, _, order_id, _ in some]):
            known |= {each.number, each.order_id}
    return known
