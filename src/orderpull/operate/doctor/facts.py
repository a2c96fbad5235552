"""Facts about a warehouse, read in one session of a moment: tables, ledger, rights, locks."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from orderpull import clock
from orderpull.destinations import ledger
from orderpull.destinations.protocol import Kind, SourceState
from orderpull.destinations.session import Session
from orderpull.errors import OrderpullError
from orderpull.model import (
    LEDGER_CURSOR,
    LEDGER_PAGE,
    LEDGER_RUN,
    LEDGER_SCHEMA,
    MASKS,
    TABLES,
    Table,
)
from orderpull.sqltext import literal

_INDEXES = """
SELECT c.relname, i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace n ON n.oid = t.relnamespace
WHERE n.nspname = current_schema()"""
_KEYS = """
SELECT t.relname FROM pg_constraint k JOIN pg_class t ON t.oid = k.conrelid
JOIN pg_namespace n ON n.oid = t.relnamespace
WHERE n.nspname = current_schema() AND k.contype = 'p'"""
_LOADERS_LOCK = """
SELECT l.pid, a.application_name, a.state, a.xact_start FROM pg_locks l
JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted
AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
AND l.classid::bigint = hashtext('orderpull')::bigint & 4294967295
AND l.objid::bigint = hashtext(current_schema())::bigint & 4294967295"""
_NOW = {"postgresql": "SELECT clock_timestamp()", "redshift": "SELECT getdate()"}
_ROLES = {
    "postgresql": "SELECT rolname, CASE WHEN isfinite(rolvaliduntil) THEN rolvaliduntil END "
    "FROM pg_roles WHERE rolname IN ({})",
    "redshift": "SELECT usename, valuntil FROM pg_user WHERE usename IN ({})",
}
_LAST_RUNS = f"""
SELECT {", ".join(LEDGER_RUN.names)} FROM orderpull_run r
WHERE run = (SELECT max(run) FROM orderpull_run m WHERE m.source = r.source)"""
PROGRESS = """
SELECT coalesce(sum(batches), 0), count(error), coalesce(sum(possible_loss), 0)
FROM orderpull_run"""


@dataclass(frozen=True, slots=True)
class LoaderLock:
    """A session on a server that holds the loaders' lock. :param since: UTC."""

    pid: int
    program: str
    state: str
    since: datetime | None


@dataclass
class Facts:
    """Facts of a warehouse. A part that cannot be read is empty.

    :param columns: names of the columns of each table and view, in order.
    :param version: of the tables; None: no row says it.
    :param made_by: the orderpull that wrote it.
    :param ahead: seconds by which the server's clock is ahead of this machine's.
    :param states: the ledger's state of each source.
    :param pages: the pages that the ledger knows, from the lowest that is looked at.
    :param runs: the last run of each source. :param progress: batches, errors, possible losses.
    :param indexes: the indexes, and whether each is valid. :param keys: tables with a primary key.
    :param refused: rights that a user lacks: (user, table, right).
    :param valid_until: when the password of each user expires (UTC); None: never.
    :param lock: who holds the lock of the loaders.
    """

    kind: Kind
    where: str
    user: str = ""
    columns: dict[str, list[str]] = field(default_factory=dict)
    version: int | None = None
    made_by: str = ""
    ahead: float = 0.0
    states: dict[str, SourceState] = field(default_factory=dict)
    pages: dict[str, set[int]] = field(default_factory=dict)
    runs: list[dict[str, Any]] = field(default_factory=list)
    progress: tuple[Any, ...] = ()
    indexes: dict[str, bool] = field(default_factory=dict)
    keys: set[str] = field(default_factory=set)
    valid_until: dict[str, datetime | None] = field(default_factory=dict)
    refused: list[tuple[str, ...]] = field(default_factory=list)
    lock: list[LoaderLock] = field(default_factory=list)

    def has(self, table: Table) -> bool:
        """True if *table* has all of its columns."""
        return set(table.names) <= set(self.columns.get(table.name, ()))


