"""The roles of docs/postgres.md: enough to load and to read, and not enough for anything else."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result
from psycopg import errors as pg
from psycopg.conninfo import conninfo_to_dict

from orderpull.cli import main
from orderpull.simulator import Simulator, SkubanaAssessment
from tests.docs.markdown import ROOT, blocks, marked, rows, section
from tests.servers import PostgresServer, postgres_server

DOCS = ROOT / "docs" / "postgres.md"
DATABASE = "orders"
PASSWORD = "only-in-tests"
ROLES = ("orders_owner", "orders_loader", "orders_reader")
ORDERS = 60

# What only somebody may do who owns the tables, or more.
NOT_THE_LOADERS = (
    "CREATE ROLE somebody",
    "CREATE SCHEMA more",
    "CREATE TABLE public.mine (a int)",
    "SELECT * FROM other.salaries",
    "DELETE FROM other.salaries",
    "DROP TABLE other.salaries",
)
NOT_WITHOUT_OWNING = (
    "DROP TABLE order_item",
    "ALTER TABLE order_item ADD COLUMN a int",
    "TRUNCATE order_item",
    "CREATE TABLE mine (a int)",
    "DELETE FROM orderpull_schema",
    "INSERT INTO orderpull_schema (version) VALUES (99)",
    "UPDATE order_item SET quantity = 0",
)
NOT_THE_READERS = (
    "INSERT INTO order_item (ordernumber, sku, source) VALUES ('1', 'a', 'shop')",
    "DELETE FROM order_item",
    "DELETE FROM orderpull_cursor",
    "CREATE TEMP TABLE mine (a int)",
)


class Place:
    """A database ``orders`` with a table of somebody else's; settings for each role."""

    def __init__(self, server: PostgresServer, folder: Path, api: str) -> None:
        self.server = server
        self.folder = folder
        self.api = api

    def run_block(self, mark: str) -> None:
        """Run a block of the docs, as the administrator, and give each role a password."""
        with self.server.connect(DATABASE) as connection:
            connection.execute(marked(DOCS, mark).text.encode())
            for role in self.roles():
                connection.execute(f"ALTER ROLE {role} PASSWORD '{PASSWORD}'".encode())

    def roles(self) -> list[str]:
        """The roles that are there."""
        with self.server.connect() as connection:
            found = connection.execute("SELECT rolname FROM pg_roles WHERE rolname ~ '^orders_'")
            return [str(row[0]) for row in found]

    def url(self, role: str) -> str:
        """How *role* connects."""
        return f"postgresql://{role}@{self.server.host}:{self.server.port}/{DATABASE}"

    def call(self, role: str, *arguments: str, code: int = 0) -> Result:
        """What ``orderpull ARGUMENTS`` says with *role* in the settings."""
        file = self.folder / "orderpull.toml"
        file.write_text(
            f'[destination]\nurl = "{self.url(role)}"\npassword = "{PASSWORD}"\n'
            f'[sources.shop]\napi = "skubana-assessment"\nbase_url = "{self.api}"\n',
            encoding="utf-8",
        )
        result = CliRunner().invoke(main, ["--config", str(file), *arguments])
        assert result.exit_code == code, result.output
        return result

    def ask(self, role: str, statement: str) -> list[tuple[Any, ...]]:
        """What *statement* finds, asked by *role* without orderpull between them."""
        with psycopg.connect(self.url(role), password=PASSWORD, autocommit=True) as connection:
            found = connection.execute(statement.encode())
            return found.fetchall() if found.description else []

    def refuses(self, role: str, statement: str) -> bool:
        """Whether the server says that *role* lacks the right."""
        try:
            self.ask(role, statement)
        except pg.InsufficientPrivilege:
            return True
        return False


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    server = postgres_server()
    with server.connect() as connection:
        connection.execute(f"CREATE DATABASE {DATABASE} TEMPLATE template0".encode())
    with server.connect(DATABASE) as connection:
        connection.execute("CREATE SCHEMA other")
        connection.execute("CREATE TABLE other.salaries (name text)")
    try:
        with Simulator(SkubanaAssessment(orders=ORDERS, per_call=30, seed=4)) as simulator:
            yield Place(server, tmp_path, simulator.url)
    finally:
        with server.connect() as connection:
            connection.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)".encode())
            for role in ROLES:
                connection.execute(f"DROP ROLE IF EXISTS {role}".encode())


