"""The lake's tables as views of a DuckDB connection, and the changes that a load makes to them.

A view reads the Parquet files of a snapshot where they are. A changed row is not written into a
file: the place of the old row is noted (``gone``) and the new row is kept beside (``fresh``), and
the view shows the difference. What this comes to, file by file, is written when the load commits.
"""

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import duckdb  # the whole package: the compiled module alone makes no Arrow

from orderpull.destinations.iceberg.commits import Change, Commits
from orderpull.destinations.iceberg.store import open_store
from orderpull.destinations.iceberg.tables import ROWS_AT_ONCE, data_files, write_files
from orderpull.destinations.protocol import DUCKDB_TYPES
from orderpull.model import TABLES, VIEWS, Table
from orderpull.sqltext import identifier, literal, quoted

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile

    from orderpull.destinations.ledger import Rows

DATABASE = "warehouse"
"""The database of the connection that has the views."""

SMALL_FILE = 4 << 20
"""Bytes below which a data file is small."""

FOLD_FROM = 24
"""Number of small files of a table above which a load that writes the table merges them."""

_MODEL = {table.name: table for table in TABLES}
_NAMED = re.compile(r"\b(" + "|".join(sorted(_MODEL, key=len, reverse=True)) + r")\b")
_CHANGING = re.compile(
    r"\s*(INSERT INTO|DELETE FROM|UPDATE|CREATE TABLE|ALTER TABLE)\s+(?:IF NOT EXISTS\s+)?(\w+)\b"
)
_PLACE = "file VARCHAR, place BIGINT"


