"""The Redshift of the tests: what it takes, what it refuses, and how it differs from PostgreSQL."""

import json
import os
import socket
import struct
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest
import redshift_connector
from redshift_connector.core import Connection
from redshift_connector.error import InterfaceError, ProgrammingError

from tests.doubles.redshift import HangUp, RedshiftDouble, WireError, redshift_double
from tests.doubles.redshift.conftest import ROLE
from tests.doubles.redshift.grammar import unparsable
from tests.servers import PostgresServer, aws_client, fresh_bucket, postgres_server, self_signed

pytestmark = pytest.mark.filterwarnings("ignore:ssl[.]:DeprecationWarning")
"""redshift_connector makes its TLS context in a way that Python has deprecated."""

T = "CREATE TABLE t (k BIGINT NOT NULL, name VARCHAR(5), n NUMERIC(19, 4), at TIMESTAMP, ok BOOLEAN)"


class Client:
    """A connection by redshift_connector that says in one word what is to be done."""

    def __init__(self, double: RedshiftDouble, database: str, **other: Any) -> None:
        arguments = {"user": double.user, "password": double.password, "ssl": False, **other}
        self.connection = redshift_connector.connect(
            host=double.host, port=double.port, database=database, timeout=30, **arguments
        )

    def do(self, statement: str, *values: Any) -> list[Any]:
        """Run it; its rows."""
        cursor = self.connection.cursor()
        cursor.execute(statement, values or None)
        return [tuple(row) for row in cursor.fetchall()] if cursor.description else []

    def leave(self) -> None:
        """Close it, and the socket that the driver forgets where the other side hung up."""
        if self.connection._sock is not None:
            self.connection.close()
        if self.connection._usock.fileno() >= 0:
            os.close(self.connection._usock.detach())

    def refused(self, statement: str, *values: Any) -> dict[str, str]:
        """What the server says to *statement*, which it must not take."""
        with pytest.raises((ProgrammingError, InterfaceError)) as caught:
            self.do(statement, *values)
        told: dict[str, str] = caught.value.args[0]
        return told


@pytest.fixture
def clients(redshift: RedshiftDouble) -> Iterator[Callable[..., Client]]:
    """Makes clients of one new database."""
    database, made = redshift.fresh_database(), list[Client]()

    def connect(*, autocommit: bool = True, **other: Any) -> Client:
        client = Client(redshift, other.pop("database", database), **other)
        client.connection.autocommit = autocommit
        made.append(client)
        return client

    yield connect
    for client in made:
        client.leave()


@pytest.fixture
def client(clients: Callable[..., Client]) -> Client:
    """A client that commits each statement, and a table ``t``."""
    made = clients()
    made.do(T)
    return made


@pytest.fixture(scope="module")
def shared(postgres: PostgresServer, s3: str) -> Iterator[Client]:
    """One client for tests that change nothing, and the tables ``t`` and ``s``."""
    with redshift_double(postgres, s3, {ROLE: "shared/"}) as double:
        client = Client(double, double.fresh_database())
        client.connection.autocommit = True
        client.do(T)
        client.do("CREATE TABLE s (LIKE t)")
        yield client
        client.leave()


# ------------------------------------------------------------------------------ what it takes

TAKEN = [
    "SELECT k, SUM(n) OVER (PARTITION BY name ORDER BY k ROWS UNBOUNDED PRECEDING) FROM t",
    "SELECT ROW_NUMBER() OVER (PARTITION BY name ORDER BY at, k) FROM t",
    "WITH a (x) AS (SELECT k FROM t), b AS (SELECT x FROM a) SELECT COUNT(DISTINCT x) FROM b",
    "SELECT COALESCE(name, 'conflict returning lateral'), NVL(n, 0) FROM t -- ON CONFLICT",
    "SELECT t.k FROM t JOIN s USING (k) WHERE NOT EXISTS (SELECT 1 FROM s WHERE s.k = t.k)",
    "SELECT GETDATE(), SYSDATE, DATEDIFF(day, at, DATEADD(month, 1, at)), LEN(name) FROM t",
    "SELECT name::VARCHAR(3), CAST(k AS NUMERIC(38, 4)), k::TEXT FROM t /* ::jsonb */",
    "INSERT INTO t (k, name) SELECT k, name FROM s",
    "INSERT INTO t (k, name) VALUES (1, 'a'), (2, '')",
    "DELETE FROM t USING s WHERE t.k = s.k",
    "DELETE FROM public.t WHERE k = -1",
    "UPDATE t SET n = s.n FROM s WHERE t.k = s.k",
    "MERGE INTO t USING s ON t.k = s.k WHEN MATCHED THEN UPDATE SET name = s.name WHEN NOT MATCHED THEN INSERT (k, name) VALUES (s.k, s.name)",
    "CREATE TEMP TABLE c1 AS SELECT k, name || 'x' AS long FROM t",
    "CREATE TABLE c2 DISTKEY(k) SORTKEY(k, name) AS SELECT * FROM t",
    "CREATE TABLE IF NOT EXISTS c3 (a BIGINT NOT NULL)",
    "CREATE TABLE c4 (a INT PRIMARY KEY, b VARCHAR(65535) ENCODE zstd UNIQUE DISTKEY, c CHAR(4), d DATE SORTKEY DEFAULT '2026-01-01') BACKUP NO",
    "CREATE TABLE c5 (a INT, b INT, CONSTRAINT one PRIMARY KEY (a, b), FOREIGN KEY (b) REFERENCES t (k)) DISTSTYLE KEY DISTKEY (a) COMPOUND SORTKEY (a, b)",
    "CREATE OR REPLACE VIEW v AS SELECT k FROM t",
    "CREATE VIEW v2 AS SELECT k FROM public.t WITH NO SCHEMA BINDING",
    "ALTER TABLE s ADD COLUMN extra VARCHAR(10) DEFAULT '' ENCODE lzo",
    "ALTER TABLE s ADD PRIMARY KEY (k)",
    "ALTER TABLE s ALTER SORTKEY (k)",
    "ALTER TABLE s RENAME COLUMN extra TO other",
    "ALTER TABLE s ALTER COLUMN other TYPE VARCHAR(20)",
    "TRUNCATE TABLE s",
    "TRUNCATE s",
    "ANALYZE t",
    "VACUUM DELETE ONLY t TO 75 PERCENT",
    "VACUUM",
    "SET statement_timeout TO 1000",
    "SET query_group TO 'orderpull'",
    "SET enable_result_cache_for_session TO FALSE",
    "RESET statement_timeout",
    "GRANT SELECT ON t TO PUBLIC",
    "GRANT SELECT (k, name) ON t TO PUBLIC",
    "REVOKE SELECT (k) ON t FROM PUBLIC",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE ALL ON TABLES FROM PUBLIC",
    "COMMENT ON TABLE t IS 'orders'",
    'CREATE TEMP TABLE c6 ("raw" VARCHAR(5), position BIGINT, state VARCHAR(5))',
    "EXPLAIN SELECT * FROM t",
    "DROP TABLE IF EXISTS nothing, c3 CASCADE",
    "SELECT 1 FROM information_schema.tables WHERE table_schema = current_schema()",
    'SELECT "K" AS "Folded" FROM "T"',
]  # fmt: skip


