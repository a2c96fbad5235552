"""The commands ``orderpull tableau build``, ``preview``, ``validate``, ``publish``, ``refresh``."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from orderpull.cli.shared import extra_needed, json_option, print_json, settings_in_force
from orderpull.errors import UsageError

_FILE = click.Path(dir_okay=False, path_type=Path)

target_option = click.option(
    "--target",
    type=click.Choice(["18.1", "2026.1"]),
    default="18.1",
    show_default=True,
    help="Format: 18.1 opens in all recent versions; 2026.1 follows the newest schemas.",
)
live_option = click.option(
    "--live/--extract",
    "live",
    default=None,
    help="Query the warehouse each time, or include its orders; default by the kind of warehouse.",
)
force_option = click.option("--force", is_flag=True, help="Replace an existing file.")


@click.group()
def tableau() -> None:
    """Build, check and publish a Tableau workbook of the three answers."""


@tableau.command()
@click.option(
    "-o", "--output", "file", type=_FILE, required=True, help="The .twb or .twbx to write."
)
@live_option
@target_option
@click.option("--names", is_flag=True, help="With --live: add names and streets as hidden fields.")
@force_option
@json_option
def build(file: Path, *, live: bool | None, as_json: bool, **options: Any) -> None:  # noqa: ANN401
    """Build the workbook, with a live connection or an extract."""
    from orderpull.tableau.build import build as make

    extract = None if live is None else not live
    made = make(settings_in_force(), file, extract=extract, **options)
    if as_json:
        print_json(asdict(made))
        return
    rows = ", ".join(f"{count:,} rows of {name}" for name, count in made.rows.items())
    host = (made.live or "").partition("://")[2]
    content = f"queries {host}" if host and not made.rows else f"contains {rows}"
    click.echo(f"{made.file}: {made.bytes:,} bytes; it {content}.")


@tableau.command()
@click.option("-o", "--output", "file", type=_FILE, required=True, help="The .svg to write.")
@force_option
def preview(file: Path, *, force: bool) -> None:
    """Draw the dashboard as an SVG, without Tableau."""
    from orderpull.tableau.preview import write

    settings = settings_in_force()
    if file.exists() and not force:
        raise UsageError(f"{file} exists already.", "Use --force to replace it.")
    write(settings, file)
    click.echo(f"Wrote {file}. Open it in a browser.")


@tableau.command()
@click.argument("file", type=_FILE)
@click.option("--server", is_flag=True, help="Also validate on the Tableau server of the settings.")
@json_option
def validate(file: Path, *, server: bool, as_json: bool) -> None:
    """Check a workbook; exit with code 1 if it has a fault.

    Finds faults that Tableau's schemas do not: references to missing fields, filters, sheets or
    tables, invalid formulas, and ranks and relationships that would count wrongly.
    """
    from orderpull.tableau.lint import check_file

    findings = check_file(file)
    if server:
        with extra_needed("tableau"):
            from orderpull.tableau.server import validate_on_server
        findings += validate_on_server(settings_in_force(), file)
    if as_json:
        rows = [{"kind": f.kind, "place": f.location, "sentence": f.message} for f in findings]
        print_json({"file": str(file), "findings": rows})
    else:
        for finding in findings:
            click.echo(str(finding))
        summary = f"{len(findings)} findings" if findings else "no fault was found"
        click.echo(f"{file}: {summary}.")
    sys.exit(1 if findings else 0)


embed_option = click.option(
    "--embed/--prompt",
    "embed",
    default=False,
    help="Store the warehouse's login on the server, or prompt each viewer for it.",
)


@tableau.command()
@click.argument("file", type=_FILE, required=False)
@live_option
@target_option
@embed_option
@click.option(
    "--skip-connection-check",
    is_flag=True,
    help="Publish even if the server cannot reach the warehouse now.",
)
@json_option
def publish(file: Path | None, *, live: bool | None, **options: Any) -> None:  # noqa: ANN401
    """Publish a workbook on Tableau Server: FILE, or a new one.

    It replaces a published workbook of the same name.
    """
    if file is not None and live is not None:
        raise UsageError("FILE has its connection already.", "Leave out --live or --extract.")
    _publish(file, extract=None if live is None else not live, **options)


@tableau.command()
@target_option
@embed_option
@json_option
def refresh(**options: Any) -> None:  # noqa: ANN401
    """Publish the workbook again, with a new extract."""
    _publish(None, extract=True, skip_connection_check=True, **options)


def _publish(
    file: Path | None,
    *,
    embed: bool,
    as_json: bool,
    **options: Any,  # noqa: ANN401
) -> None:
    with extra_needed("tableau"):
        from orderpull.tableau.publish import publish as put
    credentials: Any = "embed" if embed else "prompt"
    done = put(settings_in_force(), file, credentials=credentials, **options)
    if as_json:
        print_json(asdict(done))
        return
    where = f" {done.url}" if done.url else ""
    click.echo(f"{done.workbook} is in the project {done.project}: {done.bytes:,} bytes.{where}")
