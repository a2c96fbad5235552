"""Whether a warehouse's tables are those of this orderpull, and what makes them so."""

from collections.abc import Iterable

from orderpull import __version__, clock
from orderpull.destinations.ledger import Execute
from orderpull.destinations.protocol import Kind
from orderpull.errors import DestinationForeign, SchemaTooNew
from orderpull.model import SCHEMA_VERSION, TABLES, VIEWS

_OURS = {table.name for table in TABLES}.union(VIEWS)


def pending(execute: Execute, names: Iterable[str], kind: Kind, where: str) -> list[str]:
    """The statements that make or migrate the tables; none if they are as they should be.

    :param names: the tables and views that are there.
    :param where: the warehouse, as messages name it.
    :raises SchemaTooNew: a newer orderpull made them.
    :raises DestinationForeign: some by our names are there that we did not make.
    """
    version = _version(execute, set(names), where)
    if version == SCHEMA_VERSION:
        return []
    from orderpull.destinations import schema

    if version is None:
        return list(schema.create_statements(kind))
    return list(schema.migrate_statements(version, kind))


def migrate(execute: Execute, statements: Iterable[str]) -> None:
    """Run *statements* and note the version, in a transaction that the caller holds."""
    for statement in statements:
        execute(statement, [])
    execute(
        "INSERT INTO orderpull_schema VALUES (?, ?, ?)",
        [SCHEMA_VERSION, clock.now(), f"orderpull {__version__}"],
    )


def _version(execute: Execute, names: set[str], where: str) -> int | None:
    """The schema version; None if there is none of our tables."""
    if "orderpull_schema" in names:
        version = execute("SELECT max(version) FROM orderpull_schema", [])[0][0]
        if version is not None and version > SCHEMA_VERSION:
            raise SchemaTooNew(
                f"{where} has schema version {version}; this orderpull knows up to "
                f"{SCHEMA_VERSION}.",
                "Update orderpull; nothing was changed.",
            )
        if version is not None:
            return int(version)
    taken = sorted(names & _OURS)
    if taken:
        raise DestinationForeign(
            f"{where} already has tables named {', '.join(taken)}, not made by orderpull.",
            "Choose another place in destination.url; this one was not touched.",
        )
    return None
