"""Create the tables of a warehouse, or migrate them to this orderpull's schema version."""

from orderpull import __version__, clock
from orderpull.destinations.session import Session
from orderpull.errors import DestinationForeign, SchemaTooNew
from orderpull.model import SCHEMA_VERSION, TABLES, VIEWS

_OURS = {table.name for table in TABLES}.union(VIEWS)


def pending(session: Session) -> list[str]:
    """The statements that create or migrate the tables; empty if the tables are up to date.

    :raises SchemaTooNew: a newer orderpull made the tables.
    :raises DestinationForeign: something else made tables with our names.
    """
    names = {str(name) for (name,) in session.execute(session.table_names)}
    version = _version(session, names)
    if version == SCHEMA_VERSION:
        return []
    from orderpull.destinations import schema

    if version is None:
        return list(schema.create_statements(session.kind))
    return list(schema.migrate_statements(version, session.kind))


def ensure_schema(session: Session) -> None:
    """Create or migrate the tables, and record the version, in one transaction."""
    if not pending(session):
        return
    with session.writing():
        statements = pending(session)  # another process may have been first
        for statement in statements:
            session.execute(statement)
        if statements:
            session.execute(
                "INSERT INTO orderpull_schema VALUES (?, ?, ?)",
                [SCHEMA_VERSION, clock.now(), f"orderpull {__version__}"],
            )


def _version(session: Session, names: set[str]) -> int | None:
    """The schema version; None if none of our tables exists."""
    if "orderpull_schema" in names:
        version = session.execute("SELECT max(version) FROM orderpull_schema")[0][0]
        if version is not None and version > SCHEMA_VERSION:
            raise SchemaTooNew(
                f"{session.where} has schema version {version}; this orderpull knows up to "
                f"{SCHEMA_VERSION}.",
                "Update orderpull; nothing was changed.",
            )
        if version is not None:
            return int(version)
    taken = sorted(names & _OURS)
    if taken:
        raise DestinationForeign(
            f"{session.where} already has tables named {', '.join(taken)}, not made by orderpull.",
            "Choose another place in destination.url; this one was not touched.",
        )
    return None
