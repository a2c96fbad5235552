"""The command ``orderpull status``."""

import click

from orderpull.cli.shared import json_option, print_json, settings_in_force


@click.command()
@json_option
def status(*, as_json: bool) -> None:
    """Show the last runs, waiting pages and what the next run will do."""
    from orderpull.operate.status import status as read_status

    settings = settings_in_force()
    current = read_status(settings)
    if as_json:
        print_json(current.as_json())
        return
    from orderpull.terminal.console import stdout
    from orderpull.terminal.runs import show_status

    show_status(current, stdout(), settings.report.timezone)
