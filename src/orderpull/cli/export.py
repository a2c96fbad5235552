"""The command ``orderpull export``."""

from pathlib import Path
from typing import Any

import click

from orderpull.cli.shared import json_option, print_json, settings_in_force, sources_argument


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), metavar="FOLDER")
@click.option(
    "--format",
    "kind",
    type=click.Choice(["parquet", "csv", "xlsx"]),
    default="parquet",
    show_default=True,
    help="Format of the files.",
)
@click.option(
    "--tables", multiple=True, metavar="NAME,...", help="Only these tables; by default all data."
)
@click.option("--answers", is_flag=True, help="Also write the answers.")
@click.option("--force", is_flag=True, help="Replace existing files.")
@json_option
@sources_argument
def export(
    folder: Path,
    sources: tuple[str, ...],
    tables: tuple[str, ...],
    *,
    as_json: bool,
    **options: Any,  # noqa: ANN401
) -> None:
    """Write the tables to Parquet, CSV or XLSX files, from one snapshot of the warehouse."""
    from orderpull.operate.export import export as write_files

    names = tuple(name.strip() for each in tables for name in each.split(","))
    written = write_files(settings_in_force(), folder, sources, tables=names, **options)
    if as_json:
        print_json({"files": [file.as_json() for file in written]})
        return
    from orderpull.terminal.console import stdout
    from orderpull.terminal.tables import show_files

    show_files(written, stdout())