def test_takes(shared: Client) -> None:
    """All of them, one after another: some need what others make."""
    for statement in TAKEN:
        try:
            shared.do(statement)
        except ProgrammingError as error:
            raise AssertionError(statement) from error


# -------------------------------------------------------------------------- what it refuses

REFUSED = [
    ("INSERT INTO t (k) VALUES (1) ON CONFLICT DO NOTHING", "ON CONFLICT"),
    ("INSERT INTO t (k) VALUES (1) RETURNING k", "RETURNING"),
    ("DELETE FROM t WHERE k = 1 RETURNING k", "RETURNING"),
    ("CREATE INDEX i ON t (k)", "CREATE INDEX"),
    ("CREATE UNIQUE INDEX i ON t (k)", "CREATE INDEX"),
    ("CREATE TABLE x (a JSONB)", "jsonb"),
    ("CREATE TABLE x (a UUID)", "uuid"),
    ("CREATE TABLE x (a BYTEA)", "bytea"),
    ("CREATE TABLE x (a INTERVAL)", "interval"),
    ("CREATE TABLE x (a BIGSERIAL)", "bigserial"),
    ("CREATE TABLE x (a INT[])", "operator"),
    ("CREATE TABLE x (a TIMESTAMP(3))", "timestamp(3)"),
    ("CREATE TABLE x (a VARCHAR(65536))", "65535"),
    ("CREATE TABLE x (a CHAR(4097))", "4096"),
    ("CREATE TABLE x (a NUMERIC(39, 0))", "38"),
    ("CREATE TABLE x (a INT CHECK (a > 0))", "CHECK"),
    ("CREATE TABLE x (a INT, CONSTRAINT c CHECK (a > 0))", "CHECK"),
    ("CREATE TABLE x (a INT GENERATED ALWAYS AS IDENTITY)", "identity"),
    ("CREATE TABLE x (a INT) PARTITION BY RANGE (a)", "PARTITION"),
    ("CREATE TABLE x (a INT) DISTKEY (b)", '"b"'),
    ("CREATE TABLE x (a INT) SORTKEY (a, b)", '"b"'),
    ("CREATE TABLE x (a INT, PRIMARY KEY (b))", '"b"'),
    ("CREATE TABLE x (a INT ENCODE nonsense)", "nonsense"),
    ("CREATE TABLE x (raw VARCHAR(5))", 'near "raw"'),
    ("SELECT k AS tag FROM t", 'near "tag"'),
    ("SELECT LISTAGG(name, ',') FROM t", "LISTAGG"),
    ("CREATE TABLE x (a INT) DISTSTYLE SOME", "DISTSTYLE"),
    ("CREATE TEMP TABLE x (a INT) ON COMMIT DROP", "ON COMMIT"),
    ("CREATE TABLE IF NOT EXISTS x AS SELECT 1 AS a", "not"),
    ("CREATE UNLOGGED TABLE x (a INT)", "UNLOGGED"),
    ("CREATE SEQUENCE x", "SEQUENCE"),
    ("CREATE TRIGGER x BEFORE INSERT ON t EXECUTE FUNCTION f()", "TRIGGER"),
    ("CREATE TYPE x AS ENUM ('a')", "TYPE"),
    ("CREATE DOMAIN x AS INT", "DOMAIN"),
    ("CREATE EXTENSION pgcrypto", "EXTENSION"),
    ("ALTER TABLE t ADD COLUMN a INT, ADD COLUMN b INT", "several"),
    ("ALTER TABLE t ADD COLUMN IF NOT EXISTS a INT", "if"),
    ("ALTER TABLE t ADD COLUMN a INT NOT NULL", "non-null default"),
    ("ALTER TABLE t ADD CHECK (k > 0)", "CHECK"),
    ("ALTER TABLE t ALTER COLUMN name SET NOT NULL", "NOT NULL"),
    ("SELECT DISTINCT ON (k) k, name FROM t", "DISTINCT ON"),
    ("SELECT COUNT(*) FILTER (WHERE k > 1) FROM t", "FILTER"),
    ("SELECT * FROM t, LATERAL (SELECT 1) AS x", "LATERAL"),
    ("SELECT * FROM t FOR UPDATE", "FOR UPDATE"),
    ('SELECT * FROM t ORDER BY name COLLATE "C"', "COLLATE"),
    ("SELECT * FROM generate_series(1, 3)", "generate_series"),
    ("SELECT k, generate_series(1, 3) FROM t", "generate_series"),
    ("SELECT string_agg(name, ',') FROM t", "string_agg"),
    ("SELECT array_agg(name) FROM t", "array_agg"),
    ("SELECT gen_random_uuid()", "gen_random_uuid"),
    ("SELECT pg_advisory_lock(1)", "pg_advisory_lock"),
    ("SELECT pg_try_advisory_xact_lock(1)", "pg_try_advisory_xact_lock"),
    ("SELECT pg_sleep(0)", "pg_sleep"),
    ("SELECT now()", "now"),
    ("SELECT CURRENT_TIMESTAMP", "current_timestamp"),
    ("SELECT CONCAT(name, 'a', 'b') FROM t", "CONCAT"),
    ("SELECT name::jsonb FROM t", "jsonb"),
    ("SELECT CAST(name AS UUID) FROM t", "uuid"),
    ("SELECT ARRAY[1, 2]", "ARRAY"),
    ("SELECT name ->> 'a' FROM t", "->>"),
    ("SELECT * FROM (VALUES (1)) AS x(a)", "VALUES"),
    ("WITH x AS (DELETE FROM t WHERE k = 1) SELECT 1", "DELETE within WITH"),
    ("WITH x AS (SELECT 1 AS k) INSERT INTO t (k) SELECT k FROM x", "WITH before INSERT"),
    ("WITH x AS MATERIALIZED (SELECT 1) SELECT * FROM x", "MATERIALIZED"),
    ("SELECT SUM(k) OVER (ORDER BY k) FROM t", "frame clause"),
    ("SELECT SUM(k) OVER (ORDER BY k RANGE UNBOUNDED PRECEDING) FROM t", "RANGE"),
    ("SELECT COUNT(DISTINCT k) OVER (PARTITION BY name) FROM t", "DISTINCT"),
    ("SELECT SUM(k) OVER w FROM t WINDOW w AS (PARTITION BY name)", "WINDOW"),
    ("SELECT 1 WHERE 1 IS DISTINCT FROM 2", "DISTINCT FROM"),
    ("SELECT k FROM t FETCH FIRST 1 ROW ONLY", "FETCH"),
    ("SELECT 'a\\b'", "literal"),
    ("UPDATE t SET (name, n) = ('a', 1)", "several columns"),
    ("DELETE FROM t x WHERE x.k = 1", "syntax error"),
    ("DELETE FROM t USING (SELECT 1 AS k) x WHERE t.k = x.k", "subquery"),
    ("MERGE INTO t USING (SELECT * FROM s) x ON t.k = x.k WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (1)", "subquery"),
    ("MERGE INTO t USING s ON t.k = s.k WHEN MATCHED THEN DELETE", "exactly one"),
    ("MERGE INTO t USING s ON t.k = s.k WHEN MATCHED AND s.n > 1 THEN DELETE WHEN NOT MATCHED THEN INSERT (k) VALUES (s.k)", "exactly one"),
    ("MERGE INTO t USING s ON t.k < s.k WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (k) VALUES (s.k)", "equality"),
    ("MERGE INTO t USING t ON t.k = t.k WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (k) VALUES (1)", "different"),
    ("MERGE INTO t a USING s ON a.k = s.k WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (k) VALUES (s.k)", "syntax error"),
    ("SAVEPOINT a", "SAVEPOINT"),
    ("ROLLBACK TO a", "SAVEPOINT"),
    ("LOCK TABLE t IN SHARE MODE", "syntax error"),
    ("LOCK t NOWAIT", "syntax error"),
    ("SET lock_timeout TO 5", "lock_timeout"),
    ("SET LOCAL work_mem TO '1MB'", "work_mem"),
    ("SHOW max_connections", "max_connections"),
    ("LISTEN x", "LISTEN"),
    ("CREATE USER IF NOT EXISTS u PASSWORD DISABLE", "syntax error"),
    ("CREATE USER u", "syntax error"),
    ("CREATE USER u PASSWORD DISABLE", "permission denied"),
    ("CREATE VIEW IF NOT EXISTS v3 AS SELECT k FROM t", "syntax error"),
    ("DO $$ BEGIN END $$", "syntax error"),
    ("COPY t FROM STDIN", "STDIN"),
    ("COPY t TO STDOUT", "TO"),
    ("COPY (SELECT 1) TO STDOUT", "COPY of a query"),
    ("SELECT 1; SELECT 2", "multiple commands"),
    ("INSERT t VALUES (1)", "syntax error"),
    ("SELEC 1", "syntax error"),
    ("SELECT * FROM missing", '"missing" does not exist'),
    ("UPDATE missing SET k = 1", '"missing" does not exist'),
    ("INSERT INTO t (k) VALUES (NULL)", "Cannot insert a NULL value into column k"),
]  # fmt: skip


