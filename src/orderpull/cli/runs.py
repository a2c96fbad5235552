"""The command ``orderpull runs``."""

import click

from orderpull.cli.shared import json_option, print_json, settings_in_force


@click.command()
@json_option
@click.option("--source", "sources", multiple=True, help="Only this source; may be repeated.")
@click.option(
    "--limit",
    default=20,
    show_default=True,
    type=click.IntRange(min=1),
    metavar="N",
    help="Show the last N runs.",
)
def runs(sources: tuple[str, ...], limit: int, *, as_json: bool) -> None:
    """List past runs: when, how long, the counts, and why one failed."""
    from orderpull.operate.runs import read_runs

    settings = settings_in_force()
    rows = read_runs(settings, sources, limit)
    if as_json:
        print_json({"runs": rows})
        return
    from orderpull.terminal.console import stdout
    from orderpull.terminal.runs import show_runs

    show_runs(rows, stdout(), settings.report.timezone)
