"""One client's conversation: its messages judged, translated and passed on, one at a time.

Each message is answered before the next one is looked at. That makes pipelines slower than on a
real server, and everything else simple.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from tests.doubles.redshift.backend import Backend
from tests.doubles.redshift.canned_replies import tag, told
from tests.doubles.redshift.copy_statement import CopyStatement
from tests.doubles.redshift.translate import Statement, translate
from tests.doubles.redshift.wire import Wire, WireError, text, zero


class HangUp(Exception):
    """Raised by a gate: close this client's connection without another word."""


class Warehouse(Protocol):
    """What a session needs of the double that it is part of."""

    gate: Callable[[str], None] | None
    gate_after: Callable[[str], None] | None

    def record(self, statement: str) -> None:
        """Note that a client sent *statement*."""

    def load(
        self, copy: CopyStatement, backend: Backend, database: str, cancelled: Callable[[], bool]
    ) -> tuple[int, int]:
        """Do a COPY; the number of its rows and its own. :raises WireError: it failed."""


@dataclass
class _Prepared:
    statement: Statement
    judged: bool = True
    """Whether what must happen before it runs has happened, for the next time it runs."""


class Session:
    """One client at work."""

    def __init__(self, client: Wire, backend: Backend, warehouse: Warehouse, database: str) -> None:
        self._client = client
        self._backend = backend
        self._warehouse = warehouse
        self._database = database
        self._prepared: dict[str, _Prepared] = {}
        self._portals: dict[str, Statement] = {}
        self._skipping = False
        self._places_hold = True
        self._copied: tuple[int, int] = (0, -1)
        self.cancelled = False

    def run(self) -> None:
        """Serve until the client leaves. :raises HangUp: a gate said so."""
        while True:
            kind, body = self._client.read()
            if kind == b"X":
                return
            if kind == b"Q":
                self._query(text(body)[0])
            elif kind == b"S":
                self._sync()
            elif kind == b"H":
                self._client.flush()
            elif not self._skipping:
                self._extended(kind, body)

    def _extended(self, kind: bytes, body: bytes) -> None:
        steps = {
            b"P": self._parse,
            b"B": self._bind,
            b"D": self._describe,
            b"E": self._execute,
            b"C": self._close,
        }
        try:
            steps.get(kind, self._refuse)(body)
        except WireError as error:
            self._fail(error)

    def _parse(self, body: bytes) -> None:
        name, at = text(body)
        sql, at = text(body, at)
        self._warehouse.record(sql)
        statement = translate(sql)
        self._before(statement)
        if self._pass_on(b"P", zero(name) + zero(statement.sql) + body[at:], b"1"):
            self._prepared[name] = _Prepared(statement)

    def _bind(self, body: bytes) -> None:
        portal, at = text(body)
        name, _ = text(body, at)
        prepared = self._prepared.get(name)
        if prepared is None:
            raise WireError("26000", f'prepared statement "{name}" does not exist')
        if not prepared.judged:
            self._warehouse.record(prepared.statement.text)
            self._before(prepared.statement)
        prepared.judged = False
        self._portals[portal] = prepared.statement
        self._pass_on(b"B", body, b"2")

    def _describe(self, body: bytes) -> None:
        self._pass_on(b"D", body, b"Tn")

    def _close(self, body: bytes) -> None:
        self._pass_on(b"C", body, b"3")

    def _refuse(self, _: bytes) -> None:
        raise WireError("08P01", "The double does not know this kind of message.")

    def _execute(self, body: bytes) -> None:
        statement = self._portals.get(text(body)[0])
        if statement is None:
            raise WireError("34000", "portal does not exist")
        if statement.copy:
            self._copy(statement.copy)
        elif not self._pass_on(b"E", body, b"CIs"):
            return
        self._after(statement)

    def _sync(self) -> None:
        self._pass_on(b"S", b"", b"Z")
        self._skipping = False
        self._client.flush()

    def _query(self, sql: str) -> None:
        """The simple protocol: one statement, everything about it at once."""
        try:
            self._warehouse.record(sql)
            statement = translate(sql)
            self._before(statement)
            if statement.copy:
                self._copy(statement.copy)
                self._client.put(b"Z", self._backend.status)
            else:
                self._pass_on(b"Q", zero(statement.sql), b"Z")
            self._after(statement)
        except WireError as error:
            self._fail(error)
            self._skipping = False
            self._client.put(b"Z", self._backend.status)
        self._client.flush()

    def _before(self, statement: Statement) -> None:
        """What happens before a statement runs, and before PostgreSQL locks anything for it."""
        self.cancelled = False
        # An error's place in the translation is one in the client's text if they are the same.
        self._places_hold = statement.text.lower().startswith(statement.sql.lower())
        if self._warehouse.gate:
            self._warehouse.gate(statement.text)
        if statement.kind == "TRUNCATE" and self._backend.in_transaction:
            raise WireError(
                "0A000",
                "The Redshift of these tests refuses TRUNCATE within a transaction.",
                hint="On a real one it commits what was done before. Use DELETE.",
            )
        if self._backend.status == b"T" and statement.reads:
            self._fix_snapshot(statement)
        if statement.asks_last and self._backend.status != b"E":
            count, number = self._copied
            self._backend.query(
                f"SELECT set_config('redshift.last_copy_count', '{count}', false), "
                f"set_config('redshift.last_copy_id', '{number}', false), "
                f"set_config('redshift.last_query_id', '{number}', false)"
            )

    def _fix_snapshot(self, statement: Statement) -> None:
        """Take the transaction's snapshot, and then the lock that an UPDATE or DELETE waits for.

        In this order two loaders that do not LOCK leave rows twice even where DELETE is the first
        thing that they do. An older page of the documentation has it the other way round.
        """
        if statement.kind not in {"SELECT", "INSERT"}:
            self._backend.query("SELECT 1")
        if statement.writes:
            self._backend.query(f"LOCK TABLE {statement.writes} IN SHARE ROW EXCLUSIVE MODE")

    def _after(self, statement: Statement) -> None:
        if self._warehouse.gate_after:
            self._warehouse.gate_after(statement.text)

    def _copy(self, copy: CopyStatement) -> None:
        self._copied = self._warehouse.load(
            copy, self._backend, self._database, lambda: self.cancelled
        )
        self._client.put(b"C", zero("COPY"))

    def _pass_on(self, kind: bytes, body: bytes, until: bytes) -> bool:
        """Ask PostgreSQL, hand on its answers; whether it did as asked."""
        sound = True
        for answer, content in self._backend.ask(kind, body, until):
            if answer == b"E":
                sound = False
                self._skipping = True
                error = told(WireError.read(content))
                if not self._places_hold:
                    error.fields.pop("P", None)
                self._client.put(b"E", error.body())
            elif answer == b"C":
                self._client.put(b"C", tag(content))
            else:
                self._client.put(answer, content)
        return sound

    def _fail(self, error: WireError) -> None:
        """Tell the double's own *error*; the rest up to the next Sync is skipped."""
        self._backend.spoil()
        self._skipping = True
        self._client.put(b"E", told(error).body())