@pytest.mark.parametrize(("statement", "said"), REFUSED)
def test_refuses(shared: Client, statement: str, said: str) -> None:
    assert said in shared.refused(statement)["M"]
    assert shared.do("SELECT 1") == [(1,)]


COPY = f"COPY t FROM 's3://bucket/k' IAM_ROLE '{ROLE}' FORMAT AS PARQUET"
REFUSED_COPIES = [
    ("COPY t FROM 's3://bucket/k' FORMAT AS PARQUET", "credentials"),
    (f"COPY t FROM 's3://bucket/k' IAM_ROLE '{ROLE}' CSV", "syntax error"),
    (f"COPY t FROM 's3://bucket/k' IAM_ROLE '{ROLE}'", "PARQUET"),
    ("COPY t FROM 's3://bucket/k' IAM_ROLE 'load' FORMAT AS PARQUET", "IAM_ROLE"),
    (
        "COPY t FROM 's3://bucket/k' ACCESS_KEY_ID 'a' SECRET_ACCESS_KEY 'b' FORMAT PARQUET",
        "IAM_ROLE",
    ),
    ("COPY t FROM '/tmp/k' IAM_ROLE default FORMAT AS PARQUET", "reads from s3"),
    (COPY + " REGION 'eu-west-1'", "REGION"),
    (COPY + " MAXERROR 5", "MAXERROR"),
    (COPY + " COMPUPDATE OFF", "COMPUPDATE"),
    (COPY + " TRUNCATECOLUMNS", "TRUNCATECOLUMNS"),
    (COPY + " GZIP", "GZIP"),
    (COPY + " NONSENSE", "syntax error"),
    (COPY.replace("COPY t", "COPY missing"), "nonexistent table missing"),
    (COPY.replace("COPY t", "COPY t (k, nothing)"), '"nothing"'),
    (COPY, "Access Denied"),
    (COPY.replace("orderpull-copy", "unknown"), "not authorized to assume"),
]


@pytest.mark.parametrize(("statement", "said"), REFUSED_COPIES)
def test_refuses_copies(shared: Client, statement: str, said: str) -> None:
    assert said in shared.refused(statement)["M"]


@pytest.mark.slow
def test_every_statement_that_it_takes_is_redshifts_to_others_too() -> None:
    assert unparsable(TAKEN) == []
    assert "ON CONFLICT" in unparsable([REFUSED[0][0]])[0]


