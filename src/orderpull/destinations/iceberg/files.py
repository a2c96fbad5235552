"""Commit Parquet files that another engine has written, as the content of tables.

An engine such as Spark writes files where :func:`data_location` says, and one process commits them
all at once: ``orderpull run`` goes on from there as if it had loaded the rows itself.
"""

from collections.abc import Mapping, Sequence

from orderpull.destinations.iceberg.catalog import translated
from orderpull.destinations.iceberg.commits import Change
from orderpull.destinations.iceberg.session import IcebergDestination
from orderpull.destinations.iceberg.tables import data_files, existing_files


def data_location(destination: IcebergDestination, table: str) -> str:
    """The URL of the folder for new files of *table*, whose tables are made if they are missing."""
    destination.preflight()
    return f"{destination.commits.table(table).location()}/data"


def commit_files(
    destination: IcebergDestination, run_id: str, files: Mapping[str, Sequence[str]]
) -> bool:
    """Make Parquet files the whole content of tables, all of them or none.

    The files stay where they are; columns are matched by their names. A table that is not named
    stays as it is, and one without files becomes empty.

    :param run_id: who commits; what has been committed once is not committed again.
    :param files: URLs of the files of each table, by its name.
    :return: False if *run_id* has been committed already; nothing was changed.
    :raises Overtaken: another process has committed meanwhile; nothing was changed.
    :raises DestinationError: a file is missing, or does not fit its table.
    """
    destination.preflight()
    with destination.exclusive() as commits:
        if commits.holds_run(run_id):
            return False
        with translated(destination.where):
            changes = {
                name: Change(
                    add=existing_files(commits.table(name), paths),
                    remove=data_files(commits.table(name), commits.state[name]),
                )
                for name, paths in files.items()
            }
        commits.commit(changes, run_id)
    return True
