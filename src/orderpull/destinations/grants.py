"""Grants: the script that creates a warehouse's users and tables, and grants each user its rights.

The script is generated from ``model.py``, so it contains every table and column. An administrator
runs it; orderpull never does. The loader owns the tables; if another role owns them, it selects,
inserts and deletes. The reader selects from all tables, except the columns with personal data.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from textwrap import indent
from urllib.parse import parse_qs, unquote, urlsplit

from orderpull import __version__
from orderpull.destinations.protocol import Kind
from orderpull.destinations.schema import (
    MIGRATIONS,
    create_statements,
    qualified,
)
from orderpull.errors import UsageError
from orderpull.model import (
    LEDGER_SCHEMA,
    MASKS,
    SCHEMA_VERSION,
    SUMMARY_SKU,
    SUMMARY_STATE,
    TABLES,
    VIEWS,
)
from orderpull.sqltext import identifier, literal, quoted

LOADER, READER, SCHEMA = "orders_loader", "orders_reader", "orders"
"""Default names."""

_LONGEST: dict[Kind, int] = {"postgresql": 63, "redshift": 127}
_EVERYBODY = {"public", "none"}
"""Names that mean everybody and nobody to the servers, even in quotes."""


@dataclass(frozen=True, slots=True)
class GrantPlan:
    """The roles and their rights in one database.

    :param schema: schema of the tables.
    :param owner: PostgreSQL: the role that creates and owns the tables; None: the loader.
    :param names: the reader sees names and streets.
    :param users: create the users.
    :param dedicated: take the rights in the database from all other roles.
    :raises UsageError: a name is invalid, or two roles have the same name.
    """

    kind: Kind
    database: str
    schema: str = SCHEMA
    loader: str = LOADER
    reader: str = READER
    owner: str | None = None
    names: bool = False
    users: bool = True
    dedicated: bool = False

    def __post_init__(self) -> None:
        if self.kind not in _LONGEST:
            raise UsageError(
                "A DuckDB file has no users: who may read the file may read all of it.",
                "Name a server with --for, or in destination.url.",
            )
        if self.owner and self.kind == "redshift":
            raise UsageError("On Redshift the loader owns its tables.", "Leave out --owner.")
        roles = {"loader": self.loader, "reader": self.reader}
        roles |= {"owner": self.owner} if self.owner is not None else {}
        for what, name in {"database": self.database, "schema": self.schema, **roles}.items():
            _check_name(what, name, _LONGEST[self.kind])
        for what, name in roles.items():
            if name.lower() in _EVERYBODY:
                raise UsageError(f"{name!r} cannot be the name of the {what}.", "Name somebody.")
        if len({name.lower() for name in roles.values()}) < len(roles):
            raise UsageError(
                f"{' and '.join(roles)} have one name: {', '.join(roles.values())}.",
                "Name another one; each has rights of its own.",
            )

    @property
    def makes_tables(self) -> str:
        """The role that creates and owns the tables."""
        return self.owner or self.loader


def parse_url(url: str) -> tuple[str, str, str]:
    """Kind, database and user in *url*; '' for each part that is missing."""
    parts = urlsplit(url)
    kind = "postgresql" if parts.scheme == "postgres" else parts.scheme
    query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    database = unquote(parts.path.strip("/")) or query.get("dbname", "")
    return kind, database, unquote(parts.username or "") or query.get("user", "")


def script(plan: GrantPlan) -> str:
    """The script in the server's own SQL; it may be run again at any time."""
    parts = _on_redshift(plan) if plan.kind == "redshift" else _on_postgresql(plan)
    return "\n".join(parts) + "\n"