def test_an_error_tells_its_place_where_it_can(shared: Client) -> None:
    statement = 'SELECT "K",\n  -- two\n  nothing FROM t'
    assert int(shared.refused(statement)["P"]) == statement.index("nothing") + 1
    assert "P" not in shared.refused("CREATE TABLE x (a INT ENCODE raw, b nonsense)")


# ----------------------------------------------------------------------- types, bytes, names


def test_varchar_counts_bytes(client: Client) -> None:
    client.do("INSERT INTO t (k, name) VALUES (%s, %s)", 1, "€a")
    told = client.refused("INSERT INTO t (k, name) VALUES (%s, %s)", 2, "€€")
    assert told["C"] == "22001"
    assert told["M"] == "value too long for type character varying(5)"
    told = client.refused("UPDATE t SET name = %s", "€€")
    assert told["C"] == "22001"


@pytest.mark.parametrize("made", ["CREATE TABLE x (a {})", "CREATE TEMP TABLE x (a {})"])
@pytest.mark.parametrize("kind", ["TEXT", "VARCHAR"])
def test_text_without_length_holds_256_bytes(client: Client, made: str, kind: str) -> None:
    client.do(made.format(kind))
    client.do("INSERT INTO x VALUES (%s)", "€" * 85 + "a")
    assert "varying(256)" in client.refused("INSERT INTO x VALUES (%s)", "€" * 85 + "ab")["M"]


def test_bytes_are_counted_in_copies_and_changed_tables(client: Client) -> None:
    client.do("CREATE TABLE x (LIKE t)")
    assert client.refused("INSERT INTO x (k, name) VALUES (1, '€€')")["C"] == "22001"
    client.do("ALTER TABLE x ADD COLUMN more VARCHAR(3)")
    assert client.refused("INSERT INTO x (k, more) VALUES (1, 'é€')")["C"] == "22001"
    client.do("ALTER TABLE x ALTER COLUMN more TYPE VARCHAR(6)")
    client.do("INSERT INTO x (k, more) VALUES (1, '€€')")
    assert client.refused("INSERT INTO x (k, more) VALUES (1, '€€a')")["C"] == "22001"


def test_names_fold_to_lower_case_even_when_quoted(client: Client) -> None:
    client.do('CREATE TABLE "Mixed" ("Kept Apart" INT)')
    cursor = client.connection.cursor()
    cursor.execute('SELECT "KEPT APART" AS "Label" FROM mixed')
    assert [column[0] for column in cursor.description] == ["label"]


def test_keys_are_not_enforced_but_not_null_is(client: Client) -> None:
    client.do("CREATE TABLE x (a INT, b INT UNIQUE REFERENCES t (k), PRIMARY KEY (a))")
    client.do("INSERT INTO x VALUES (1, 1), (1, 1)")
    assert client.do("SELECT COUNT(*) FROM x") == [(2,)]
    assert client.refused("INSERT INTO x VALUES (NULL, 2)")["C"] == "23502"


def test_numeric_without_precision_has_no_fraction(client: Client) -> None:
    client.do("CREATE TABLE x (a NUMERIC)")
    client.do("INSERT INTO x VALUES (1.6)")
    assert client.do("SELECT a FROM x") == [(Decimal(2),)]


VALUES = [
    ("VARCHAR(300)", "plain"),
    ("VARCHAR(300)", ""),
    ("VARCHAR(300)", None),
    ("VARCHAR(300)", "'\"\\;%s -- 日本 𝄞 \u200d e\u0301\n\t "),
    ("BIGINT", 2**53),
    ("BIGINT", -1),
    ("BIGINT", None),
    ("BOOLEAN", True),
    ("BOOLEAN", False),
    ("TIMESTAMP", datetime(2026, 2, 28, 23, 59, 59, 123456)),
    ("TIMESTAMP", datetime(1970, 1, 1)),
    ("DATE", date(2026, 2, 28)),
    ("NUMERIC(19, 4)", Decimal("123456789012345.6789")),
    ("NUMERIC(19, 4)", Decimal("-0.0001")),
    ("DOUBLE PRECISION", 0.1),
]


@pytest.mark.parametrize(("kind", "value"), VALUES)
def test_values_pass_exactly(client: Client, kind: str, value: object) -> None:
    client.do(f"CREATE TEMP TABLE x (a {kind})")
    client.do("INSERT INTO x VALUES (%s)", value)
    assert client.do("SELECT a FROM x") == [(value,)]
    found = client.do("SELECT a IS NULL FROM x")
    assert found == [(value is None,)]


def test_nul_is_refused(client: Client) -> None:
    assert client.refused("INSERT INTO t (k, name) VALUES (1, %s)", "a\0b")["C"] == "22021"


# ------------------------------------------------------------------------------ transactions


def test_an_error_spoils_the_transaction(clients: Callable[..., Client]) -> None:
    client = clients(autocommit=False)
    client.do(T)
    client.connection.commit()
    client.do("INSERT INTO t (k) VALUES (1)")
    client.refused("SELECT now()")  # the double's own refusal, not PostgreSQL's
    assert client.refused("SELECT 1")["C"] == "25P02"
    client.connection.rollback()
    assert client.do("SELECT COUNT(*) FROM t") == [(0,)]


def test_truncate_is_refused_within_a_transaction(client: Client) -> None:
    client.do("TRUNCATE t")
    client.do("BEGIN")
    assert "TRUNCATE" in client.refused("TRUNCATE t")["M"]
    client.do("ROLLBACK")


def test_tables_are_made_within_transactions(client: Client) -> None:
    client.do("BEGIN")
    client.do("CREATE TABLE gone (a VARCHAR(2))")
    client.do("ROLLBACK")
    assert "gone" in client.refused("SELECT * FROM gone")["M"]


def test_a_snapshot_is_taken_by_the_first_statement(clients: Callable[..., Client]) -> None:
    one, two = clients(), clients()
    one.do(T)
    two.do("BEGIN")
    assert two.do("SELECT COUNT(*) FROM t") == [(0,)]
    one.do("INSERT INTO t (k) VALUES (1)")
    assert two.do("SELECT COUNT(*) FROM t") == [(0,)]
    two.do("COMMIT")
    assert two.do("SELECT COUNT(*) FROM t") == [(1,)]


