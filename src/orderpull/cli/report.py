"""The command ``orderpull report``."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orderpull.cli.shared import json_option, print_json, settings_in_force, write_file
from orderpull.model import NO_COUNTRY

if TYPE_CHECKING:
    from orderpull.answers.skus import Measure

_DAY = click.DateTime(["%Y-%m-%d"])


@click.command()
@click.option("--country", multiple=True, metavar="DE", help="Only orders to this country.")
@click.option("--source", multiple=True, help="Only orders of this source.")
@click.option("--channel", multiple=True, metavar="web", help="Only orders of this channel.")
@click.option("--since", type=_DAY, metavar="2026-01-01", help="Only orders placed since this day.")
@click.option("--until", type=_DAY, metavar="2026-12-31", help="Only orders placed until this day.")
@click.option("--top", default=10, show_default=True, type=click.IntRange(1), help="How many SKUs.")
@click.option(
    "--by",
    default="items",
    show_default=True,
    type=click.Choice(["items", "orders", "revenue"]),
    help="What SKUs are ranked by; by revenue, each currency has a ranking.",
)
@json_option
@click.option("--csv", "as_csv", is_flag=True, help="Print one CSV table.")
@click.option(
    "--xlsx",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write an XLSX workbook with a sheet for each answer.",
)
def report(
    *,
    country: tuple[str, ...],
    source: tuple[str, ...],
    channel: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    top: int,
    by: "Measure",
    as_json: bool,
    as_csv: bool,
    xlsx: Path | None,
) -> None:
    """Show items per order, revenue, returns, customers, channels and best-selling SKUs."""
    from orderpull.operate.report import report as read_report

    settings = settings_in_force()
    first, last = (day.date() if day else None for day in (since, until))
    answers = read_report(
        settings,
        country=country,
        source=source,
        since=first,
        until=last,
        top=top,
        by=by,
        channel=channel,
    )
    if xlsx is not None:
        from orderpull.answers.report_xlsx import as_xlsx

        write_file(xlsx, as_xlsx(answers))
        for note in answers.notes():
            click.echo(note, err=True)
    elif as_json:
        print_json(answers.as_json())
    elif as_csv:
        click.echo(answers.as_csv(), nl=False)
        for note in answers.notes():
            click.echo(note, err=True)
    else:
        from orderpull.terminal.console import stdout
        from orderpull.terminal.report import show_report

        countries = (each or NO_COUNTRY for each in answers.countries)
        parts = [", ".join(each) for each in (countries, source, channel)]
        parts += [f"since {first}" if first else "", f"until {last}" if last else ""]
        filters = ", ".join(part for part in parts if part)
        filters = f" - {filters}" if filters else ""
        show_report(answers, stdout(), settings.report.timezone, filters)
