"""The command ``orderpull history``."""

import click

from orderpull.cli.shared import json_option, print_json, settings_in_force


@click.command()
@click.argument("order", metavar="ORDER")
@click.option("--source", metavar="SOURCE", help="Search this source alone.")
@click.option("--names", is_flag=True, help="Show names, streets and postal codes.")
@json_option
def history(order: str, source: str | None, *, names: bool, as_json: bool) -> None:
    """Show every landed version of an order, by its number or id, and what became of each."""
    from orderpull.operate.history import history as find_history

    settings = settings_in_force()
    result = find_history(settings, order, source)
    if as_json:
        print_json(result.as_json(names=names))
        return
    from orderpull.terminal.console import stdout
    from orderpull.terminal.history import show_history

    show_history(result, stdout(), settings.report.timezone, names=names)