def load_and_read(place: Place) -> None:
    """Everything of a day's work, each by the role that is there for it."""
    place.call("orders_loader", "run")
    place.call("orders_loader", "replay")
    assert place.ask("orders_loader", "SELECT count(*) FROM order_header") == [(ORDERS,)]
    place.call("orders_loader", "rejects", "list")
    assert "items per order" in place.call("orders_reader", "report").stdout
    told = place.call("orders_reader", "sql", "--csv", "SELECT count(*) AS n FROM order_address")
    assert told.stdout.split() == ["n", str(ORDERS)]
    place.call("orders_reader", "rejects", "list")
    place.call("orders_reader", "status")


def test_a_loader_with_a_schema_of_its_own(place: Place) -> None:
    """It makes its tables and loads; it can touch nothing that is not its own."""
    place.run_block("sql: roles")
    load_and_read(place)
    assert not place.refuses("orders_loader", "CREATE TABLE mine (a int)")
    for statement in NOT_THE_LOADERS:
        assert place.refuses("orders_loader", statement), statement
    for statement in (*NOT_THE_READERS, *NOT_WITHOUT_OWNING, *NOT_THE_LOADERS):
        assert place.refuses("orders_reader", statement), statement
    assert "refuses: permission denied" in place.call("orders_reader", "run", code=2).stderr


def test_a_loader_that_owns_nothing(place: Place) -> None:
    """The owner's check makes the tables; the loader loads, and cannot change or drop them."""
    place.run_block("sql: roles of the variant")
    assert "refuses: permission denied" in place.call("orders_loader", "run", code=2).stderr
    place.call("orders_owner", "check")
    place.run_block("sql: grants of the variant")
    load_and_read(place)
    for statement in (*NOT_THE_LOADERS, *NOT_WITHOUT_OWNING):
        assert place.refuses("orders_loader", statement), statement
    for statement in NOT_THE_READERS:
        assert place.refuses("orders_reader", statement), statement


def test_a_loader_who_may_not_keep_the_summaries_asks_nothing(place: Place) -> None:
    """One right less is found before anything is asked of the shop: exit 2."""
    place.run_block("sql: roles of the variant")
    place.call("orders_owner", "check")
    place.run_block("sql: grants of the variant")
    place.ask("orders_owner", "REVOKE UPDATE ON summary_state FROM orders_loader")
    told = place.call("orders_loader", "run", code=2).stderr
    assert "permission denied for table summary_state" in told
    assert place.ask("orders_owner", "SELECT count(*) FROM order_header") == [(0,)]


def test_a_reader_who_sees_no_names(place: Place) -> None:
    """The answers are the same; names, streets and rejects are refused."""
    place.run_block("sql: roles")
    place.call("orders_loader", "run")
    before = place.call("orders_reader", "report", "--json").stdout
    place.run_block("sql: without names")
    assert place.call("orders_reader", "report", "--json").stdout == before
    assert place.ask("orders_reader", "SELECT * FROM popular_sku_by_country")
    for statement in ("SELECT name FROM order_address", "SELECT * FROM orderpull_reject"):
        assert place.refuses("orders_reader", statement), statement
        told = place.call("orders_reader", "sql", statement, code=2).stderr
        assert "permission denied" in told


def test_a_password_from_the_environment_and_a_schema_by_options(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PGPASSWORD is taken where the settings have none; `options` puts the tables elsewhere."""
    place.run_block("sql: roles")
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    with place.server.connect(DATABASE) as connection:
        connection.execute("CREATE SCHEMA elsewhere AUTHORIZATION orders_loader")
    (options,) = (row["write"] for row in url_rows() if row["to"] == "use another schema")
    file = place.folder / "orderpull.toml"
    file.write_text(
        f'[destination]\nurl = "{place.url("orders_loader")}'
        f'?{options.replace("orders", "elsewhere")}"\n'
        f'[sources.shop]\napi = "skubana-assessment"\nbase_url = "{place.api}"\n',
        encoding="utf-8",
    )
    result = CliRunner().invoke(main, ["--config", str(file), "run"])
    assert result.exit_code == 0, result.output
    found = place.ask("orders_loader", "SELECT count(*) FROM elsewhere.order_header")
    assert found == [(ORDERS,)]


def url_rows() -> list[dict[str, str]]:
    """What docs/postgres.md says that a URL may hold."""
    return rows(section(DOCS, "## The URL"))


def test_every_url_in_the_docs_is_one_that_libpq_reads() -> None:
    """Parameters by libpq's names, and the whole URL of the settings."""
    (settings,) = blocks(DOCS, language="toml")
    url = settings.text.split('url = "')[1].split('"')[0]
    assert conninfo_to_dict(url)["sslmode"] == "verify-full"
    for row in url_rows():
        told = row["write"].partition("` (")[0]
        if "://" not in told:
            told = f"postgresql://user@host/database?{told}"
        assert conninfo_to_dict(told)["dbname"], told
