"""The commands ``orderpull tableau build``, ``preview``, ``validate``, ``publish``, ``refresh``."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orderpull.cli.shared import extra_needed, json_option, print_json, settings_in_force
from orderpull.errors import UsageError

if TYPE_CHECKING:
    from orderpull.tableau.publish import Published

_FILE = click.Path(dir_okay=False, path_type=Path)

target_option = click.option(
    "--target",
    type=click.Choice(["18.1", "2026.1"]),
    default="18.1",
    show_default=True,
    help="The form: what Tableau saves and opens, or what its newest schemas describe.",
)
live_option = click.option(
    "--live/--extract",
    "live",
    default=None,
    help="Ask the warehouse each time, or bring its orders along; as the warehouse allows.",
)
force_option = click.option("--force", is_flag=True, help="Replace a file that is there.")


@click.group()
def tableau() -> None:
    """The three answers in Tableau: a workbook, made and published."""


@tableau.command()
@click.option(
    "-o", "--output", "file", type=_FILE, required=True, help="The .twb or .twbx to make."
)
@live_option
@target_option
@click.option("--names", is_flag=True, help="Live: names and streets as hidden fields, too.")
@force_option
@json_option
def build(
    file: Path,
    *,
    live: bool | None,
    target: Any,  # noqa: ANN401
    names: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Make the workbook, live or with an extract."""
    from orderpull.tableau.build import build as make

    extract = None if live is None else not live
    made = make(settings_in_force(), file, extract=extract, target=target, names=names, force=force)
    if as_json:
        print_json(made.as_json())
        return
    rows = ", ".join(f"{count:,} rows of {name}" for name, count in made.rows.items())
    asks = f"asks {made.live.host}" if made.live and not made.rows else f"brings {rows}"
    click.echo(f"{made.file}: {made.size:,} bytes; it {asks}.")


@tableau.command()
@click.option("-o", "--output", "file", type=_FILE, required=True, help="The .svg to draw.")
@force_option
def preview(file: Path, *, force: bool) -> None:
    """Draw the dashboard, without Tableau."""
    from orderpull.tableau.preview import write

    settings = settings_in_force()
    if file.exists() and not force:
        raise UsageError(f"{file} is there already.", "Use --force to replace it.")
    write(settings, file)
    click.echo(f"{file}: open it in a browser.")


@tableau.command()
@click.argument("file", type=_FILE)
@click.option("--server", is_flag=True, help="Ask the Tableau server of the settings, too.")
@json_option
def validate(file: Path, *, server: bool, as_json: bool) -> None:
    """Check a workbook; exit 1 if something is found.

    It looks for what Tableau's schemas do not see: fields, filters, sheets or tables that are named
    and not there, formulas that mean nothing, ranks and relationships that would count wrongly.
    """
    from orderpull.tableau.lint import check_file

    found = check_file(file)
    if server:
        with extra_needed("tableau"):
            from orderpull.tableau.validate import validate_on_server
        found += validate_on_server(settings_in_force(), file)
    if as_json:
        rows = [{"kind": f.kind, "place": f.location, "sentence": f.message} for f in found]
        print_json({"file": str(file), "findings": rows})
    else:
        for finding in found:
            click.echo(str(finding))
        said = "nothing wrong was found" if not found else f"{len(found)} findings"
        click.echo(f"{file}: {said}.")
    sys.exit(1 if found else 0)


embed_option = click.option(
    "--embed/--prompt",
    "embed",
    default=False,
    help="Whether the server keeps the warehouse's login or asks everybody who looks.",
)
skip_option = click.option(
    "--skip-connection-check",
    is_flag=True,
    help="Publish though the server cannot reach the warehouse now.",
)


@tableau.command()
@click.argument("file", type=_FILE, required=False)
@live_option
@target_option
@embed_option
@skip_option
@json_option
def publish(
    file: Path | None,
    *,
    live: bool | None,
    target: Any,  # noqa: ANN401
    embed: bool,
    skip_connection_check: bool,
    as_json: bool,
) -> None:
    """Put a workbook onto Tableau Server.

    FILE, or one made now. It replaces the one that is there.
    """
    if file is not None and live is not None:
        raise UsageError("FILE is live or not as it is.", "Leave out --live or --extract.")
    with extra_needed("tableau"):
        from orderpull.tableau.publish import publish as put
    done = put(
        settings_in_force(),
        file,
        extract=None if live is None else not live,
        target=target,
        credentials="embed" if embed else "prompt",
        skip_connection_check=skip_connection_check,
    )
    _tell(done, as_json=as_json)


@tableau.command()
@target_option
@embed_option
@json_option
def refresh(*, target: Any, embed: bool, as_json: bool) -> None:  # noqa: ANN401
    """Publish it anew, with an extract of now."""
    with extra_needed("tableau"):
        from orderpull.tableau.publish import publish as put
    credentials: Any = "embed" if embed else "prompt"
    done = put(
        settings_in_force(),
        extract=True,
        target=target,
        credentials=credentials,
        skip_connection_check=True,
    )
    _tell(done, as_json=as_json)


def _tell(done: "Published", *, as_json: bool) -> None:
    if as_json:
        print_json(done.as_json())
        return
    where = f" {done.url}" if done.url else ""
    click.echo(f"{done.name} is in the project {done.project}: {done.size:,} bytes.{where}")
