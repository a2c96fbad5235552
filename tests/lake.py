"""A lake of the tests, read by pyiceberg alone, as another program would read it."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb

from orderpull.destinations.iceberg.session import IcebergDestination, iceberg_destination
from orderpull.destinations.iceberg.tables import schema_of
from orderpull.destinations.schema import create_views
from orderpull.model import VIEWS, Column
from orderpull.settings import DestinationSettings

Query = Callable[[str], list[tuple[Any, ...]]]

_DROPPED = re.compile(r'ALTER TABLE (\w+) DROP COLUMN "(\w+)"')


def on_lake(url: str, folder: Path, **more: Any) -> Query:
    """What runs a statement in the lake at *url*. :param more: further settings of it."""
    settings = DestinationSettings(url=url, **more)

    def query(statement: str) -> list[tuple[Any, ...]]:
        destination = iceberg_destination(settings, folder, ZoneInfo("UTC"))
        try:
            if statement.startswith(("DROP", "ALTER", "CREATE")):
                _define(destination, statement)
                return []
            if statement.startswith(("INSERT", "DELETE", "UPDATE")):
                with destination.inspect() as session, session.writing():
                    return session.execute(statement)
            return _read(destination, statement)
        finally:
            destination.close()

    return query


def _read(destination: IcebergDestination, statement: str) -> list[tuple[Any, ...]]:
    """The rows of *statement* on the branch ``main`` of each table that it names."""
    catalog, namespace = destination.lake.catalog, destination.lake.namespace
    everything = any(view in statement for view in VIEWS)
    with duckdb.connect() as connection:
        for _, name in catalog.list_tables(namespace):
            if everything or name in statement or "information_schema" in statement:
                rows = catalog.load_table((namespace, name)).scan().to_arrow()
                connection.register(name, rows)
        if everything:
            for view in create_views("iceberg"):
                connection.execute(view)
        return connection.execute(statement).fetchall()


def _define(destination: IcebergDestination, statement: str) -> None:
    """Do what a statement of DDL would do."""
    catalog, namespace = destination.lake.catalog, destination.lake.namespace
    if match := _DROPPED.fullmatch(statement):
        with catalog.load_table((namespace, match[1])).update_schema() as update:
            update.delete_column(match[2])
    elif statement.startswith("DROP TABLE"):
        name = statement.rsplit(maxsplit=1)[-1]
        destination.commits.refresh()
        destination.commits.state = {
            k: v for k, v in destination.commits.state.items() if k != name
        }
        destination.commits.commit({})
        catalog.drop_table((namespace, name))
    elif statement.startswith("CREATE TABLE"):
        catalog.create_table(
            (namespace, statement.split()[2]), schema_of([Column("a", "text", "")])
        )
