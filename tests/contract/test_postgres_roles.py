"""docs/postgres.md: the commands under "Roles" do what is said there, and its URLs are libpq's."""

import json
import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result
from psycopg import errors as pg
from psycopg.conninfo import conninfo_to_dict

from orderpull.cli import main
from orderpull.model import MASKS
from orderpull.simulator import Simulator, SkubanaAssessment
from tests.docs.markdown import ROOT, blocks, marked, rows, section
from tests.servers import PostgresServer, _binary, postgres_server

DOCS = ROOT / "docs" / "postgres.md"
DATABASE = "orders"
PASSWORD = "only-in-tests"
ROLES = ("orders_owner", "orders_loader", "orders_reader")
ORDERS = 60


class Place:
    """A database ``orders`` with a table of somebody else's; settings for each role."""

    def __init__(self, server: PostgresServer, folder: Path, api: str) -> None:
        self.server = server
        self.folder = folder
        self.api = api

    def run_block(self, mark: str) -> None:
        """Do what a block of the docs says, as the administrator; give each role a password."""
        orderpull, *psql = marked(DOCS, mark).text.strip().splitlines()
        command, file = orderpull.split(" > ")
        printed = CliRunner().invoke(main, shlex.split(command)[1:])
        assert printed.exit_code == 0, printed.output
        (self.folder / file).write_text(printed.stdout, encoding="utf-8")
        given = shlex.split(psql[0])[1:] if psql else ["-d", DATABASE, "-f", file]
        server = self.server
        where = ["-X", "-h", server.host, "-p", str(server.port), "-U", server.user]
        done = subprocess.run(
            [str(_binary("psql")), *where, *given],
            cwd=self.folder,
            env={**os.environ, "PGPASSWORD": server.password},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        with server.connect(DATABASE) as connection:
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


def test_the_commands_of_the_docs(place: Place) -> None:
    """The script as told makes roles that load and read; the reader sees nobody."""
    place.run_block("grants: roles")
    place.call("orders_loader", "run")
    before = json.loads(place.call("orders_loader", "report", "--json").stdout)
    told = json.loads(place.call("orders_reader", "report", "--json").stdout)
    assert told == before | {"customers": None}  # told by a masked column
    assert place.refuses("orders_reader", "SELECT * FROM other.salaries")
    assert place.refuses("orders_reader", "DELETE FROM order_item")
    masked = rows(section(DOCS, "## Roles").partition("are masked.")[2])
    assert [row["table"] for row in masked] == list(MASKS)
    for row in masked:
        table, columns = row["table"], row["masked"].replace("`", "").split(", ")
        assert sorted(columns) == sorted(MASKS[table].hidden)
        for column in columns:
            assert place.refuses("orders_reader", f"SELECT {column} FROM {table}")


def test_a_loader_that_owns_nothing(place: Place) -> None:
    """A third role owns the tables, and nobody can log in as it."""
    place.run_block("grants: owner")
    place.call("orders_loader", "run")
    place.call("orders_reader", "report")
    assert place.refuses("orders_loader", "DROP TABLE order_item")


def test_every_command_of_the_docs_that_prints_a_script_does() -> None:
    """In all of the docs."""
    found = {
        line.split(" > ")[0]
        for file in (ROOT / "docs").glob("*.md")
        for line in file.read_text("utf-8").splitlines()
        if line.startswith("orderpull grants")
    }
    assert len(found) >= 4
    for command in found:
        result = CliRunner().invoke(main, shlex.split(command)[1:])
        assert result.exit_code == 0, f"{command}: {result.output}"


def test_a_password_from_the_environment_and_a_schema_by_options(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PGPASSWORD is taken where the settings have none; `options` puts the tables elsewhere."""
    place.run_block("grants: roles")
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
