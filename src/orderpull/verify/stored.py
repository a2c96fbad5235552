"""The orders of a source that the warehouse holds, has rejected, or is about to load."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
import sqlalchemy as sa

from orderpull.answers import ledger
from orderpull.answers.tables import HEADER, TABLE
from orderpull.destinations.ledger import read_state
from orderpull.destinations.merge.stored import DELETED
from orderpull.engine import duckdb
from orderpull.landing.protocol import SourceLanding
from orderpull.normalize.normalizer import Normalizer
from orderpull.normalize.pages import StagedPage
from orderpull.sources.listing import Listed, OrderReader
from orderpull.verify.scope import Scope

NOTE = "excluded.json"
"""Name of the note with the orders that ``where`` excludes."""

_AT_ONCE = 500
"""Ids in one query."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A row of ``order_header``. :param deleted: it is marked as deleted at the source."""

    order_id: str
    number: str
    modified_at: datetime | None
    ordered_at: datetime | None
    deleted: bool


class StoredOrders:
    """The orders of one source in the warehouse, at the instant of the verification."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._state = read_state(scope.reader.execute, scope.name)
        self.cursor = self._state.cursor

    def times(
        self, since: datetime, until: datetime, placed_from: datetime | None = None
    ) -> Iterator[datetime]:
        """The modification times from *since* on and before *until*, of what is not deleted.

        :param placed_from: leave out the orders that were placed earlier.
        """
        query = sa.select(HEADER.c.modified_at).where(*self._of_period(since, until))
        if placed_from is not None:
            placed = HEADER.c.ordered_at
            query = query.where(sa.or_(placed.is_(None), placed >= placed_from))
        return filter(None, (_utc(time) for (time,) in self._scope.reader.query(query).rows))

    def changed(self, since: datetime, until: datetime) -> list[Stored]:
        """The orders of a period that are not deleted."""
        return self._rows(*self._of_period(since, until))

    def every(self) -> list[Stored]:
        """All orders that are not deleted."""
        return self._rows(HEADER.c.source == self._scope.name, _NOT_DELETED)

    def named(self, order_ids: Iterable[str]) -> dict[str, Stored]:
        """The orders with *order_ids*, deleted ones too, by id."""
        ids, stored = list(order_ids), dict[str, Stored]()
        for start in range(0, len(ids), _AT_ONCE):
            chunk = HEADER.c.order_id.in_(ids[start : start + _AT_ONCE])
            rows = self._rows(HEADER.c.source == self._scope.name, chunk)
            stored.update((row.order_id, row) for row in rows)
        return stored

    def _of_period(self, since: datetime, until: datetime) -> list[sa.ColumnElement[bool]]:
        time = HEADER.c.modified_at
        return [HEADER.c.source == self._scope.name, _NOT_DELETED, time >= since, time < until]

    def _rows(self, *conditions: sa.ColumnElement[bool]) -> list[Stored]:
        query = sa.select(*(HEADER.c[name] for name in _COLUMNS)).where(*conditions)
        return [
            Stored(order_id, number, _utc(modified), _utc(ordered), status == DELETED)
            for order_id, number, modified, ordered, status in self._scope.reader.query(query).rows
        ]

    def read_at(self) -> datetime | None:
        """The start of the last run that read the API to its end."""
        started, pulled = _RUN.c.started_at, _RUN.c.pulled_at
        query = sa.select(sa.func.max(started)).where(
            _RUN.c.source == self._scope.name, pulled >= started
        )
        return _utc(next(self._scope.reader.query(query).rows)[0])

    def waiting(self) -> list[int]:
        """The numbers of the landed pages that are not loaded yet."""
        pages = self._scope.landing.pages(after=self._state.loaded_through)
        return [*self._state.gaps, *pages]


_RUN = TABLE["orderpull_run"]
_COLUMNS = ("order_id", "ordernumber", "modified_at", "ordered_at", "status")
_NOT_DELETED = sa.or_(HEADER.c.status.is_(None), HEADER.c.status != DELETED)


class NotStored:
    """The orders that rightly are in no table: rejected, waiting, or excluded by ``where``.

    :param reader: reads id and time of an order.
    :ivar orders: those that are known, by id, with the modification time if that is known.
    """

    def __init__(self, scope: Scope, stored: StoredOrders, reader: OrderReader) -> None:
        self._scope, self._reader = scope, reader
        source = scope.source
        self._connection = duckdb.connect()
        self._connection.execute("SET TimeZone = 'UTC'; SET threads = 1")
        self._normalizer = Normalizer(self._connection, source.api, source.settings.ordernumber)
        self._excluded = _Excluded.read(scope.landing, str(source.api.order.where))
        self.orders: dict[str, datetime | None] = dict(self._excluded.orders)
        for row in scope.reader.rows(ledger.rejects([scope.name])):
            order = reader.read(str(row["raw"] or "").encode())
            key = order.order_id if order else row["order_id"] or row["ordernumber"]
            if key:
                self.orders[key] = order.modified_at if order else None
        for page in stored.waiting():
            self._add_page(page)

    def _add_page(self, number: int) -> None:
        meta = self._scope.landing.meta(number)
        if meta.kind == "listing":
            return
        page = StagedPage(meta, lambda: self._scope.landing.read(number)[1])
        for piece in self._normalizer.texts.pieces(page, page.body()):
            if piece.whole and (order := self._reader.read(piece.text.encode())):
                self.orders[order.order_id] = order.modified_at

    @property
    def excluded(self) -> Collection[str]:
        """Ids of the orders that ``where`` excludes, as far as they are known."""
        return self._excluded.orders

    def sort_out(self, orders: Iterable[Listed], *, whole: bool) -> dict[str, str]:
        """The numbers of those of *orders* that the tables should have, by id.

        The others are excluded by ``where``; they are noted for the next verification.

        :param whole: the orders have all their fields, not those of a list alone.
        """
        listed = list(orders)
        outline = (
            self._normalizer.outline([order.raw for order in listed], whole=whole) if listed else []
        )
        numbers = {}
        for order, (number, _, included) in zip(listed, outline, strict=True):
            if included:
                numbers[order.order_id] = number or order.order_id
            elif order.modified_at is not None:
                self._excluded.orders[order.order_id] = order.modified_at
        return numbers

    def drop_gone(self, since: datetime, until: datetime, listed: Mapping[str, Listed]) -> None:
        """Forget the excluded orders of a period that the shop does not list there any more."""
        for key, time in list(self._excluded.orders.items()):
            if since <= time < until and key not in listed:
                del self._excluded.orders[key]

    def close(self, since: datetime) -> None:
        """Keep the note of the excluded orders that were changed after *since*."""
        self._connection.close()
        self._excluded.keep(self._scope.landing, since)


class _Excluded(msgspec.Struct):
    """A note beside the pages: orders at the shop that ``where`` excludes, by id.

    The next verification expects them in the shop's counts.

    :param where: the expression that excluded them.
    """

    where: str
    orders: dict[str, datetime] = {}

    @classmethod
    def read(cls, landing: SourceLanding, where: str) -> "_Excluded":
        """The note of *landing*; empty if it is missing, damaged, or of another expression."""
        note = landing.note_as(NOTE, cls)
        return note if note and note.where == where else cls(where)

    def keep(self, landing: SourceLanding, since: datetime) -> None:
        """Write the note without older orders, if it says something new."""
        self.orders = {key: time for key, time in self.orders.items() if time >= since}
        data = msgspec.json.encode(self)
        if data != landing.note(NOTE) and (self.orders or landing.note(NOTE)):
            landing.keep_note(NOTE, data)


def _utc(time: datetime | None) -> datetime | None:
    """*time* without zone, as all times inside the package."""
    return time.astimezone(UTC).replace(tzinfo=None) if time and time.tzinfo else time
