"""The command ``orderpull sql``."""

import sys
from typing import TYPE_CHECKING

import click

from orderpull.cli.shared import print_error, settings_in_force

if TYPE_CHECKING:
    from orderpull.destinations.protocol import QueryResult
    from orderpull.operate.query import OutputFormat
    from orderpull.settings import Settings


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
    from orderpull.terminal.console import stdout
    from orderpull.terminal.tables import show_answer

    settings = settings_in_force()
    as_csv = as_csv or not sys.stdout.isatty()
    output: OutputFormat | None = "json" if as_json else "csv" if as_csv else None
    if query is None and sys.stdin.isatty():
        _start_shell(settings, limit or operate.DEFAULT_ROWS)
        return
    text = sys.stdin.read() if query in {None, "-"} else query or ""
    with operate.run_query(settings, text) as answer:
        if output is None:
            show_answer(answer, stdout(), limit or operate.DEFAULT_ROWS)
        elif operate.write(answer, output, sys.stdout, limit):
            click.echo(f"There are more than {limit:,} rows.", err=True)


def _start_shell(settings: "Settings", limit: int) -> None:
    from orderpull.operate.shell import Shell
    from orderpull.terminal.console import stdout
    from orderpull.terminal.tables import show_answer

    console = stdout()

    def show(answer: "QueryResult") -> None:
        show_answer(answer, console, limit)

    Shell(settings, show, print_error, click.echo).run()
