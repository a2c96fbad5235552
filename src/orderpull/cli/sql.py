"""The command ``orderpull sql``."""

import sys
from functools import partial

import click

from orderpull.cli.shared import print_error, settings_in_force


@click.command()
@click.argument("query", required=False, metavar="[QUERY]")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, also on a terminal.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print a JSON list with an object for each row."
)
@click.option(
    "--limit",
    type=click.IntRange(1),
    metavar="ROWS",
    help="Maximum number of rows; by default 1000 on a terminal, all otherwise.",
)
def sql(query: str | None, limit: int | None, *, as_csv: bool, as_json: bool) -> None:
    """Query the warehouse in SQL, read only.

    Without QUERY on a terminal, a small shell starts; otherwise the query is read from stdin.
    """
    from orderpull.operate import query as operate
    from orderpull.operate.shell import Shell
    from orderpull.terminal.console import stdout
    from orderpull.terminal.tables import show_answer

    settings, console, most = settings_in_force(), stdout(), limit or operate.DEFAULT_ROWS
    if query is None and sys.stdin.isatty():
        show = partial(show_answer, console=console, limit=most)
        Shell(settings, show, print_error, click.echo).run()
        return
    as_csv = as_csv or not sys.stdout.isatty()
    text = sys.stdin.read() if query in {None, "-"} else query or ""
    with operate.run_query(settings, text) as answer:
        if not as_json and not as_csv:
            show_answer(answer, console, most)
        elif operate.write(answer, "json" if as_json else "csv", sys.stdout, limit):
            click.echo(f"There are more than {limit:,} rows.", err=True)
