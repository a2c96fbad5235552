"""The commands that read the warehouse: status, report, sql, export."""

import sys
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orderpull.cli.shared import (
    json_option,
    print_error,
    print_json,
    settings_in_force,
    sources_argument,
)

if TYPE_CHECKING:
    from orderpull.destinations.protocol import QueryResult
    from orderpull.settings import Settings


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


_DAY = click.DateTime(["%Y-%m-%d"])


@click.command()
@click.option("--country", multiple=True, metavar="DE", help="Only orders to this country.")
@click.option("--source", multiple=True, help="Only orders of this source.")
@click.option("--since", type=_DAY, metavar="2026-01-01", help="Only orders placed since this day.")
@click.option("--until", type=_DAY, metavar="2026-12-31", help="Only orders placed until this day.")
@click.option("--top", default=10, show_default=True, type=click.IntRange(1), help="How many SKUs.")
@json_option
@click.option("--csv", "as_csv", is_flag=True, help="Print one CSV table.")
def report(
    country: tuple[str, ...],
    source: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    top: int,
    *,
    as_json: bool,
    as_csv: bool,
) -> None:
    """Show average items per order and best-selling SKUs, by country and overall."""
    from orderpull.operate.report import report as read_report

    settings = settings_in_force()
    first, last = (day.date() if day else None for day in (since, until))
    answers = read_report(
        settings, country=country, source=source, since=first, until=last, top=top
    )
    if as_json:
        print_json(answers.as_json())
    elif as_csv:
        click.echo(answers.as_csv(), nl=False)
    else:
        from orderpull.terminal.console import stdout
        from orderpull.terminal.report import show_report

        filters = _filters_text(country, source, first, last)
        show_report(answers, stdout(), settings.report.timezone, filters)


def _filters_text(
    country: tuple[str, ...], source: tuple[str, ...], since: date | None, until: date | None
) -> str:
    """Describe the filters: `` - DE, since 2026-01-01``."""
    parts = [", ".join(country).upper(), ", ".join(source)]
    parts += [f"since {since}" if since else "", f"until {until}" if until else ""]
    text = ", ".join(part for part in parts if part)
    return f" - {text}" if text else ""


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
    output = operate.JSON if as_json else operate.CSV if as_csv else None
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


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), metavar="FOLDER")
@click.option(
    "--format",
    "kind",
    type=click.Choice(["parquet", "csv"]),
    default="parquet",
    show_default=True,
    help="Format of the files.",
)
@click.option(
    "--tables", multiple=True, metavar="NAME,...", help="Only these tables; by default all data."
)
@click.option("--answers", is_flag=True, help="Also write the three answers.")
@click.option("--force", is_flag=True, help="Replace existing files.")
@json_option
@sources_argument
def export(
    folder: Path,
    sources: tuple[str, ...],
    kind: Any,  # noqa: ANN401
    tables: tuple[str, ...],
    *,
    answers: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Write the tables to Parquet or CSV files, from one snapshot of the warehouse."""
    from orderpull.operate.export import export as write_files

    names = tuple(name.strip() for each in tables for name in each.split(","))
    written = write_files(
        settings_in_force(), folder, sources, kind=kind, tables=names, answers=answers, force=force
    )
    if as_json:
        print_json({"files": [file.as_json() for file in written]})
        return
    from orderpull.terminal.console import stdout
    from orderpull.terminal.tables import show_files

    show_files(written, stdout())
