"""The command ``orderpull config``."""

import click

from orderpull.cli.shared import settings_in_force


@click.command()
def config() -> None:
    """Show every setting in force and its origin, with secrets masked."""
    from orderpull.operate.setup import with_origins
    from orderpull.terminal.console import stdout
    from orderpull.terminal.tables import show_config

    show_config(with_origins(settings_in_force()), stdout())
