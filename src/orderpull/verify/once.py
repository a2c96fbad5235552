"""Possible losses of a shop that returns each order once, and gaps in its order numbers.

Such a shop cannot be asked again. The ledger knows the responses that did not arrive whole. Where
order numbers are consecutive, a number between those that came is an order that never did.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from orderpull.engine import duckdb
from orderpull.model import ORDER_HEADER
from orderpull.sqltext import literal
from orderpull.verify.result import MAX_LISTED, Difference, Where
from orderpull.verify.scope import Comparison, Scope

FEWEST = 100
"""Orders with one prefix from which their numbers may be called consecutive."""

DENSE = 0.95
"""Share of the numbers between the lowest and the highest that must be there."""

_AT_ONCE = 500
_LOST = "SELECT page FROM orderpull_page WHERE source = ? AND possible_loss{since} ORDER BY page"
# The numbers of each prefix, such as R- of R-1042; with zeros in front they have one length.
_GAPS = f"""
WITH parted AS (
    SELECT regexp_extract(ordernumber, '^(.*?)([0-9]{{1,15}})$', ['prefix', 'digits']) AS part
    FROM numbered WHERE regexp_full_match(ordernumber, '.*?[0-9]{{1,15}}')),
spans AS (
    SELECT part.prefix AS prefix, min(part.digits::BIGINT) AS lowest,
        max(part.digits::BIGINT) AS highest, count(DISTINCT part.digits::BIGINT) AS numbers,
        CASE WHEN bool_or(part.digits LIKE '0%') THEN max(length(part.digits)) ELSE 1 END AS width
    FROM parted GROUP BY ALL)
SELECT DISTINCT prefix || CASE WHEN length(number::VARCHAR) < width
    THEN lpad(number::VARCHAR, width::INTEGER, '0') ELSE number::VARCHAR END AS ordernumber
FROM (SELECT prefix, width, unnest(generate_series(lowest, highest)) AS number FROM spans
      WHERE numbers >= {FEWEST} AND numbers >= {DENSE} * (highest - lowest + 1)) AS possible
WHERE (prefix, number) NOT IN (SELECT (part.prefix, part.digits::BIGINT) FROM parted)
ORDER BY 1 LIMIT {MAX_LISTED + 1}"""
_KNOWN = """
SELECT ordernumber FROM order_header WHERE source = ? AND ordernumber IN ({marks})
UNION ALL SELECT ordernumber FROM orderpull_reject WHERE source = ? AND ordernumber IN ({marks})"""


class ConsumedOnce(Comparison):
    """The responses and the order numbers of an API that returns each order once."""

    where: Where = "shop-tables"

    def compare(self, scope: Scope) -> Iterator[Difference]:
        """Yield responses with which orders may be lost, then numbers that never came."""
        if not scope.source.api.consume_once:
            return
        since = "" if scope.since is None else " AND received_at >= ?"
        values = () if scope.since is None else (scope.since,)
        for (page,) in scope.rows(_LOST.format(since=since), scope.name, *values):
            lost = "orders may be lost with this response of the API"
            yield Difference(f"page {page}", "missing", self.where, lost)
        if scope.source.api.mapping.where is None:  # else carts and drafts have numbers, too
            for number in _gaps(scope):
                never = "numbers before and after it came, it never did"
                yield Difference(number, "missing", self.where, never)


def _gaps(scope: Scope) -> Iterator[str]:
    """Yield the numbers between those of the orders placed within the span of time."""
    rows = f"SELECT ordernumber FROM order_header WHERE source = {literal(scope.name)}"
    if scope.since is not None:
        rows += f" AND ordered_at >= TIMESTAMP '{scope.since:%Y-%m-%d %H:%M:%S}'"
    numbers = ORDER_HEADER.pick("ordernumber")
    with scope.reader.workbench({"numbered": (rows, numbers)}) as connection:
        gaps = _fetch(connection)
    for first in range(0, len(gaps), _AT_ONCE):
        some = gaps[first : first + _AT_ONCE]
        marks = ", ".join("?" for _ in some)
        known = scope.rows(_KNOWN.format(marks=marks), scope.name, *some, scope.name, *some)
        there = {number for (number,) in known}
        yield from (number for number in some if number not in there)


def _fetch(connection: duckdb.DuckDBPyConnection) -> Sequence[str]:
    rows: list[tuple[Any, ...]] = connection.execute(_GAPS).fetchall()
    return [number for (number,) in rows]
