"""Commits over several tables, of which each is an Iceberg commit of its own.

Iceberg commits one table at a time. A load writes a snapshot of each table that it changes on the
branch ``orderpull``; nobody reads it there. Then it commits the table ``orderpull_commit``, whose
snapshot names the snapshot of every table: this one commit makes the load real, for its readers at
once. Last, the branch ``main``, which other programs read, is moved to the new snapshots.

Killed before that one commit, the load has changed nothing, and its snapshots are on no branch that
counts; the next load begins at the snapshots that are named. Killed after it, the next load moves
the branches that were left behind. Two loaders cannot both succeed: the catalog takes the commit of
one, and the other starts over.
"""

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pyiceberg.exceptions import NoSuchTableError, TableAlreadyExistsError
from pyiceberg.table.update.snapshot import ManageSnapshots

from orderpull.destinations.iceberg.catalog import Lake, translated
from orderpull.destinations.iceberg.tables import PROPERTIES, missing_columns, schema_of
from orderpull.errors import CommitRefused, DestinationError
from orderpull.failpoints import failpoint
from orderpull.model import TABLES, Column

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table

HEAD = "orderpull_commit"
"""The table whose snapshots name the snapshots of all tables."""

BRANCH = "orderpull"
"""The branch on which loads write. ``main`` follows it."""

SNAPSHOTS = "orderpull.snapshots"
RUN_ID = "orderpull.run-id"
"""Properties of a snapshot of :data:`HEAD`: the other tables' snapshots (JSON); who committed."""

NAME_MAPPING = "schema.name-mapping.default"
"""Property of a table: which field a column of a file without field ids is."""

_MAIN = "main"
_MODEL = {table.name: table for table in TABLES}
_HEAD_COLUMNS = (Column("load", "text", "always empty: see the snapshots of this table"),)

State = Mapping[str, int]
"""The snapshot of each table, by its name."""


@dataclass(slots=True)
class Change:
    """Change of one table.

    :param add: new files. :param remove: files to take out.
    """

    add: "list[DataFile]" = field(default_factory=list)
    remove: "list[DataFile]" = field(default_factory=list)