@pytest.mark.parametrize("first", ["SELECT 1", "CREATE TEMP TABLE x (a INT)"])
def test_statements_before_lock_fix_the_snapshot_too_early(
    clients: Callable[..., Client], first: str
) -> None:
    one, two = clients(), clients()
    one.do(T)
    two.do("BEGIN")
    two.do(first)
    one.do("INSERT INTO t (k) VALUES (1)")
    two.do("LOCK t")
    assert two.do("SELECT COUNT(*) FROM t") == [(0,)]


def test_lock_and_set_do_not_fix_the_snapshot(clients: Callable[..., Client]) -> None:
    one, two = clients(), clients()
    one.do(T)
    one.do("CREATE TABLE orderpull_lock (held BOOLEAN)")
    two.do("BEGIN")
    two.do("SET statement_timeout TO 20000")
    two.do("LOCK orderpull_lock")
    one.do("INSERT INTO t (k) VALUES (1)")
    assert two.do("SELECT COUNT(*) FROM t") == [(1,)]


def _load(client: Client, *, lock: bool, meet: Callable[[], object]) -> None:
    """Replace order 1, as a loader does; *meet* is called once its snapshot is taken."""
    client.do("BEGIN")
    if lock:
        client.do("LOCK TABLE orderpull_lock")
    client.do("SELECT COUNT(*) FROM t")
    if not lock:
        meet()
    client.do("DELETE FROM t WHERE k = 1")
    client.do("INSERT INTO t (k, name) VALUES (1, 'new')")
    client.do("COMMIT")


