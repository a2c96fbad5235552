"""Upkeep of a lake: small files become large ones, and old snapshots go with their files."""

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pyarrow.fs import FileSelector, FileType
from pyiceberg.io.pyarrow import PyArrowFileIO

from orderpull.destinations.iceberg.catalog import translated
from orderpull.destinations.iceberg.commits import Commits
from orderpull.destinations.iceberg.tables import data_files
from orderpull.destinations.iceberg.workspace import SMALL_FILE, Workspace
from orderpull.destinations.upkeep import LakeFacts, Upkeep
from orderpull.failpoints import failpoint
from orderpull.model import TABLES

if TYPE_CHECKING:
    from pyiceberg.table import Table

KEEP = timedelta(days=5)
"""Age up to which a snapshot is kept that is no longer the newest: readers may have it open."""

UNKNOWN_AFTER = timedelta(days=1)
"""Age at which a file that belongs to no snapshot is taken for left over by a killed process."""


def read_lake_facts(commits: Commits) -> LakeFacts:
    """The size of the lake at its state, from the summaries of the snapshots and the manifests."""
    with translated(commits.lake.where):
        tables = list(commits.tables())
        files = [
            file
            for name, snapshot in commits.state.items()
            for file in data_files(commits.table(name), snapshot)
        ]
    return LakeFacts(
        len(files),
        sum(file.file_size_in_bytes < SMALL_FILE for file in files),
        sum(file.file_size_in_bytes for file in files),
        sum(len(table.metadata.snapshots) for table in tables),
    )


def fold(workspace: Workspace) -> int:
    """Write the small files of each table as large ones, in one commit; count the small ones.

    The workspace must be empty, and its caller hold the loaders' lock.
    """
    folded = workspace.fold(table.name for table in TABLES)
    failpoint("folded")
    return folded


def clean(
    commits: Commits, keep: timedelta = KEEP, unknown_after: timedelta = UNKNOWN_AFTER
) -> Upkeep:
    """Expire the snapshots that are older than *keep*, and delete the files that nothing needs.

    :param unknown_after: age of files that belong to no snapshot; with 0 nobody else may write.
    """
    done = Upkeep()
    with translated(commits.lake.where):
        for table in list(commits.tables()):
            known = set(_needed(table))
            _expire(table, keep, done)
            failpoint("snapshots-expired")
            _delete_unneeded(table, known, unknown_after, done)
    return done


def _expire(table: "Table", keep: timedelta, done: Upkeep) -> None:
    before = (time.time() - keep.total_seconds()) * 1000
    needed = {reference.snapshot_id for reference in table.metadata.refs.values()}
    old = [
        snapshot.snapshot_id
        for snapshot in table.metadata.snapshots
        if snapshot.snapshot_id not in needed and snapshot.timestamp_ms <= before
    ]
    if old:
        table.maintenance.expire_snapshots().by_ids(old).commit()
        done.snapshots += len(old)


def _delete_unneeded(
    table: "Table", known: set[str], unknown_after: timedelta, done: Upkeep
) -> None:
    """Delete the files of *table* that no snapshot needs.

    :param known: files that a snapshot needed before; others may be those of a load that goes on.
    """
    if not isinstance(table.io, PyArrowFileIO):
        done.left.append(
            f"{'.'.join(table.name())}: files of expired snapshots, which this store cannot list"
        )
        return
    needed = set(_needed(table))
    place = urlsplit(table.location())
    store = table.io.fs_by_scheme(place.scheme or "file", place.netloc)
    root = f"{place.netloc}{place.path}"
    before = time.time() - unknown_after.total_seconds()
    young = 0
    for each in store.get_file_info(FileSelector(root, recursive=True, allow_not_found=True)):
        if each.type != FileType.File or each.path in needed:
            continue
        if each.path not in known and unknown_after and each.mtime.timestamp() > before:
            young += 1
            continue
        store.delete_file(each.path)
        done.files += 1
        done.size += each.size
    if young:
        done.left.append(
            f"{'.'.join(table.name())}: {young} files that a load may be writing; "
            "`orderpull warehouse compact` deletes them a day later if nothing needs them"
        )


def _needed(table: "Table") -> Iterator[str]:
    """The paths of all files that the table's metadata, or one of its snapshots, needs."""
    yield _path(table.metadata_location)
    yield from (_path(entry.metadata_file) for entry in table.metadata.metadata_log)
    seen: set[str] = set()
    for snapshot in table.metadata.snapshots:
        yield _path(snapshot.manifest_list)
        for manifest in snapshot.manifests(table.io):
            if manifest.manifest_path in seen:
                continue
            seen.add(manifest.manifest_path)
            yield _path(manifest.manifest_path)
            for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True):
                yield _path(entry.data_file.file_path)


def _path(location: str) -> str:
    """Bucket and key, or the path in the file system, of *location*."""
    place = urlsplit(location)
    return f"{place.netloc}{place.path}" if place.scheme else location
