"""The warehouses, each real or as real as it can be had, for tests of what all promise.

Redshift is the one of ``tests.doubles.redshift``, unless the environment variable
``ORDERPULL_LIVE_REDSHIFT`` names a settings file with the ``[destination]`` block of a real one, on
which databases may be made and dropped.
"""

import atexit
import dataclasses
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from orderpull import Settings, read_settings
from orderpull.destinations import open_destination
from orderpull.destinations.protocol import Destination, Kind
from orderpull.destinations.redshift.auth import Address
from orderpull.destinations.redshift.session import RedshiftSession
from orderpull.destinations.redshift.stage import RedshiftStage
from orderpull.model import SCHEMA_VERSION, SUMMARY_TABLES, TABLES, VIEWS
from tests.doubles.redshift import RedshiftDouble, Template, redshift_double
from tests.duckdb_file import attached
from tests.servers import (
    KEYS,
    PostgresServer,
    aws_client,
    fresh_bucket,
    fresh_database,
    postgres_server,
    s3_server,
)

SUMMARIES_SINCE = 3
"""The schema version that added the summaries."""

SERVERS: tuple[Kind, ...] = ("postgresql", "redshift")
KINDS: tuple[Kind, ...] = ("duckdb", *SERVERS, "iceberg")
LIVE = "ORDERPULL_LIVE_REDSHIFT"
ROLE = "arn:aws:iam::123456789012:role/orderpull-copy"


@dataclass
class Warehouse:
    """A warehouse that nobody else uses.

    :param lines: its ``[destination]`` block.
    :param query: runs a statement of its own in it, as somebody who may do everything there.
    """

    kind: Kind
    folder: Path
    lines: dict[str, object]
    query: Callable[[str], list[tuple[Any, ...]]]
    double: RedshiftDouble | None = None
    bucket: str = ""
    live: bool = False

    def settings(
        self,
        base_url: str,
        more: str = "",
        api: str = "skubana-assessment",
        landing: Path | None = None,
        **changed: object,
    ) -> Settings:
        """Settings for one source ``shop`` at *base_url*, written to the folder.

        :param more: further lines of the source's block. :param api: a consume-once one, if none
            is named. :param changed: of ``[destination]``.
        """
        values = {"lock_wait": 5, **self.lines, **changed}
        block = "".join(f"{key} = {_toml(value)}\n" for key, value in values.items())
        file = self.folder / "orderpull.toml"
        pages = f'[landing]\nurl = "{landing}"\n' if landing else ""
        file.write_text(
            f'[destination]\n{block}{pages}[sources.shop]\napi = "{api}"\n'
            f'base_url = "{base_url}"\n{more}\n',
            encoding="utf-8",
        )
        return read_settings(file)

    def open(self, **changed: Any) -> Destination:
        """It, as a destination."""
        settings = self.settings("http://127.0.0.1:9", **changed)
        return open_destination(settings.destination, self.folder)

    def staged(self) -> list[str]:
        """The files that lie in the stage."""
        if not self.bucket:
            return []
        found = aws_client("s3", s3_server()).list_objects_v2(Bucket=self.bucket)
        return [each["Key"] for each in found.get("Contents", ())]


@contextmanager
def warehouse(kind: Kind, folder: Path, *, prepared: bool = False) -> Iterator[Warehouse]:
    """A fresh warehouse of *kind*, without orders; *folder* is where settings and landing are.

    :param prepared: the tables exist, copied from a template: this takes a tenth of the time. (A
        live Redshift has no templates; there a run creates the tables in any case.)
    """
    folder.mkdir(exist_ok=True)
    if kind == "duckdb":
        file = folder / "orders.duckdb"
        if prepared:
            shutil.copyfile(prepared_file(), file)
        yield Warehouse(kind, folder, {}, lambda query: _on_file(file, query))
        return
    if kind == "iceberg":
        yield _lake(folder, prepared=prepared)
        return
    server = postgres_server()
    if kind == "postgresql":
        name = fresh_database(server, _prepared_postgres() if prepared else "template0")
        yield Warehouse(kind, folder, {"url": server.url(name)}, _on_server(server, name))
        return
    if LIVE in os.environ:
        with _live(folder, Path(os.environ[LIVE])) as made:
            yield made
        return
    bucket = fresh_bucket(s3_server())
    template = _prepared_redshift() if prepared else None
    with redshift_double(server, s3_server(), {ROLE: f"{bucket}/stage/"}) as double:
        name = double.fresh_database(template)
        lines: dict[str, object] = {
            "url": f"redshift://{double.user}@{double.host}:{double.port}/{name}?sslmode=disable",
            "password": double.password,
            "stage": f"s3://{bucket}/stage",
            "iam_role": ROLE,
            "region": KEYS["region_name"],
            "endpoint": s3_server(),
        }
        yield Warehouse(kind, folder, lines, _on_server(server, name), double, bucket)