@pytest.mark.parametrize(("lock", "rows"), [(False, 2), (True, 1)])
def test_two_loaders_leave_an_order_twice_unless_they_lock(
    clients: Callable[..., Client], lock: bool, rows: int
) -> None:
    one, two = clients(), clients()
    one.do(T)
    one.do("CREATE TABLE orderpull_lock (held BOOLEAN)")
    meeting = threading.Barrier(2, timeout=20)
    threads = [
        threading.Thread(target=_load, args=(each,), kwargs={"lock": lock, "meet": meeting.wait})
        for each in (one, two)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert one.do("SELECT COUNT(*) FROM t") == [(rows,)]


def test_a_delete_that_waits_has_its_snapshot_already(
    clients: Callable[..., Client], redshift: RedshiftDouble
) -> None:
    one, two = clients(), clients()
    one.do(T)
    one.do("BEGIN")
    one.do("DELETE FROM t WHERE k = 1")
    one.do("INSERT INTO t (k) VALUES (1)")

    def load() -> None:
        two.do("BEGIN")
        two.do("DELETE FROM t WHERE k = 1")
        two.do("INSERT INTO t (k) VALUES (1)")
        two.do("COMMIT")

    thread = threading.Thread(target=load)
    thread.start()
    with redshift.postgres.connect() as connection:
        waiting = "SELECT COUNT(*) FROM pg_locks WHERE NOT granted"
        while connection.execute(waiting).fetchone() == (0,):
            assert thread.is_alive()
    one.do("COMMIT")
    thread.join(20)
    assert one.do("SELECT COUNT(*) FROM t") == [(2,)]


def test_a_delete_waits_for_another_even_of_other_rows(clients: Callable[..., Client]) -> None:
    one, two = clients(), clients()
    one.do(T)
    one.do("INSERT INTO t (k) VALUES (1), (2)")
    one.do("BEGIN")
    one.do("DELETE FROM t WHERE k = 1")
    done = threading.Event()

    def delete() -> None:
        two.do("BEGIN")
        two.do("DELETE FROM t WHERE k = 2")
        two.do("COMMIT")
        done.set()

    thread = threading.Thread(target=delete)
    thread.start()
    assert not done.wait(0.3)
    one.do("COMMIT")
    thread.join(20)
    assert done.is_set()
    assert one.do("SELECT COUNT(*) FROM t") == [(0,)]


def test_inserts_go_side_by_side(clients: Callable[..., Client]) -> None:
    one, two = clients(), clients()
    one.do(T)
    one.do("BEGIN")
    one.do("INSERT INTO t (k) VALUES (1)")
    two.do("SET statement_timeout TO 5000")
    two.do("INSERT INTO t (k) VALUES (1)")
    one.do("COMMIT")
    assert one.do("SELECT COUNT(*) FROM t") == [(2,)]


def test_insert_then_delete_by_two_is_a_deadlock(clients: Callable[..., Client]) -> None:
    one, two = clients(), clients()
    one.do(T)
    meeting, errors = threading.Barrier(2, timeout=20), list[Any]()

    def load(client: Client) -> None:
        client.do("BEGIN")
        client.do("INSERT INTO t (k) VALUES (1)")
        meeting.wait()
        try:
            client.do("DELETE FROM t WHERE k = 2")
            client.do("COMMIT")
        except ProgrammingError as error:
            errors.append(error.args[0])
            client.do("ROLLBACK")

    threads = [threading.Thread(target=load, args=(each,)) for each in (one, two)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert [error["M"] for error in errors] == ["deadlock detected"]
    assert one.do("SELECT COUNT(*) FROM t") == [(1,)]


def test_changing_a_row_that_another_changed_is_1023(clients: Callable[..., Client]) -> None:
    one, two = clients(), clients()
    one.do(T)
    one.do("INSERT INTO t (k) VALUES (1)")
    two.do("BEGIN")
    two.do("SELECT 1")
    one.do("DELETE FROM t WHERE k = 1")
    told = two.refused("DELETE FROM t WHERE k = 1")
    assert told["M"] == "1023"
    assert "Serializable isolation violation" in told["D"]


def test_lock_holds_up_readers_until_the_timeout(clients: Callable[..., Client]) -> None:
    one, two = clients(), clients()
    one.do(T)
    one.do("BEGIN")
    one.do("LOCK t")
    two.do("SET statement_timeout TO 200")
    assert two.refused("SELECT * FROM t")["C"] == "57014"


# ------------------------------------------------------------------------------------- COPY


class Stage:
    """Files in ``stage/`` of a bucket, as a loader puts them there."""

    def __init__(self, endpoint: str, bucket: str, folder: Path) -> None:
        self._client = aws_client("s3", endpoint)
        self._folder = folder
        self.bucket = bucket

    def put(self, name: str, query: str) -> dict[str, Any]:
        """What *query* finds as a Parquet file; its entry in a manifest."""
        path = self._folder / "put.parquet"
        duckdb.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)")
        return self.put_bytes(name, path.read_bytes())

    def put_bytes(self, name: str, data: bytes) -> dict[str, Any]:
        self._client.put_object(Bucket=self.bucket, Key=f"stage/{name}", Body=data)
        return {
            "url": f"s3://{self.bucket}/stage/{name}",
            "mandatory": True,
            "meta": {"content_length": len(data)},
        }

    def copy(self, *entries: dict[str, Any], table: str = "t") -> str:
        """The COPY of a manifest of *entries*."""
        self.put_bytes("manifest", json.dumps({"entries": entries}).encode())
        return self.statement("manifest", table) + " MANIFEST"

    def statement(self, key: str, table: str = "t") -> str:
        return f"COPY {table} FROM 's3://{self.bucket}/stage/{key}' IAM_ROLE '{ROLE}' FORMAT AS PARQUET"


@pytest.fixture
def stage(s3: str, bucket: str, tmp_path: Path) -> Stage:
    return Stage(s3, bucket, tmp_path)


ROW = "SELECT {k}::BIGINT AS any, {name}::VARCHAR AS name, 1.5::DECIMAL(19, 4) AS n, TIMESTAMP '2026-01-02 03:04:05.678901' AS x, true AS ok"


def row(k: int | str = 1, name: str = "'a'") -> str:
    return ROW.format(k=k, name=name)


def test_copy_of_a_manifest(client: Client, stage: Stage) -> None:
    one = stage.put("1", row(1, "''") + " UNION ALL " + row(2, "NULL"))
    two = stage.put("2", row(3, "'\"é,\n'"))
    client.do(stage.copy(one, two))
    assert client.do("SELECT pg_last_copy_count()") == [(3,)]
    at, n = datetime(2026, 1, 2, 3, 4, 5, 678901), Decimal("1.5000")
    assert client.do("SELECT * FROM t ORDER BY k") == [
        (1, "", n, at, True),
        (2, None, n, at, True),
        (3, '"é,\n', n, at, True),
    ]


def test_copy_within_a_transaction_is_rolled_back_with_it(client: Client, stage: Stage) -> None:
    statement = stage.copy(stage.put("1", row()))
    client.do("BEGIN")
    client.do("CREATE TEMP TABLE staged (LIKE t)")
    client.do(statement.replace("COPY t", "COPY staged"))
    client.do("INSERT INTO t SELECT * FROM staged")
    client.do("ROLLBACK")
    assert client.do("SELECT COUNT(*) FROM t") == [(0,)]
    client.do(statement)
    client.do(statement)
    assert client.do("SELECT COUNT(*), pg_last_copy_count() FROM t") == [(2, 1)]


def test_copy_of_some_columns_is_by_position(client: Client, stage: Stage) -> None:
    entry = stage.put("1", "SELECT 'b'::VARCHAR AS k, 7::BIGINT AS name")
    client.do(stage.copy(entry, table="t (name, k)"))
    assert client.do("SELECT k, name, n FROM t") == [(7, "b", None)]


def test_copy_of_a_prefix_takes_all_that_begins_with_it(client: Client, stage: Stage) -> None:
    stage.put("part-1", row(1))
    stage.put("part-10", row(2))
    client.do(stage.statement("part-1"))
    assert client.do("SELECT COUNT(*) FROM t") == [(2,)]


def test_a_file_listed_twice_is_loaded_twice(client: Client, stage: Stage) -> None:
    entry = stage.put("1", row())
    client.do(stage.copy(entry, entry))
    assert client.do("SELECT COUNT(*) FROM t") == [(2,)]


def test_a_missing_file_is_skipped_unless_it_is_mandatory(client: Client, stage: Stage) -> None:
    there = stage.put("1", row())
    gone = {**there, "url": there["url"] + "-gone"}
    assert "does not exist" in client.refused(stage.copy(there, gone))["M"]
    del gone["mandatory"]
    client.do(stage.copy(there, gone))
    assert client.do("SELECT COUNT(*) FROM t") == [(1,)]
    assert "does not exist" in client.refused(stage.copy(gone))["M"]


def test_a_manifest_must_tell_each_size_and_tell_it_right(client: Client, stage: Stage) -> None:
    entry = stage.put("1", row())
    assert "content_length" in client.refused(stage.copy({**entry, "meta": {}}))["M"]
    entry["meta"]["content_length"] += 1
    assert "content_length" in client.refused(stage.copy(entry))["M"]
    assert "does not exist" in client.refused(stage.statement("none") + " MANIFEST")["M"]
    stage.put_bytes("broken", b"{")
    assert "invalid" in client.refused(stage.statement("broken") + " MANIFEST")["M"]
    assert client.do("SELECT COUNT(*) FROM t") == [(0,)]


def test_a_role_reads_only_where_it_may(client: Client, stage: Stage, s3: str) -> None:
    entry = stage.put("1", row())
    other = fresh_bucket(s3)
    elsewhere = {**entry, "url": f"s3://{other}/stage/1"}
    assert "Access Denied" in client.refused(stage.copy(elsewhere))["M"]
    unknown = stage.copy(entry).replace("role/orderpull-copy", "role/other")
    assert "not authorized to assume" in client.refused(unknown)["M"]


UNFIT = [
    ("SELECT 1::BIGINT AS k", "Unmatched number of columns"),
    (row().replace("::BIGINT", "::INTEGER"), "Column type: BIGINT"),
    (row().replace("::BIGINT", "::VARCHAR"), "Column type: BIGINT"),
    (row().replace("::DECIMAL(19, 4)", "::BIGINT"), "Column type: NUMERIC(19,4)"),
    (row().replace("DECIMAL(19, 4)", "DECIMAL(18, 4)"), "Column type: NUMERIC(19,4)"),
    (row().replace("DECIMAL(19, 4)", "DOUBLE"), "Column type: NUMERIC(19,4)"),
    (row().replace("TIMESTAMP '", "TIMESTAMP_NS '"), "TIMESTAMP_NANOS"),
    (row().replace("TIMESTAMP '", "TIMESTAMPTZ '"), "TIMESTAMPTZ"),
    (row().replace("TIMESTAMP '", "'"), "Column type: TIMESTAMP"),
    (row().replace("true", "1"), "Column type: BOOLEAN"),
    (row().replace("true", "[true]"), "GROUP"),
    (row().replace("::VARCHAR", "::BLOB"), "Column type: CHARACTER VARYING(5)"),
]


@pytest.mark.parametrize(("query", "said"), UNFIT)
def test_parquet_that_does_not_fit(client: Client, stage: Stage, query: str, said: str) -> None:
    told = client.refused(stage.copy(stage.put("1", query)))
    assert told["M"] == "Spectrum Scan Error"
    assert said in told["D"]
    assert said in client.do("SELECT error_message FROM sys_load_error_detail")[0][0]


BAD_ROWS = [
    (row(1) + " UNION ALL " + row(2, "'€€'"), ("name", 2), "longer than the length"),
    (row("NULL"), ("k", 1), "NULL value"),
]


@pytest.mark.parametrize(("query", "place", "said"), BAD_ROWS)
def test_rows_that_do_not_fit_are_told(
    clients: Callable[..., Client], stage: Stage, query: str, place: tuple[str, int], said: str
) -> None:
    client = clients(autocommit=False)
    client.do(T)
    client.connection.commit()
    told = client.refused(stage.copy(stage.put("1", query)))
    assert told["M"].startswith("Load into table 't' failed.")
    assert client.refused("SELECT 1")["C"] == "25P02"
    client.connection.rollback()
    name, number, message = client.do(
        "SELECT TRIM(column_name), line_number, error_message FROM sys_load_error_detail"
    )[0]
    assert (name, number) == place
    assert said in message
    assert client.do("SELECT TRIM(colname), line_number FROM stl_load_errors") == [place]
    assert client.do("SELECT COUNT(*) FROM t") == [(0,)]


def test_nul_and_damaged_files_cannot_be_copied(client: Client, stage: Stage) -> None:
    nul = stage.put("1", row(1, "'a' || chr(0)"))
    assert "0x00" in client.refused(stage.copy(nul))["D"]
    assert "not a Parquet file" in client.refused(stage.copy(stage.put_bytes("2", b"PAR1")))["D"]


def test_copy_needs_the_right_to_insert(
    client: Client, clients: Callable[..., Client], stage: Stage, redshift: RedshiftDouble
) -> None:
    reader = f"reader_{redshift.port}"
    with redshift.postgres.connect() as connection:
        connection.execute(f"CREATE ROLE {reader} LOGIN PASSWORD 'reader'".encode())
    client.do(f"GRANT SELECT ON t TO {reader}")
    other = clients(user=reader, password="reader")
    assert other.do("SELECT COUNT(*) FROM t") == [(0,)]
    assert other.refused(stage.copy(stage.put("1", row())))["C"] == "42501"


# ------------------------------------------------------------------------- logins and the wire


@contextmanager
def no_login(said: str) -> Iterator[None]:
    """The login within must fail. The driver then forgets its socket, which is closed here."""
    with pytest.raises((InterfaceError, ProgrammingError), match=said) as caught:
        yield
    for frame, _ in traceback.walk_tb(caught.value.__traceback__):
        driver = frame.f_locals.get("self")
        if isinstance(driver, Connection) and driver._usock.fileno() >= 0:
            os.close(driver._usock.detach())


def test_it_reports_redshifts_version(client: Client) -> None:
    assert str(client.connection._server_version) == "8.0.2"
    assert "Redshift 1.0" in client.do("SELECT version()")[0][0]


def test_wrong_password_and_database(clients: Callable[..., Client]) -> None:
    with no_login("password authentication failed"):
        clients(password="wrong")
    with no_login("3D000"):
        clients(database="nowhere")


def test_users_and_columns_that_they_may_see(
    clients: Callable[..., Client], postgres: PostgresServer
) -> None:
    """Who has no password cannot log in; a right to columns is one to no other, and to no row."""
    admin = clients(user=postgres.user, password=postgres.password)
    admin.do(T)
    name = f"seer_{os.getpid()}"
    admin.do(f"CREATE USER {name} PASSWORD DISABLE")
    with no_login("password authentication failed"):
        clients(user=name, password="")
    admin.do(f"ALTER USER {name} PASSWORD 'Only-in-tests-1'")
    admin.do(f"GRANT SELECT (k, at) ON t TO {name}")
    seer = clients(user=name, password="Only-in-tests-1")
    assert seer.do("SELECT k, at FROM t") == []
    for statement in ("SELECT name FROM t", "SELECT * FROM t", "DELETE FROM t"):
        assert seer.refused(statement)["C"] == "42501"
    admin.do(f"REVOKE SELECT (k) ON t FROM {name}")
    assert seer.refused("SELECT k FROM t")["C"] == "42501"


def test_tls(
    postgres: PostgresServer, s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = self_signed(tmp_path)
    with redshift_double(postgres, s3, {}, certificate) as double:
        database = double.fresh_database()
        with no_login("certificate verify failed"):
            Client(double, database, ssl=True, sslmode="verify-full")
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate.cert))
        for mode in ("verify-full", "verify-ca"):
            client = Client(double, database, ssl=True, sslmode=mode)
            assert client.do("SELECT 1") == [(1,)]
            client.leave()