def _on_postgresql(plan: GrantPlan) -> Iterator[str]:
    database, schema = identifier(plan.database), identifier(plan.schema)
    loader, reader, owner = map(identifier, (plan.loader, plan.reader, plan.makes_tables))
    yield f"""\
-- Users, tables and rights of a warehouse, by orderpull {__version__} for PostgreSQL 14 or newer.
-- An administrator runs it in the database {plan.database}, wholly: psql -v ON_ERROR_STOP=1 -f FILE
-- It may be run again at any time: nothing is made twice, and what the tables hold stays.
-- Users are made without a password. Give them one in psql, by \\password NAME.
BEGIN;
"""
    roles = dict.fromkeys((plan.loader, plan.reader, plan.makes_tables))
    yield _block("\n".join(_roles(plan, roles)))
    if plan.dedicated:
        yield f"""
-- The database is for the orders alone.
REVOKE ALL ON DATABASE {database} FROM PUBLIC;
REVOKE ALL ON SCHEMA public FROM PUBLIC;"""
    yield f"""
GRANT CONNECT, TEMPORARY ON DATABASE {database} TO {loader};
GRANT CONNECT ON DATABASE {database} TO {reader};
CREATE SCHEMA IF NOT EXISTS {schema} AUTHORIZATION {owner};
GRANT USAGE, CREATE ON SCHEMA {schema} TO {owner};
GRANT USAGE ON SCHEMA {schema} TO {loader}, {reader};"""
    for role in roles:
        yield f"ALTER ROLE {identifier(role)} IN DATABASE {database} SET search_path = {schema};"
    yield f"""
-- The tables, by their owner: made, or brought up to this version.
SET LOCAL ROLE {owner};
SET LOCAL search_path = {schema};"""
    yield _tables_block()
    yield from _rights(plan)
    yield "\nCOMMIT;"


def _on_redshift(plan: GrantPlan) -> Iterator[str]:
    database, schema = identifier(plan.database), identifier(plan.schema)
    loader, reader = identifier(plan.loader), identifier(plan.reader)
    yield f"""\
-- Users, tables and rights of a warehouse, by orderpull {__version__} for Amazon Redshift.
-- A superuser runs it in the database {plan.database}: psql -f FILE, or the query editor.
-- It may be run again at any time: nothing is made twice, and what the tables hold stays.
-- After an update of orderpull let it run once, or `orderpull check`, and then this script."""
    if plan.users:
        yield f"""
-- Redshift cannot make a user only where there is none: the second time these two statements fail,
-- and do no harm. (`orderpull grants --no-users` leaves them out.)
-- Nobody logs in by a password until: ALTER USER NAME PASSWORD '...'
CREATE USER {loader} PASSWORD DISABLE;
CREATE USER {reader} PASSWORD DISABLE;"""
    yield "\nBEGIN;"
    if plan.dedicated:
        yield f"""
-- The database is for the orders alone.
REVOKE TEMP ON DATABASE {database} FROM PUBLIC;
REVOKE ALL ON SCHEMA public FROM PUBLIC;"""
    yield f"""
GRANT TEMP ON DATABASE {database} TO {loader};
CREATE SCHEMA IF NOT EXISTS {schema} AUTHORIZATION {loader};
GRANT USAGE, CREATE ON SCHEMA {schema} TO {loader};
GRANT USAGE ON SCHEMA {schema} TO {reader};
ALTER USER {loader} SET search_path TO {schema};
ALTER USER {reader} SET search_path TO {schema};

-- The tables, by the loader, who owns them.
SET SESSION AUTHORIZATION {loader};"""
    for statement in create_statements("redshift", plan.schema):
        yield f"{_tidy(statement)};"
    lock, version = (qualified(plan.schema, n) for n in ("orderpull_lock", LEDGER_SCHEMA.name))
    yield f"""\
CREATE TABLE IF NOT EXISTS {lock} (held BOOLEAN);
INSERT INTO {version} (version, migrated_at, made_by)
SELECT {SCHEMA_VERSION}, GETDATE(), 'orderpull {__version__}'
FROM (SELECT max(version) AS version FROM {version}) AS known WHERE known.version IS NULL;"""
    yield from _rights(plan)
    yield "SET SESSION AUTHORIZATION DEFAULT;"
    yield "\nCOMMIT;"


def _roles(plan: GrantPlan, roles: Iterable[str]) -> Iterator[str]:
    """PL/pgSQL that creates the *roles*, and makes the administrator a member of the owner."""
    for role in roles if plan.users else ():
        login = "NOLOGIN" if role == plan.owner else "LOGIN"
        yield f"""\
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {literal(role)}) THEN
        CREATE ROLE {identifier(role)} {login};
    END IF;"""
    owner = plan.makes_tables
    yield f"""\
    -- An administrator who is no superuser must be a member to make tables for somebody.
    IF current_user <> {literal(owner)}
       AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        GRANT {identifier(owner)} TO CURRENT_USER;
    END IF;"""