def read_facts(
    session: Session, first_pages: Mapping[str, int], readers: tuple[str, ...] = ()
) -> Facts:
    """Read everything that the checks need.

    :param first_pages: the lowest page to read of each source.
    :param readers: users that should be able to read.
    """
    facts = Facts(session.kind, session.where)
    for table, column in session.execute(session.column_names):
        facts.columns.setdefault(str(table), []).append(str(column))
    names = {str(name) for (name,) in session.execute(session.table_names)}
    facts.columns = {table: facts.columns.get(table, []) for table in sorted(names)}
    if session.kind in _NOW:
        _read_server(session, facts, readers)
    _read_ledger(session, facts, first_pages)
    return facts


def _read_ledger(session: Session, facts: Facts, first_pages: Mapping[str, int]) -> None:
    """Read the ledger, as far as its tables are there and may be read."""
    with suppress(OrderpullError):
        if facts.has(LEDGER_SCHEMA):
            made = "SELECT version, made_by FROM orderpull_schema ORDER BY version DESC LIMIT 1"
            for version, made_by in session.execute(made):
                facts.version, facts.made_by = int(version), str(made_by)
        for source, first in first_pages.items():
            if facts.has(LEDGER_CURSOR):
                facts.states[source] = ledger.read_state(session.execute, source)
            if facts.has(LEDGER_PAGE):
                facts.pages[source] = ledger.read_pages(session.execute, source, first)
        if facts.has(LEDGER_RUN):
            rows = session.execute(_LAST_RUNS)
            facts.runs = [dict(zip(LEDGER_RUN.names, row, strict=True)) for row in rows]
            facts.progress = session.execute(PROGRESS)[0]


def _read_server(session: Session, facts: Facts, readers: tuple[str, ...]) -> None:
    """Read clock, users, rights, indexes and locks of a server."""
    ((now,),) = session.execute(_NOW[session.kind])
    facts.ahead = (_utc(now) - clock.now()).total_seconds()
    facts.user = str(session.execute("SELECT current_user")[0][0])
    users = ", ".join(literal(user) for user in dict.fromkeys((facts.user, *readers)))
    for user, until in session.execute(_ROLES[session.kind].format(users)):
        facts.valid_until[str(user)] = _utc(until) if until else None
    tables = [table.name for table in TABLES if table.name in facts.columns]
    if session.kind == "postgresql":
        facts.indexes = {str(name): bool(valid) for name, valid in session.execute(_INDEXES)}
        facts.keys = {str(name) for (name,) in session.execute(_KEYS)}
        for pid, program, state, begun in session.execute(_LOADERS_LOCK):
            since = _utc(begun) if begun else None
            facts.lock.append(LoaderLock(int(pid), str(program or ""), str(state or ""), since))
    checked = [(facts.user, table, right) for table in tables for right in _rights_on(table)]
    checked += [
        (user, table, "SELECT")
        for user in readers
        for table in tables
        if user in facts.valid_until and table not in MASKS  # there a reader sees some columns
    ]
    if checked:
        values = (", ".join(literal(word) for word in row) for row in checked)
        tests = [f"{row}, has_table_privilege({row})" for row in values]
        for user in facts.valid_until:
            may = f"has_schema_privilege({literal(user)}, current_schema(), 'USAGE')"
            tests.append(f"{literal(user)}, 'the schema', 'USAGE', {may}")
        may = f"has_database_privilege({literal(facts.user)}, current_database(), 'TEMP')"
        tests.append(f"{literal(facts.user)}, 'the database', 'TEMP', {may}")
        query = " UNION ALL ".join(f"SELECT {test}" for test in tests)
        facts.refused = [row[:3] for row in session.execute(query) if not row[3]]


def _rights_on(table: str) -> tuple[str, ...]:
    """The rights that the loader's user needs; migrations alone write the schema's version."""
    return ("SELECT",) if table == LEDGER_SCHEMA.name else ("SELECT", "INSERT", "DELETE")


def _utc(instant: datetime) -> datetime:
    """*instant* without zone, in UTC."""
    return instant.astimezone(UTC).replace(tzinfo=None) if instant.tzinfo else instant
