"""A warehouse on a server whose users and rights are those of ``orderpull grants``."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import redshift_connector
from click.testing import CliRunner, Result
from psycopg import errors as pg
from psycopg.conninfo import make_conninfo
from redshift_connector.error import Error

from orderpull import Settings
from orderpull.cli import main
from orderpull.destinations.protocol import Kind
from tests.doubles.redshift.tokens import _TOKEN
from tests.servers import PostgresServer, postgres_server
from tests.warehouses import Warehouse, warehouse

PASSWORD = "Only-in-tests-1"
NO_RIGHT = "42501"


@dataclass
class Granted:
    """A warehouse with users of its own.

    :param api: the address of the shop.
    """

    made: Warehouse
    server: PostgresServer
    database: str
    api: str
    loader: str = field(default_factory=lambda: f"loader_{uuid.uuid4().hex[:8]}")
    reader: str = field(default_factory=lambda: f"reader_{uuid.uuid4().hex[:8]}")
    schema: str = "orders"

    @property
    def kind(self) -> Kind:
        return self.made.kind

    def script(self, *options: str, users: bool = True) -> str:
        """What ``orderpull grants`` prints for this database."""
        named = ["--loader", self.loader, "--reader", self.reader, "--schema", self.schema]
        where = ["--for", self.kind, "--database", self.database]
        result = CliRunner().invoke(main, ["grants", *where, *named, *options])
        assert result.exit_code == 0, result.output
        return result.stdout

    def grant(self, *options: str) -> list[str]:
        """Run the script as the administrator; what the server refused of it."""
        refused = self.run(self.script(*options))
        for role in (self.loader, self.reader):
            self.administer(f"ALTER ROLE {quoted(role)} PASSWORD '{PASSWORD}'")
        return refused

    def run(self, script: str) -> list[str]:
        """Run *script* as psql does: on PostgreSQL until an error, on Redshift past it."""
        if self.kind == "postgresql":
            try:
                self.administer(script)
            except psycopg.Error as error:
                return [str(error)]
            return []
        refused = []
        with self._redshift(self.server.user, self.server.password) as cursor:
            for statement in statements(script):
                try:
                    cursor.execute(statement)
                except Error as error:
                    refused.append(str(error.args[0]["M"]))
        return refused

    def administer(self, statement: str) -> None:
        """Run *statement* on the PostgreSQL below, as its superuser."""
        with self.server.connect(self.database) as connection:
            connection.execute(statement.encode())

    def ask(self, role: str, statement: str) -> list[Any]:
        """What *statement* finds, asked by *role* without orderpull between them."""
        if self.kind == "redshift":
            with self._redshift(role, PASSWORD) as cursor:
                cursor.execute(statement)
                return list(cursor.fetchall()) if cursor.description else []
        where = make_conninfo(
            host=self.server.host,
            port=self.server.port,
            dbname=self.database,
            user=role,
            password=PASSWORD,
        )
        with psycopg.connect(where, autocommit=True) as connection:
            found = connection.execute(statement.encode())
            return found.fetchall() if found.description else []

    def refuses(self, role: str, statement: str) -> bool:
        """Whether the server says that *role* lacks the right."""
        try:
            self.ask(role, statement)
        except pg.InsufficientPrivilege:
            return True
        except Error as error:
            if error.args[0]["C"] != NO_RIGHT:
                raise
            return True
        return False

    def settings(self, role: str) -> Settings:
        """Settings in which *role* logs in."""
        user = quote(role, safe="")
        if self.made.double is None:
            url = f"postgresql://{user}@{self.server.host}:{self.server.port}/{self.database}"
        else:
            at = f"{self.made.double.host}:{self.made.double.port}"
            url = f"redshift://{user}@{at}/{self.database}?sslmode=disable"
        return self.made.settings(self.api, url=url, password=PASSWORD)

    def call(self, role: str, *arguments: str, code: int = 0) -> Result:
        """What ``orderpull ARGUMENTS`` says with *role* in the settings."""
        self.settings(role)
        file = self.made.folder / "orderpull.toml"
        result = CliRunner().invoke(main, ["--config", str(file), *arguments])
        assert result.exit_code == code, result.output
        return result

    @contextmanager
    def _redshift(self, user: str, password: str) -> Iterator[Any]:
        double = self.made.double
        assert double is not None
        given = {"host": double.host, "port": double.port, "database": self.database}
        with redshift_connector.connect(
            **given, user=user, password=password, ssl=False
        ) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                yield cursor


@contextmanager
def granted(kind: Kind, folder: Path, api: str) -> Iterator[Granted]:
    """An empty warehouse of *kind*, and beside it a table of somebody else's."""
    with warehouse(kind, folder) as made:
        database = str(made.lines["url"]).rpartition("/")[2].partition("?")[0]
        found = Granted(made, postgres_server(), database, api)
        found.administer("CREATE SCHEMA other")
        found.administer("CREATE TABLE other.salaries (name text)")
        yield found


def quoted(name: str) -> str:
    """*name* as an identifier."""
    return '"' + name.replace('"', '""') + '"'


def statements(script: str) -> list[str]:
    """The statements of a script for Redshift, one by one, without its comments."""
    found, at = [""], 0
    while at < len(script):
        match = _TOKEN.match(script, at)
        assert match is not None, script[at : at + 40]
        at = match.end()
        if match[0] == ";":
            found.append("")
        elif not match[0].startswith("--"):
            found[-1] += match[0]
    return [one.strip() for one in found if one.strip()]