def _tables_block() -> str:
    """PL/pgSQL that creates the tables, or migrates them to this version."""
    migrations = "\n".join(
        f"        IF there < {version} THEN\n"
        f"{_indented(MIGRATIONS[version]('postgresql'), 12)}\n"
        "        END IF;"
        for version in range(2, SCHEMA_VERSION + 1)
    )
    made = _indented(create_statements("postgresql"), 8)
    return _block(
        f"""\
    PERFORM pg_advisory_xact_lock(hashtext('orderpull'), hashtext(current_schema()));
    IF to_regclass('{LEDGER_SCHEMA.name}') IS NOT NULL THEN
        SELECT max(version) INTO there FROM {LEDGER_SCHEMA.name};
    END IF;
    IF there > {SCHEMA_VERSION} THEN
        RAISE EXCEPTION 'A newer orderpull made these tables: take the script that it prints.';
    ELSIF there IS NULL THEN
{made}
    ELSE
{migrations}
    END IF;
    IF there IS DISTINCT FROM {SCHEMA_VERSION} THEN
        INSERT INTO {LEDGER_SCHEMA.name} (version, migrated_at, made_by)
        VALUES ({SCHEMA_VERSION}, now() AT TIME ZONE 'UTC', 'orderpull {__version__}');
    END IF;""",
        declare="there bigint;",
    )


def _rights(plan: GrantPlan) -> Iterator[str]:
    """The rights of loader and reader on the tables, granted by their owner."""
    tables = [table.name for table in TABLES]
    if plan.owner:
        loader = identifier(plan.loader)
        written = [name for name in tables if name != LEDGER_SCHEMA.name]
        yield "\n-- The loader reads, inserts and deletes; it can change and drop no table."
        yield f"REVOKE ALL ON\n{_listed(plan, tables)}\n    FROM {loader};"
        yield f"GRANT SELECT ON\n{_listed(plan, tables)}\n    TO {loader};"
        yield f"GRANT INSERT, DELETE ON\n{_listed(plan, written)}\n    TO {loader};"
        updated = [SUMMARY_SKU.name, SUMMARY_STATE.name]
        yield f"GRANT UPDATE ON\n{_listed(plan, updated)}\n    TO {loader};"
    masks = {} if plan.names else MASKS
    schema, reader = identifier(plan.schema), identifier(plan.reader)
    what = "names and streets too" if plan.names else "all but names and streets"
    yield f"\n-- The reader: {what}. What it had before is taken back first."
    yield f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} REVOKE ALL ON TABLES FROM {reader};"
    yield f"REVOKE ALL ON\n{_listed(plan, [*tables, *VIEWS])}\n    FROM {reader};"
    for table in TABLES:
        if table.name in MASKS:
            columns, name = quoted(table.names), qualified(plan.schema, table.name)
            yield f"REVOKE SELECT ({columns}) ON {name} FROM {reader};"
    whole = [name for name in (*tables, *VIEWS) if name not in masks]
    yield f"GRANT SELECT ON\n{_listed(plan, whole)}\n    TO {reader};"
    for name, mask in masks.items():
        shown = f"({quoted(mask.shown)})"
        yield f"GRANT SELECT {shown} ON {qualified(plan.schema, name)} TO {reader};"


def _check_name(what: str, name: str, longest: int) -> None:
    """Refuse a *name* that is empty, too long, or not printable.

    Every name is quoted, but an unprintable one could still end a comment of the script.

    :raises UsageError: the name is refused.
    """
    if not name:
        raise UsageError(f"The {what} has no name.", f"Give one with --{what}.")
    if not name.isprintable() or len(name.encode()) > longest:
        raise UsageError(
            f"{name[:80]!r} cannot be the name of the {what}.",
            f"At most {longest} bytes, no line breaks and nothing else that is unseen.",
        )


def _listed(plan: GrantPlan, names: Iterable[str]) -> str:
    return ",\n".join(f"    {qualified(plan.schema, name)}" for name in names)


def _tidy(statement: str) -> str:
    """*statement* without tabs, which psql would complete, and blanks at line ends."""
    return "\n".join(line.rstrip() for line in statement.expandtabs(4).splitlines())


def _indented(statements: Iterable[str], blanks: int) -> str:
    return indent("\n".join(f"{_tidy(statement)};" for statement in statements), " " * blanks)


def _block(body: str, declare: str = "") -> str:
    """A block of PL/pgSQL, in dollar quotes that do not occur in it."""
    quote = "$orderpull$"
    while quote in body:
        quote = f"{quote[:-1]}_$"
    declared = f"DECLARE {declare}\n" if declare else ""
    return f"DO {quote}\n{declared}BEGIN\n{body}\nEND {quote};"
