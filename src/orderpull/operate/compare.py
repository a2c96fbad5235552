"""Compare two warehouses row by row, in the byte order of the keys.

Both sides are streamed, so memory does not grow with the tables. Each row is encoded in one
canonical form, so every kind of warehouse gives the same checksum for the same rows.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from decimal import Decimal
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from orderpull.destinations.protocol import Reader
from orderpull.model import DATA_TABLES, LEDGER_PAGE, LEDGER_REJECT, Column, Table

if TYPE_CHECKING:
    import sqlalchemy as sa

MAX_NAMES = 5
"""Differing rows that are named for each table."""

_COLUMNS = {
    table: tuple(column for column in table.columns if column.name != "loaded_at")
    for table in DATA_TABLES
} | {LEDGER_REJECT: LEDGER_REJECT.pick("reject_key, page, position, reason")}
"""The compared columns of each table."""

Row = tuple[Any, ...]
Pair = tuple[Row | None, Row | None]


@dataclass(frozen=True, slots=True)
class Side:
    """The rows of one table and source in one warehouse. :param sha256: checksum of all rows."""

    rows: int
    sha256: str


@dataclass(frozen=True, slots=True)
class TableComparison:
    """One table of one source in both warehouses.

    :param differing: number of rows that differ, or exist on one side only.
    :param named: names of the first of these rows: order numbers, for rejects ``PAGE:POSITION``.
    :param more: whether further rows differ.
    """

    source: str
    table: str
    origin: Side
    target: Side
    differing: int
    named: tuple[str, ...]
    more: bool

    @property
    def equal(self) -> bool:
        """True if both sides hold the same rows."""
        return self.origin == self.target

    def as_json(self) -> dict[str, Any]:
        """Return the object that ``replay --into --json`` prints."""
        return {
            "source": self.source,
            "table": self.table,
            "equal": self.equal,
            "rows": {"origin": self.origin.rows, "target": self.target.rows},
            "sha256": {"origin": self.origin.sha256, "target": self.target.sha256},
            "differing": self.differing,
            "named": list(self.named),
            "more": self.more,
        }


@dataclass(frozen=True, slots=True)
class MissingPages:
    """Pages of a source that one warehouse has not loaded, as ranges: ``3-7, 9``."""

    source: str
    origin: str
    target: str


@dataclass(frozen=True, slots=True)
class UnfilledPages:
    """Loaded pages whose orders still lack the columns of an update of the tables."""

    source: str
    first: int
    last: int


@dataclass(slots=True)
class Comparison:
    """The comparison of two warehouses.

    :param tables: empty if *missing* is not.
    :param unfilled: of each side, origin and target, for which rows differ that are not filled yet.
    """

    missing: list[MissingPages] = field(default_factory=list)
    unfilled: tuple[list[UnfilledPages], list[UnfilledPages]] = field(
        default_factory=lambda: ([], [])
    )
    tables: list[TableComparison] = field(default_factory=list)

    @property
    def equal(self) -> bool:
        """True if both have loaded the same pages and hold the same rows."""
        return not self.missing and all(table.equal for table in self.tables)


def compare(origin: Reader, target: Reader, sources: Sequence[str]) -> Comparison:
    """Compare the data and the open rejects of *sources* in two warehouses."""
    comparison = Comparison()
    for source in sources:
        if missing := _pages(origin, target, source):
            comparison.missing.append(missing)
    if not comparison.missing:
        comparison.unfilled = _unfilled(origin, sources), _unfilled(target, sources)
        comparison.tables = [
            _compared(table, origin, target, source) for source in sources for table in _COLUMNS
        ]
    return comparison


def _unfilled(reader: Reader, sources: Sequence[str]) -> list[UnfilledPages]:
    from orderpull.answers import ledger

    rows = reader.rows(ledger.refills(tuple(sources)))
    return [UnfilledPages(r["source"], r["refill_from"], r["refill_to"]) for r in rows]


def canonical(row: Row, columns: Sequence[Column]) -> bytes:
    """Encode *row* unambiguously: NULL differs from '', 1.5 equals 1.50, times are UTC."""
    return b"".join(map(_canonical, row, columns))


def _canonical(value: Any, column: Column) -> bytes:  # noqa: ANN401 - a value of a table
    if value is None:
        return b"-"
    if column.type == "money":
        value = f"{Decimal(value):.4f}"
    elif column.type == "time":
        utc = value.astimezone(UTC) if value.tzinfo else value
        value = utc.replace(tzinfo=None).isoformat(timespec="microseconds")
    elif column.type == "boolean":
        value = "true" if value else "false"
    encoded = str(value).encode()
    return b"%d:%b" % (len(encoded), encoded)


def _compared(table: Table, origin: Reader, target: Reader, source: str) -> TableComparison:
    columns = _COLUMNS[table]
    names = [column.name for column in columns]
    key = itemgetter(*(names.index(name) for name in table.key if name != "source"))
    query = rows_by_key(table, names, [source])
    hashes, counts = (hashlib.sha256(), hashlib.sha256()), [0, 0]
    differing, named, more = 0, list[str](), False
    rows = _merged(origin.query(query).rows, target.query(query).rows, key)
    for pair in rows:
        encoded = [None if row is None else canonical(row, columns) for row in pair]
        for side, row in enumerate(encoded):
            if row is not None:
                hashes[side].update(row)
                counts[side] += 1
        if encoded[0] != encoded[1]:
            differing += 1
            first = pair[0] or pair[1] or ()
            name = f"{first[1]}:{first[2]}" if table is LEDGER_REJECT else str(first[0])
            if name not in named and len(named) < MAX_NAMES:
                named.append(name)
            more = more or name not in named
    ours, theirs = (Side(n, h.hexdigest()) for n, h in zip(counts, hashes, strict=True))
    return TableComparison(source, table.name, ours, theirs, differing, tuple(named), more)


def rows_by_key(table: Table, names: Sequence[str], sources: Sequence[str]) -> "sa.Select[Any]":
    """Select the columns *names* of *table*, in byte order of its key.

    :param sources: only rows of these sources; empty for all.
    """
    import sqlalchemy as sa

    from orderpull.answers.tables import TABLE, in_bytes

    columns = TABLE[table.name].c
    types = {column.name: column.type for column in table.columns}
    order = [in_bytes(columns[k]) if types[k] == "text" else columns[k] for k in table.key]
    query = sa.select(*(columns[name] for name in names)).order_by(*order)
    return query.where(columns.source.in_(sources)) if sources else query


def _merged(
    origin: Iterator[Row], target: Iterator[Row], key: Callable[[Row], Any]
) -> Iterator[Pair]:
    """Merge the sorted rows of both sides into pairs with one key.

    UTF-8 text in byte order has the order of Python's ``str``.
    """
    one, other = next(origin, None), next(target, None)
    while one is not None or other is not None:
        if other is None or (one is not None and key(one) < key(other)):
            yield one, None
            one = next(origin, None)
        elif one is None or key(other) < key(one):
            yield None, other
            other = next(target, None)
        else:
            yield one, other
            one, other = next(origin, None), next(target, None)


def _pages(origin: Reader, target: Reader, source: str) -> MissingPages | None:
    """Return the pages that one side has not loaded with the same bytes; None if both have all."""
    names = ("page", "sha256")
    query = rows_by_key(LEDGER_PAGE, names, [source])
    missing: tuple[list[int], list[int]] = ([], [])
    for one, other in _merged(origin.query(query).rows, target.query(query).rows, itemgetter(0, 1)):
        if one is None and other is not None:
            missing[0].append(other[0])
        elif other is None and one is not None:
            missing[1].append(one[0])
    if not any(missing):
        return None
    return MissingPages(source, *map(ranges, missing))


def ranges(pages: Sequence[int]) -> str:
    """Format ascending *pages* as ranges: ``3-7, 9``."""
    groups = groupby(enumerate(pages), lambda pair: pair[1] - pair[0])
    runs = [[page for _, page in group] for _, group in groups]
    return ", ".join(f"{run[0]}-{run[-1]}" if run[1:] else str(run[0]) for run in runs)
