"""The warehouse's tables: whole, of this version, with their indexes and rights."""

from collections.abc import Iterator, Mapping

from orderpull import clock
from orderpull.destinations.schema import index_statements
from orderpull.model import (
    LEDGER_CURSOR,
    LEDGER_SCHEMA,
    SCHEMA_VERSION,
    SUMMARY_TABLES,
    TABLES,
    VIEWS,
)
from orderpull.operate.doctor.facts import Facts
from orderpull.operate.doctor.finding import Finding, ok, problem, warning
from orderpull.operate.doctor.installation import Installation


def warehouse(at: Installation) -> Iterator[Finding]:
    """Compare the tables with the model."""
    if at.is_blank:
        blank = at.shown(str(at.destination))
        if landed := sum(map(len, at.pages.values())):
            what = f"There are no tables, and {landed:,} landed pages to load into them."
            yield warning(what, at.command("load"), blank)
        yield ok(f"{blank}: no tables yet; the first run makes them")
        return
    facts = at.facts
    where = at.shown(facts.where)
    yield from _tables(at, facts, where)
    yield from _indexes(at, facts, where)
    yield from _rights(at, facts, where)
    yield ok(f"{where}, tables of version {facts.version}")


def _tables(at: Installation, facts: Facts, where: str) -> Iterator[Finding]:
    """Compare tables, columns and views with those of the recorded version."""
    missing, version = missing_parts(facts.columns), facts.version
    if version is None:
        if missing:
            what, mend = "made by half, or not by orderpull", "Choose another destination.url."
        else:
            what, mend = "whole, but for that", at.sql(_record(SCHEMA_VERSION))
        yield problem(f"The tables have no version: they are {what}.", mend, where)
    elif version > SCHEMA_VERSION:
        yield problem(
            f"The tables have version {version}, made by {facts.made_by}; this orderpull knows up "
            f"to {SCHEMA_VERSION}.",
            "pip install --upgrade orderpull",
            where,
        )
    elif version == SCHEMA_VERSION:
        if missing:
            yield problem(
                f"Half migrated: the tables say version {version}, and lack {_listed(missing)}.",
                _rebuild(at, missing),
                where,
            )
    elif version < 2 and "loads" in facts.columns.get(LEDGER_CURSOR.name, ()):  # noqa: PLR2004
        yield problem(
            f"Half migrated: the tables say version {version}, and {LEDGER_CURSOR.name}.loads of "
            "version 2 is there.",
            f"{at.sql(_record(2))} && {at.command('load')}",
            where,
        )
    else:
        yield warning(
            f"The tables have version {version}; the next run makes them version {SCHEMA_VERSION}.",
            at.command("load"),
            where,
        )


def _record(version: int) -> str:
    """The statement that records *version* in place of the recorded one."""
    made = f"INSERT INTO {LEDGER_SCHEMA.name} VALUES ({version}, '{clock.now():%F}', 'by hand')"
    return f"DELETE FROM {LEDGER_SCHEMA.name}; {made}"


def _rebuild(at: Installation, missing: list[str]) -> str:
    """The command that makes what is *missing*: migrations for rollups and views, else a replay."""
    again = {*VIEWS, *(table.name for table in SUMMARY_TABLES)}
    if again.issuperset(missing):
        return f"{at.sql(_record(2))} && {at.command('load')}"
    return at.command("replay --into URL") + ", then use that warehouse"


def missing_parts(columns: Mapping[str, list[str]]) -> list[str]:
    """Names of tables, columns and views of the model that *columns* lacks."""
    missing = [table.name for table in TABLES if table.name not in columns]
    missing += [
        f"{table.name}.{name}"
        for table in TABLES
        for name in table.names
        if table.name in columns and name not in columns[table.name]
    ]
    return missing + [view for view in VIEWS if view not in columns]


def _indexes(at: Installation, facts: Facts, where: str) -> Iterator[Finding]:
    """Find keys and indexes of PostgreSQL that are missing or invalid."""
    if facts.kind != "postgresql":
        return
    for name, statement in index_statements("postgresql").items():
        on = statement.partition(" ON ")[2].split()[0]
        if on in facts.columns and not facts.indexes.get(name):
            state = "is missing" if name not in facts.indexes else "is invalid"
            create = f"DROP INDEX IF EXISTS {name}; {statement}"
            yield problem(f"The index {name} {state}: loads are slow.", at.sql(create), where)
    for table in TABLES:
        if table.key and table.name in facts.columns and table.name not in facts.keys:
            yield problem(
                f"{table.name} has no primary key: a row could come twice.",
                at.sql(f"ALTER TABLE {table.name} ADD PRIMARY KEY ({', '.join(table.key)})"),
                where,
            )


def _rights(at: Installation, facts: Facts, where: str) -> Iterator[Finding]:
    """Name the users that may not do their work."""
    for user in dict.fromkeys(user for user, _, _ in facts.refused):
        refused = [(table, right) for name, table, right in facts.refused if name == user]
        first = f"{refused[0][1]} on {refused[0][0]}"
        more = f" and {len(refused) - 1} more" if len(refused) > 1 else ""
        role = "--loader" if user == facts.user else "--reader"
        yield problem(
            f"{user} has no right to {first}{more}.",
            at.command(f"grants {role} {user}") + " prints the SQL for an administrator",
            where,
        )


def _listed(names: list[str]) -> str:
    few = 4
    return ", ".join(names[:few]) + (f" and {len(names) - few} more" if len(names) > few else "")