class Workspace:
    """The tables of *commits* in *connection*.

    :param connection: gets the database :data:`DATABASE`, which becomes the one in use.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, commits: Commits) -> None:
        self.connection = connection
        self.commits = commits
        self._files: dict[str, dict[str, DataFile]] = {}
        self._shown: dict[str, int | None] = {}
        self._changed: set[str] = set()
        self._created: set[str] = set()
        self._altered: set[str] = set()
        connection.execute(f"ATTACH ':memory:' AS {DATABASE}")
        connection.execute(f"USE {DATABASE}")
        for schema in ("base", "fresh", "gone"):
            connection.execute(f"CREATE SCHEMA {schema}")

    def refresh(self) -> None:
        """Show the newest state. :raises DestinationError: the lake cannot be read."""
        self.commits.refresh()
        state = self.commits.state
        for name in set(self._shown) - set(state):
            self._hide(name)

    def names(self) -> set[str]:
        """The names of the tables that are there; of whoever made them, before the first commit."""
        if self.commits.state:
            return {*self.commits.state, *self._created, *VIEWS}  # each reader makes the views
        return self.commits.existing() | self._created

    def show(self, names: Iterable[str] | None = None) -> None:
        """Make the views of the tables *names*, or of all, as they are in the state."""
        for name in _MODEL if names is None else names:
            wanted = self.commits.state.get(name)
            if name not in self._changed and self._shown.get(name, -1) != wanted:
                if wanted is None and name not in self._created:
                    continue
                self._read(name, wanted)

    def paths(self) -> list[str]:
        """SQL literals of the names of all files that the views read."""
        return [literal(path) for files in self._files.values() for path in files]

    def execute(self, statement: str, values: Sequence[Any] = ()) -> "Rows":
        """Run *statement*; what it changes is committed by :meth:`commit`."""
        self.show(set(_NAMED.findall(statement)))
        changing = _CHANGING.match(statement)
        if not changing or changing[2] not in _MODEL:
            return self.connection.execute(statement, values).fetchall()
        verb, name = changing[1], changing[2]
        if verb == "CREATE TABLE":
            self._create(name)
            return []
        if verb == "ALTER TABLE":
            self._altered.add(name)
            return []
        self._changed.add(name)
        if verb != "INSERT INTO":
            self._note_gone(name, statement, values, keep=verb == "UPDATE")
        start = changing.start(2)
        return self.connection.execute(
            f"{statement[:start]}fresh.{statement[start:]}", values
        ).fetchall()

    def commit(self) -> None:
        """Write what has changed, and commit it.

        :raises Overtaken: another process has committed meanwhile.
        """
        for name in sorted(self._created):
            self.commits.create(name, _MODEL[name].columns)
        for name in sorted(self._altered):
            self.commits.add_columns(name)
        changes = {name: self._written(name) for name in sorted(self._changed | self._created)}
        changes = {
            name: change
            for name, change in changes.items()
            if change.add or change.remove or name in self._created
        }
        if changes or self._altered:
            self.commits.commit(changes)
        self.reset()

    def fold(self, names: Iterable[str]) -> int:
        """Commit the small files of the tables *names* as large ones; count the small ones."""
        names = [name for name in names if name in self.commits.state]
        self.show(names)
        changes = {name: self._written(name, fold_from=1) for name in names}
        changes = {name: change for name, change in changes.items() if change.remove}
        if changes:
            self.commits.commit(changes)
        for name in changes:
            self._hide(name)
        return sum(len(change.remove) for change in changes.values())

    def reset(self) -> None:
        """Drop all changes that are not committed."""
        for name in self._changed | self._created | self._altered:
            self._hide(name)
        self._changed.clear()
        self._created.clear()
        self._altered.clear()

    def _read(self, name: str, snapshot_id: int | None) -> None:
        """Make the view of the table *name* at a snapshot."""
        files: list[DataFile] = []
        if snapshot_id is not None:
            table = self.commits.table(name)
            open_store(self.connection, self.commits.lake, table.location())
            files = data_files(table, snapshot_id)
        self._files[name] = {file.file_path: file for file in files}
        typed = ", ".join(f'"{c.name}" {DUCKDB_TYPES[c.type]}' for c in _MODEL[name].columns)
        self.connection.execute(f"CREATE OR REPLACE TABLE fresh.{name} ({typed})")
        self.connection.execute(f"CREATE OR REPLACE TABLE gone.{name} ({_PLACE})")
        self._make_views(name, some_gone=False)
        self._shown[name] = snapshot_id

    def _make_views(self, name: str, *, some_gone: bool) -> None:
        table = _MODEL[name]
        files, names = self._files[name], quoted(table.names)
        typed = ", ".join(
            f"NULL::{DUCKDB_TYPES[column.type]} AS {identifier(column.name)}"
            for column in table.columns
        )
        base = f"SELECT {typed}, '' AS file, 0::BIGINT AS place WHERE false"
        if files:
            base += (
                " UNION ALL BY NAME SELECT * RENAME (filename AS file, file_row_number AS place) "
                f"FROM read_parquet([{', '.join(map(literal, files))}], "
                "filename = true, file_row_number = true, union_by_name = true)"
            )
        if some_gone:
            base = f"SELECT * FROM ({base}) ANTI JOIN {DATABASE}.gone.{name} USING (file, place)"
        self.connection.execute(f"CREATE OR REPLACE VIEW base.{name} AS {base}")
        self.connection.execute(
            f"CREATE OR REPLACE VIEW main.{name} AS SELECT {names} FROM {DATABASE}.base.{name} "
            f"UNION ALL SELECT {names} FROM {DATABASE}.fresh.{name}"
        )

    def _hide(self, name: str) -> None:
        self._shown.pop(name, None)
        for schema in ("main", "base"):
            self.connection.execute(f"DROP VIEW IF EXISTS {schema}.{name}")
        for schema in ("fresh", "gone"):
            self.connection.execute(f"DROP TABLE IF EXISTS {schema}.{name}")

    def _create(self, name: str) -> None:
        if name not in self.commits.state:
            self._created.add(name)
            self.show([name])

    def _note_gone(self, name: str, statement: str, values: Sequence[Any], *, keep: bool) -> None:
        """Note the places of the stored rows that a DELETE or UPDATE concerns.

        :param keep: keep these rows among the fresh ones, where the UPDATE then finds them.
        """
        if not self._files[name]:
            return
        clauses = split_clauses(statement)
        before = statement.count("?") - sum(text.count("?") for text in clauses.values())
        more = ", ".join(filter(None, (clauses.get("USING"), clauses.get("FROM"))))
        where = clauses.get("WHERE", "true")
        row = self.connection.execute(
            f"CREATE OR REPLACE TEMP TABLE found_place AS SELECT DISTINCT {name}.file, "
            f"{name}.place FROM base.{name} AS {name}{more and ', ' + more} WHERE {where}",
            list(values)[before:],
        ).fetchone()
        if not row or not row[0]:
            return
        if keep:
            names = quoted(_MODEL[name].names)
            self.connection.execute(
                f"INSERT INTO fresh.{name} SELECT {names} FROM base.{name} "
                "SEMI JOIN found_place USING (file, place)"
            )
        self.connection.execute(f"INSERT INTO gone.{name} FROM found_place")
        self._make_views(name, some_gone=True)

    def _written(self, name: str, fold_from: int = 0) -> Change:
        """Write the files of the table *name* that take the place of others; what to commit.

        :param fold_from: number of small files from which on they are folded, whatever changed.
        """
        rows = self.connection.execute(f"SELECT DISTINCT file FROM gone.{name}").fetchall()
        by_place = {_as_duckdb_names(path): file for path, file in self._files[name].items()}
        old = {str(file) for (file,) in rows}
        (fresh,) = self.connection.execute(f"SELECT count(*) FROM fresh.{name}").fetchone() or (0,)
        if not old and not fresh and not fold_from:
            return Change()
        small = {place for place, file in by_place.items() if file.file_size_in_bytes < SMALL_FILE}
        if len(small) > (fold_from or FOLD_FROM):
            old |= small
        return Change(
            add=list(self._write_rows(_MODEL[name], old)),
            remove=[by_place[place] for place in sorted(old)],
        )

    def _write_rows(self, table: Table, old: set[str]) -> "Iterable[DataFile]":
        written = self.commits.table(table.name)
        names = quoted(field.name for field in written.schema().fields)  # an older one has others
        rows = f"SELECT {names} FROM {DATABASE}.fresh.{table.name}"
        if old:
            listed = ", ".join(map(literal, sorted(old)))
            base = f"{DATABASE}.base.{table.name}"
            rows += f" UNION ALL SELECT {names} FROM {base} WHERE file IN ({listed})"
        with self.connection.cursor() as cursor:  # this one may have a result that nobody has read
            batches = cursor.sql(rows).to_arrow_reader(ROWS_AT_ONCE)
            yield from write_files(written, batches)


def split_clauses(statement: str) -> dict[str, str]:
    """The clauses of a DELETE or UPDATE of ours behind the table, by their first words.

    An UPDATE's SET is left out. Words within parentheses belong to their clause.
    """
    depth, starts = 0, []
    for match in re.finditer(r"[()]|'[^']*'|\b(USING|FROM|WHERE|SET)\b", statement):
        if match[0] in "()":
            depth += 1 if match[0] == "(" else -1
        elif depth == 0 and match[1] and match.start() > len("DELETE FROM"):
            starts.append(match)
    ends = [*(match.start() for match in starts[1:]), len(statement)]
    clauses = {
        match[1]: statement[match.end() : end].strip()
        for match, end in zip(starts, ends, strict=False)
    }
    clauses.pop("SET", None)
    return clauses


def _as_duckdb_names(path: str) -> str:
    """The name that DuckDB gives the file at *path*."""
    return path.removeprefix("file://")