def test_a_server_without_tls_refuses_it(clients: Callable[..., Client]) -> None:
    with no_login("refuses SSL"):
        clients(ssl=True, sslmode="verify-full")


def test_temporary_password_of_a_cluster(
    clients: Callable[..., Client], redshift: RedshiftDouble, s3: str
) -> None:
    cluster = f"cluster-{redshift.port}"
    aws_client("redshift", s3).create_cluster(
        ClusterIdentifier=cluster, NodeType="ra3.large", DBName="dev",
        MasterUsername="admin", MasterUserPassword="Secret1234",
    )  # fmt: skip
    got = aws_client("redshift", redshift.issuer.url).get_cluster_credentials(
        ClusterIdentifier=cluster, DbUser=redshift.user, DbName="dev", AutoCreate=False
    )
    assert got["DbUser"] == f"IAM:{redshift.user}"
    client = clients(user=got["DbUser"], password=got["DbPassword"])
    assert client.do("SELECT current_user") == [(redshift.user,)]
    with no_login("password authentication failed"):
        clients(user=got["DbUser"], password="made up")
    redshift.passwords.expire()
    with no_login("password authentication failed"):
        clients(user=got["DbUser"], password=got["DbPassword"])


def test_temporary_password_of_serverless(
    clients: Callable[..., Client], redshift: RedshiftDouble
) -> None:
    issuer = aws_client("redshift-serverless", redshift.issuer.url)
    got = issuer.get_credentials(workgroupName="orders", dbName="dev", durationSeconds=900)
    client = clients(user=got["dbUser"], password=got["dbPassword"])
    assert client.do("SELECT current_user") == [(f"IAMR:{redshift.user}",)]
    redshift.issuer.refuse = "AccessDeniedException"
    with pytest.raises(issuer.exceptions.ClientError, match="AccessDenied"):
        issuer.get_credentials(workgroupName="orders", dbName="dev")