def aged(version: int, schema: str = "") -> list[str]:
    """The statements that make the tables those of an older schema *version*.

    :param schema: where they are, if not where names are looked for.
    """
    within = f"{schema}." if schema else ""
    statements = [f"DROP VIEW {within}{name}" for name in VIEWS]
    for table in TABLES:
        if table in SUMMARY_TABLES and version < SUMMARIES_SINCE:
            statements.append(f"DROP TABLE {within}{table.name}")
            continue
        statements += [
            f'ALTER TABLE {within}{table.name} DROP COLUMN "{column.name}"'
            for column in table.columns
            if column.since > version
        ]
    return [
        *statements,
        f"DELETE FROM {within}orderpull_schema WHERE version <> {SCHEMA_VERSION}",
        f"UPDATE {within}orderpull_schema SET version = {version}, made_by = 'older'",
    ]


def _prepare(kind: Kind, folder: Path) -> str:
    """Create the tables in a fresh warehouse; its URL."""
    with warehouse(kind, folder) as made:
        destination = made.open()
        destination.preflight()
        with destination.loader():
            pass
        return str(made.lines.get("url", ""))


@cache
def prepared_file() -> Path:
    """A DuckDB file with all tables and no orders, to copy."""
    folder = Path(tempfile.mkdtemp(prefix="orderpull-template-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    _prepare("duckdb", folder)
    return folder / "orders.duckdb"


@cache
def _prepared_postgres() -> str:
    with tempfile.TemporaryDirectory() as folder:
        return urlsplit(_prepare("postgresql", Path(folder))).path.strip("/")


@cache
def _prepared_redshift() -> Template:
    with tempfile.TemporaryDirectory() as folder:
        url = urlsplit(_prepare("redshift", Path(folder)))
        return Template(url.path.strip("/"), str(url.username))


def _lake(folder: Path, *, prepared: bool) -> Warehouse:
    from tests.lake import on_lake

    url = "iceberg:///lake"
    made = Warehouse("iceberg", folder, {"url": url}, on_lake(url, folder))
    if prepared:
        made.open().preflight()
    return made


@contextmanager
def _live(folder: Path, file: Path) -> Iterator[Warehouse]:
    """A database of its own on a real Redshift, dropped afterwards."""
    settings = read_settings(file).destination
    lines = {
        key: value for key, value in msgspec.to_builtins(settings).items() if value is not None
    }
    name = f"orderpull_test_{uuid.uuid4().hex[:12]}"

    def query(statement: str, database: str = name) -> list[tuple[Any, ...]]:
        address = dataclasses.replace(Address.parse(settings.url), database=database)
        session = RedshiftSession(settings, address, RedshiftStage(settings), "the live Redshift")
        try:
            return session.execute(statement)
        finally:
            session.close()

    own = Address.parse(settings.url).database
    query(f"CREATE DATABASE {name}", own)
    try:
        lines["url"] = settings.url.replace(f"/{own}", f"/{name}")
        yield Warehouse("redshift", folder, lines, query, live=True)
    finally:
        query(f"DROP DATABASE {name}", own)


def _on_server(server: PostgresServer, name: str) -> Callable[[str], list[tuple[Any, ...]]]:
    def query(statement: str) -> list[tuple[Any, ...]]:
        with server.connect(name) as connection:
            found = connection.execute(statement.encode())
            return found.fetchall() if found.description else []

    return query


def _on_file(file: Path, query: str) -> list[tuple[Any, ...]]:
    with attached(file, read_only=False) as connection:
        return connection.execute(query).fetchall()


def _toml(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)
