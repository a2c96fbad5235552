"""Compare: whether two warehouses hold the same, row by row in the order of their keys.

Both sides are read once, in byte order of the keys, and never held whole: memory does not grow with
the tables. What a row holds is written in one canonical way, so that every kind of warehouse gives
the same checksum for the same rows.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from orderpull.destinations.protocol import Reader
from orderpull.model import DATA_TABLES, LEDGER_PAGE, LEDGER_REJECT, Column, Table

if TYPE_CHECKING:
    import sqlalchemy as sa

NAMED = 5
"""How many of the differing orders are named."""

_NOT_COMPARED = {"loaded_at"}
_OF_REJECT = ("reject_key", "page", "position", "reason")

Row = tuple[Any, ...]
Pair = tuple[Row | None, Row | None]


@dataclass(frozen=True, slots=True)
class Side:
    """What one warehouse holds of one table and source. :param sha256: over all rows."""

    rows: int
    sha256: str


@dataclass(frozen=True, slots=True)
class TableCompared:
    """One table of one source in both warehouses.

    :param differing: rows that one side lacks, or that are not the same.
    :param named: the first few of them: order numbers; of rejects ``PAGE:POSITION``.
    :param more: whether there are others.
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
        """Whether both sides hold the same."""
        return self.origin == self.target

    def as_json(self) -> dict[str, Any]:
        """As ``replay --into --json`` shows it."""
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
class Lacking:
    """Loaded pages of a source that only the other warehouse has, as ranges: ``3-7, 9``."""

    source: str
    origin: str
    target: str


@dataclass(slots=True)
class Comparison:
    """Two warehouses side by side: where they have not loaded the same pages, nothing but that."""

    lacking: list[Lacking] = field(default_factory=list)
    tables: list[TableCompared] = field(default_factory=list)

    @property
    def equal(self) -> bool:
        """Whether both have loaded the same pages and hold the same."""
        return not self.lacking and all(table.equal for table in self.tables)


def compare(origin: Reader, target: Reader, sources: Sequence[str]) -> Comparison:
    """Compare all that two warehouses hold of *sources*: the data, and the open rejects."""
    found = Comparison()
    for source in sources:
        if lacking := _pages(origin, target, source):
            found.lacking.append(lacking)
    if not found.lacking:
        found.tables = [
            compared
            for source in sources
            for compared in (
                *(_table(table, origin, target, source) for table in DATA_TABLES),
                _rejects(origin, target, source),
            )
        ]
    return found


def canonical(row: Row, columns: Sequence[Column]) -> bytes:
    """*row* as bytes that no other row has: NULL is not '', 1.5 is 1.50, times are UTC."""
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


def _table(table: Table, origin: Reader, target: Reader, source: str) -> TableCompared:
    columns = [column for column in table.columns if column.name not in _NOT_COMPARED]
    key = [name for name in table.key if name != "source"]
    shown = _Shown(table, columns, key, lambda row: str(row[0]))
    return _compared(shown, origin, target, source)


def _rejects(origin: Reader, target: Reader, source: str) -> TableCompared:
    known = {column.name: column for column in LEDGER_REJECT.columns}
    columns = [known[name] for name in _OF_REJECT]
    shown = _Shown(LEDGER_REJECT, columns, ["reject_key"], lambda row: f"{row[1]}:{row[2]}")
    return _compared(shown, origin, target, source)


@dataclass(frozen=True, slots=True)
class _Shown:
    """What of a table is compared, by which key, and how a row is called."""

    table: Table
    columns: Sequence[Column]
    key: Sequence[str]
    name: Callable[[Row], str]


def _compared(shown: _Shown, origin: Reader, target: Reader, source: str) -> TableCompared:
    columns, names = shown.columns, [column.name for column in shown.columns]
    query = _rows_of(shown.table, names, shown.key, source)
    hashes, counts = (hashlib.sha256(), hashlib.sha256()), [0, 0]
    differing, named, more = 0, list[str](), False
    rows = _merged(origin.query(query).rows, target.query(query).rows, _key(names, shown.key))
    for pair in rows:
        told = [None if row is None else canonical(row, columns) for row in pair]
        for side, row in enumerate(told):
            if row is not None:
                hashes[side].update(row)
                counts[side] += 1
        if told[0] != told[1]:
            differing += 1
            called = shown.name(pair[0] or pair[1] or ())
            if called not in named and len(named) < NAMED:
                named.append(called)
            more = more or called not in named
    ours, theirs = (Side(n, h.hexdigest()) for n, h in zip(counts, hashes, strict=True))
    return TableCompared(source, shown.table.name, ours, theirs, differing, tuple(named), more)


def _rows_of(
    table: Table, names: Sequence[str], key: Sequence[str], source: str
) -> "sa.Select[Any]":
    """Columns *names* of *table*, of one source, in byte order of *key*."""
    import sqlalchemy as sa

    from orderpull.answers.from_orders import in_bytes, metadata

    columns = metadata(keys=False).tables[table.name].c
    types = {column.name: column.type for column in table.columns}
    order = [in_bytes(columns[k]) if types[k] == "text" else columns[k] for k in key]
    query = sa.select(*(columns[name] for name in names))
    return query.where(columns.source == source).order_by(*order)


def _key(names: Sequence[str], key: Sequence[str]) -> Callable[[Row], Row]:
    places = [names.index(name) for name in key]
    return lambda row: tuple(row[place] for place in places)


def _merged(
    origin: Iterator[Row], target: Iterator[Row], key: Callable[[Row], Row]
) -> Iterator[Pair]:
    """The rows of both sides, those of one key together. Texts in byte order are in str's order."""
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


def _pages(origin: Reader, target: Reader, source: str) -> Lacking | None:
    """The pages that one of the two has not loaded, or not with the same bytes; None if none."""
    names = ("page", "sha256")
    query = _rows_of(LEDGER_PAGE, names, ("page",), source)
    ranges: tuple[list[list[int]], list[list[int]]] = ([], [])
    for one, other in _merged(
        origin.query(query).rows, target.query(query).rows, _key(names, names)
    ):
        if one is None and other is not None:
            _extend(ranges[0], other[0])
        elif other is None and one is not None:
            _extend(ranges[1], one[0])
    if not any(ranges):
        return None
    return Lacking(source, *(", ".join(map(_range, each)) for each in ranges))


def _extend(ranges: list[list[int]], page: int) -> None:
    if ranges and ranges[-1][1] == page - 1:
        ranges[-1][1] = page
    else:
        ranges.append([page, page])


def _range(pages: Sequence[int]) -> str:
    first, last = pages
    return str(first) if first == last else f"{first}-{last}"