class Commits:
    """The tables of one lake, and the state that its head names.

    :ivar state: the snapshot of each table; a table that is missing has never been written.
    """

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        self.state: State = {}
        self._head: Table | None = None
        self._head_id: int | None = None
        self._tables: dict[str, Table] = {}

    def refresh(self) -> bool:
        """Read the state again; False if it is as it was."""
        with translated(self.lake.where):
            try:
                self._head = self._load(HEAD)
            except NoSuchTableError:
                self._head, self._head_id, self.state = None, None, {}
                return True
            snapshot = self._head.metadata.snapshot_by_name(BRANCH)
        if snapshot is None or snapshot.summary is None:
            raise DestinationError(
                f"The table {HEAD} of {self.lake.where} has no branch {BRANCH}.",
                "Something else has changed it; restore the tables from a backup.",
            )
        changed = snapshot.snapshot_id != self._head_id
        self._head_id = snapshot.snapshot_id
        self.state = json.loads(snapshot.summary[SNAPSHOTS] or "{}")
        return changed

    @property
    def head_id(self) -> int | None:
        """The snapshot of the head; None before the first commit."""
        return self._head_id

    def existing(self) -> set[str]:
        """The names of all tables in the namespace, whoever made them."""
        with translated(self.lake.where):
            return {name[-1] for name in self.lake.catalog.list_tables(self.lake.namespace)}

    def table(self, name: str) -> "Table":
        """The table *name*, which has the snapshot of the state."""
        known = self._tables.get(name)
        if known is None or known.metadata.snapshot_by_id(self.state.get(name, -1)) is None:
            with translated(self.lake.where):
                known = self._tables[name] = self._load(name)
        return known

    def create(self, name: str, columns: Iterable[Column]) -> None:
        """Create the table *name*, unless it is there. It counts once a commit has written it."""
        self._tables[name] = self._create(name, columns)

    def add_columns(self, name: str) -> None:
        """Add the columns of the model that the table *name* does not have."""
        table = self.table(name)
        missing = missing_columns(table, _MODEL[name])
        if not missing:
            return
        with translated(self.lake.where), table.update_schema() as update:
            types = schema_of(missing)
            for column in missing:
                field_type = types.find_type(column.name)
                update.add_column(column.name, field_type, doc=column.meaning)

    def commit(self, changes: Mapping[str, Change], run_id: str = "") -> None:
        """Commit *changes* of several tables, all or none, on top of :attr:`state`.

        :param run_id: who commits; see :meth:`holds_run`.
        :raises CommitRefused: another process has committed since the state was read.
        """
        run_id = run_id or uuid.uuid4().hex
        written = dict(self.state)
        with self._dropped_if_refused(), translated(self.lake.where):
            head = self._head or self._begin()
            for name, change in changes.items():
                written[name] = self._write(self.table(name), name, change, run_id)
                failpoint("table-written")
            failpoint("before-commit")
            properties = {SNAPSHOTS: json.dumps(written), RUN_ID: run_id}
            with head.transaction() as transaction:
                update = transaction.update_snapshot(properties, BRANCH)
                with update.fast_append():
                    pass
            self.state, self._head_id = written, self._branch_of(head)
        failpoint("committed")
        with suppress(DestinationError):  # it is committed; the next load moves what is behind
            self.publish()

    def publish(self) -> None:
        """Move ``main`` of each table to the state, where it is behind."""
        head = self._head
        if head is None or self._is_published(head, self._head_id):
            return
        with self._dropped_if_refused(), translated(self.lake.where):
            for name, snapshot_id in self.state.items():
                table = self.table(name)
                if not self._is_published(table, snapshot_id):
                    table.manage_snapshots().set_current_snapshot(snapshot_id).commit()
                    failpoint("table-published")
            head.manage_snapshots().set_current_snapshot(self._head_id).commit()

    def holds_run(self, run_id: str) -> bool:
        """True if *run_id* has been committed already."""
        if self._head is None:
            return False
        return any(
            snapshot.summary is not None and snapshot.summary[RUN_ID] == run_id
            for snapshot in self._head.metadata.snapshots
        )

    def tables(self) -> "Iterable[Table]":
        """The tables of the state, and the head."""
        yield from (self.table(name) for name in self.state)
        if self._head is not None:
            yield self._head

    def _begin(self) -> "Table":
        """Create the head. :raises CommitRefused: another process has committed meanwhile."""
        self._create(HEAD, _HEAD_COLUMNS)
        before = self.state
        self.refresh()
        if self._head is None or self.state != before:
            raise CommitRefused(
                f"Another process set {self.lake.where} up meanwhile.", "Run again."
            )
        return self._head

    @contextmanager
    def _dropped_if_refused(self) -> Iterator[None]:
        """Forget what was read of the tables if the context fails: it may be outdated."""
        try:
            yield
        except DestinationError:
            self._tables.clear()
            raise

    def _write(self, table: "Table", name: str, change: Change, run_id: str) -> int:
        """Write a snapshot of *table* on the branch; return its id."""
        table = self._at(table, self.state.get(name))
        with table.transaction() as transaction:
            update = transaction.update_snapshot({RUN_ID: run_id}, BRANCH)
            with update.overwrite() if change.remove else update.fast_append() as producer:
                for file in change.remove:
                    producer.delete_data_file(file)
                for file in change.add:
                    producer.append_data_file(file)
        return self._branch_of(table)

    def _at(self, table: "Table", snapshot_id: int | None) -> "Table":
        """*table*, its branch at the snapshot; another process, or a killed one, may be ahead."""
        if snapshot_id is not None and self._branch_of(table) != snapshot_id:
            table.manage_snapshots().create_branch(snapshot_id, BRANCH).commit()
        return table

    def _create(self, name: str, columns: Iterable[Column]) -> "Table":
        """Create a table with an empty snapshot, because a branch begins at one."""
        identifier, schema = (self.lake.namespace, name), schema_of(columns)
        # Files of other engines have no field ids: their columns are found by name.
        mapping = {NAME_MAPPING: schema.name_mapping.model_dump_json()}
        with translated(self.lake.where):
            try:
                with self.lake.catalog.create_table_transaction(
                    identifier, schema, properties={**PROPERTIES, **mapping}
                ) as transaction:
                    with transaction.update_snapshot({SNAPSHOTS: "{}"}).fast_append() as first:
                        pass
                    ManageSnapshots(transaction).create_branch(first.snapshot_id, BRANCH).commit()
            except TableAlreadyExistsError:
                pass
            return self._load(name)

    def _load(self, name: str) -> "Table":
        return self.lake.catalog.load_table((self.lake.namespace, name))

    @staticmethod
    def _branch_of(table: "Table") -> int:
        return table.metadata.refs[BRANCH].snapshot_id

    @staticmethod
    def _is_published(table: "Table", snapshot_id: int | None) -> bool:
        reference = table.metadata.refs.get(_MAIN)
        return reference is not None and reference.snapshot_id == snapshot_id
