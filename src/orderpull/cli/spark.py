"""The commands ``orderpull spark replay``, ``clean`` and ``package``."""

from pathlib import Path

import click

from orderpull.cli.shared import (
    Commands,
    accept_option,
    json_option,
    print_json,
    settings_in_force,
    sources_argument,
)

_FOLDER = click.Path(file_okay=False, path_type=Path)
_work_option = click.option(
    "--work",
    type=_FOLDER,
    metavar="FOLDER",
    help="Folder for the executors' files, which each machine sees; .orderpull-spark by default.",
)


@click.group(cls=Commands)
def spark() -> None:
    """Replay a landing on a Spark cluster."""


@spark.command("replay")
@click.option(
    "--into", metavar="URL", required=True, help="An empty warehouse's URL, or parquet:FOLDER."
)
@click.option(
    "--master",
    metavar="URL",
    help="Spark's master, like spark://HOST:7077; this machine's cores by default.",
)
@click.option(
    "--archive",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Archive of `spark package`, for executors without orderpull.",
)
@_work_option
@json_option
@accept_option
@sources_argument
def spark_replay(
    sources: tuple[str, ...],
    into: str,
    master: str | None,
    archive: Path | None,
    work: Path | None,
    *,
    as_json: bool,
    accept_rejects: bool,
) -> None:
    """Shape and load every landed page on a cluster, and commit all of it at once."""
    from orderpull.spark.cluster import Cluster
    from orderpull.spark.replay import replay

    result = replay(
        settings_in_force(),
        into,
        sources,
        cluster=Cluster(master, archive),
        work=work,
        accept_rejects=accept_rejects,
    )
    if as_json:
        print_json(result.as_json())
    elif not result.records:
        click.echo(f"{result.target} had loaded every landed page already.")
    else:
        for name, record in result.records.items():
            counts = record.counts
            click.echo(
                f"{name}: {record.pages:,} pages, {counts.fetched:,} orders: {counts.inserted:,} "
                f"new, {counts.updated:,} newer, {counts.unchanged:,} unchanged, "
                f"{counts.stale:,} older, {counts.rejected:,} rejected."
            )
        click.echo(f"Committed to {result.target} in {result.seconds:.0f} s (run {result.run}).")


@spark.command("clean")
@click.option("--into", metavar="URL", help="The parquet:FOLDER that a replay was to make.")
@_work_option
@json_option
def spark_clean(into: str | None, work: Path | None, *, as_json: bool) -> None:
    """Delete the files that killed replays have left."""
    from orderpull.spark.attempts import clean
    from orderpull.spark.replay import work_of

    orphans = clean(work_of(settings_in_force(), into, work))
    if as_json:
        print_json([{"path": str(o.path), "files": o.files, "bytes": o.size} for o in orphans])
        return
    for orphan in orphans:
        click.echo(f"{orphan.path}: {orphan.files} files, {orphan.size:,} bytes deleted.")
    if not orphans:
        click.echo("No killed replay has left anything.")


@spark.command("package")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE.tar.gz")
def spark_package(file: Path) -> None:
    """Write an archive of orderpull, for executors that lack it."""
    from orderpull.spark.package import package

    click.echo(f"{file}: {package(file):,} bytes. Give it to `spark replay` with --archive.")
