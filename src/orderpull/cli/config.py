"""The command ``orderpull config``."""

import sys

import click

from orderpull.cli.shared import json_option, print_json, settings_in_force


@click.command()
@json_option
def config(*, as_json: bool) -> None:
    """Show every setting in force and its origin, with secrets masked."""
    from orderpull.operate.setup import with_origins
    from orderpull.terminal.console import stdout
    from orderpull.terminal.tables import show_config

    rows = with_origins(settings_in_force())
    if as_json:
        print_json({key: {"value": value, "from": origin} for key, value, origin in rows})
    elif sys.stdout.isatty():
        show_config(rows, stdout())
    else:
        for key, value, origin in rows:
            shown = "" if value is None else str(value).replace("\n", " ")
            click.echo(f"{key}\t{shown}\t{origin}")
