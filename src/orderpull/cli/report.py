"""Answer: the three questions, any other, and files for other tools."""

import json
import sys
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orderpull.cli.shared import (
    json_option,
    json_option_of_rows,
    say,
    settings_in_force,
    sources_argument,
)

if TYPE_CHECKING:
    from orderpull.destinations.protocol import QueryResult
    from orderpull.settings import Settings

_DAY = click.DateTime(["%Y-%m-%d"])


@click.command()
@click.option("--country", multiple=True, metavar="DE", help="Only orders to this country.")
@click.option("--source", multiple=True, help="Only orders of this source.")
@click.option("--since", type=_DAY, metavar="2026-01-01", help="Only orders placed since this day.")
@click.option("--until", type=_DAY, metavar="2026-12-31", help="Only orders placed until this day.")
@click.option("--top", default=10, show_default=True, type=click.IntRange(1), help="How many SKUs.")
@json_option
@click.option("--csv", "as_csv", is_flag=True, help="One CSV table on stdout.")
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
    """Average items per order, best-selling SKUs by country, best-selling SKUs overall."""
    from orderpull.operate.report import report as ask

    settings = settings_in_force()
    first, last = (day.date() if day else None for day in (since, until))
    answer = ask(settings, country=country, source=source, since=first, until=last, top=top)
    if as_json:
        click.echo(json.dumps(answer.as_json(), ensure_ascii=False))
    elif as_csv:
        click.echo(answer.as_csv(), nl=False)
    else:
        from orderpull.terminal import console as terminal
        from orderpull.terminal.report import show

        chosen = _chosen(country, source, first, last)
        show(answer, terminal.stdout(), settings.report.timezone, chosen)


def _chosen(
    country: tuple[str, ...], source: tuple[str, ...], since: date | None, until: date | None
) -> str:
    """What was filtered by, in words."""
    words = [", ".join(country).upper(), ", ".join(source)]
    words += [f"since {since}" if since else "", f"until {until}" if until else ""]
    text = ", ".join(word for word in words if word)
    return f" - {text}" if text else ""


@click.command()
@click.argument("query", required=False, metavar="[QUERY]")
@click.option("--csv", "as_csv", is_flag=True, help="CSV, also on a terminal.")
@json_option_of_rows
@click.option(
    "--limit",
    type=click.IntRange(1),
    metavar="ROWS",
    help="At most so many rows; 1000 on a terminal, all otherwise.",
)
def sql(query: str | None, limit: int | None, *, as_csv: bool, as_json: bool) -> None:
    """Ask the warehouse in SQL; read only. Without QUERY on a terminal: a small shell."""
    from orderpull.operate import query as operate
    from orderpull.terminal import console as terminal

    settings = settings_in_force()
    watched = sys.stdout.isatty()
    shape = operate.JSON if as_json else operate.CSV if as_csv or not watched else None
    if query is None and sys.stdin.isatty():
        _shell(settings, limit or operate.SHOWN)
        return
    text = sys.stdin.read() if query in {None, "-"} else query or ""
    with operate.asking(settings, text) as answer:
        if shape is None:
            terminal.show_answer(answer, terminal.stdout(), limit or operate.SHOWN)
        elif operate.write(answer, shape, sys.stdout, limit):
            click.echo(f"There are more than {limit:,} rows.", err=True)


def _shell(settings: "Settings", limit: int) -> None:
    from orderpull.operate.shell import Shell
    from orderpull.terminal import console as terminal

    console = terminal.stdout()

    def show(answer: "QueryResult") -> None:
        terminal.show_answer(answer, console, limit)

    Shell(settings, show, say, click.echo).talk()


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), metavar="FOLDER")
@click.option(
    "--format",
    "kind",
    type=click.Choice(["parquet", "csv"]),
    default="parquet",
    show_default=True,
    help="What the files are.",
)
@click.option(
    "--tables", multiple=True, metavar="NAME,...", help="Only these; else the tables of orders."
)
@click.option("--answers", is_flag=True, help="The three answers, too.")
@click.option("--force", is_flag=True, help="Replace files that are there.")
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
    """Write the tables as Parquet or CSV files, all of one instant."""
    from orderpull.operate.export import export as write_files

    named = tuple(name.strip() for each in tables for name in each.split(","))
    written = write_files(
        settings_in_force(), folder, sources, kind=kind, tables=named, answers=answers, force=force
    )
    if as_json:
        click.echo(json.dumps({"files": [file.as_json() for file in written]}, ensure_ascii=False))
        return
    from orderpull.terminal import console as terminal

    terminal.show_files(written, terminal.stdout())