def test_statements_are_kept_as_often_as_they_are_sent(
    client: Client, redshift: RedshiftDouble
) -> None:
    redshift.statements.clear()
    client.refused("SELECT now()")
    for k in (1, 2):
        client.do("INSERT INTO t (k) VALUES (%s)", k)
    insert = "INSERT INTO t (k) VALUES ($1)"
    assert [s for s in redshift.statements if "t" in s.split()] == [insert, insert]
    assert redshift.statements[0] == "SELECT now()"


def test_a_gate_fails_a_statement_or_hangs_up(
    clients: Callable[..., Client], redshift: RedshiftDouble
) -> None:
    client = clients()
    client.do(T)

    def gate(statement: str) -> None:
        if statement.startswith("DELETE"):
            raise WireError("53100", "disk full")
        if statement.startswith("COMMIT"):
            raise HangUp

    redshift.gate = gate
    client.do("BEGIN")
    client.do("INSERT INTO t (k) VALUES (1)")
    with pytest.raises(InterfaceError, match="BrokenPipe"):
        client.do("COMMIT")
    redshift.gate_after, redshift.gate = redshift.gate, None
    other = clients()
    assert other.do("SELECT COUNT(*) FROM t") == [(0,)]
    other.do("BEGIN")
    other.do("INSERT INTO t (k) VALUES (1)")
    with pytest.raises(InterfaceError, match="BrokenPipe"):
        other.do("COMMIT")
    redshift.gate_after = gate
    third = clients()
    assert third.do("SELECT COUNT(*) FROM t") == [(1,)]
    assert third.refused("DELETE FROM t")["C"] == "53100"


def test_a_gate_is_asked_each_time_a_prepared_statement_runs(
    client: Client, redshift: RedshiftDouble
) -> None:
    seen: list[str] = []
    redshift.gate = seen.append
    for k in (1, 2, 3):
        client.do("INSERT INTO t (k) VALUES (%s)", k)
    assert seen == ["INSERT INTO t (k) VALUES ($1)"] * 3


def test_a_client_that_vanishes_leaves_nothing_behind(clients: Callable[..., Client]) -> None:
    one, two = clients(), clients()
    one.do(T)
    one.do("BEGIN")
    one.do("LOCK t")
    one.do("INSERT INTO t (k) VALUES (1)")
    one.connection._usock.shutdown(2)
    one.connection._usock.close()
    two.do("SET statement_timeout TO 20000")
    assert two.do("SELECT COUNT(*) FROM t") == [(0,)]


def test_psycopg_can_look_and_cancel(
    client: Client, clients: Callable[..., Client], redshift: RedshiftDouble
) -> None:
    database = client.do("SELECT current_database()")[0][0]
    client.do("BEGIN")
    client.do("LOCK t")
    with psycopg.connect(
        host=redshift.host, port=redshift.port, dbname=database,
        user=redshift.user, password=redshift.password, sslmode="disable",
    ) as other:  # fmt: skip
        cursor = other.execute("SELECT %s::INT + 1", [1])
        assert (cursor.fetchone(), cursor.statusmessage) == ((2,), "SELECT")
        # Not cancel(): it waits for the server, which is in this process, without giving up the GIL.
        cancel = threading.Timer(0.3, other.cancel_safe)
        cancel.start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            other.execute("SELECT * FROM t")
        cancel.join()
        other.rollback()
        with pytest.raises(psycopg.errors.FeatureNotSupported):
            other.execute("SELECT 1 FOR UPDATE")


def test_a_copy_is_cancelled_between_its_files(
    client: Client, redshift: RedshiftDouble, stage: Stage
) -> None:
    statement = stage.copy(stage.put("1", row()))

    key = client.connection._backend_key_data
    assert key is not None

    def cancel(statement: str) -> None:
        if statement.startswith("COPY"):
            with socket.create_connection((redshift.host, redshift.port), timeout=10) as other:
                other.sendall(struct.pack("!II", 16, 80877102) + key)
                assert other.recv(1) == b""

    redshift.gate = cancel
    assert client.refused(statement)["C"] == "57014"
    redshift.gate = None
    assert client.do("SELECT COUNT(*) FROM t") == [(0,)]


def test_broken_connections_end_what_they_waited_for(
    clients: Callable[..., Client], redshift: RedshiftDouble
) -> None:
    one, two = clients(), clients()
    one.do(T)
    one.do("BEGIN")
    one.do("LOCK t")
    one.do("INSERT INTO t (k) VALUES (1)")
    breaking = threading.Timer(0.3, redshift.drop_connections)
    breaking.start()
    with pytest.raises(InterfaceError, match="BrokenPipe"):
        two.do("SELECT * FROM t")
    breaking.join()
    assert clients().do("SELECT COUNT(*) FROM t") == [(0,)]


@pytest.mark.slow
def test_postgres_offers_tls_when_asked() -> None:
    server = postgres_server(tls=True)
    assert server.certificate is not None
    trusted = f" sslmode=verify-full sslrootcert={server.certificate.cert}"
    with psycopg.connect(server.dsn() + trusted) as connection:
        found = connection.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        assert found.fetchone() == (True,)


def test_closing_ends_connections_and_threads(postgres: PostgresServer, s3: str) -> None:
    before = threading.active_count()
    with redshift_double(postgres, s3, {}) as double:
        client = Client(double, double.fresh_database())
        client.connection.autocommit = True
        client.do("SELECT 1")
    with pytest.raises((InterfaceError, OSError)):
        client.do("SELECT 1")
    client.leave()
    assert threading.active_count() <= before
