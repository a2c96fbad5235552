"""The command ``orderpull digest``."""

import sys
from pathlib import Path

import click

from orderpull.cli.shared import json_option, print_error, print_json, settings_in_force, write_file


@click.command()
@click.option("--send", is_flag=True, help="Send it to digest.urls, or else to notify.urls.")
@click.option("--once", is_flag=True, help="With --send: not to whom has got it already.")
@click.option(
    "--html",
    type=click.Path(dir_okay=False, path_type=Path, allow_dash=True),
    metavar="FILE",
    help="Write it as HTML, as mail shows it.",
)
@json_option
def digest(html: Path | None, *, send: bool, once: bool, as_json: bool) -> None:
    """Show the numbers of the last day or week, or send them."""
    from orderpull.errors import UsageError

    settings = settings_in_force()
    if once and not send:
        raise UsageError("--once goes with --send.", "orderpull digest --send --once")
    if send:
        from orderpull.digest.delivery import deliver

        delivery = deliver(settings, once=once)
        if as_json:
            print_json(delivery.as_json())
        else:
            for number, (name, outcome) in enumerate(delivery.outcomes, start=1):
                click.echo(f"{delivery.period} to recipient {number} ({name}): {outcome}")
        if delivery.error is not None:
            print_error(delivery.error)
            sys.exit(delivery.error.exit_code)
        return
    from orderpull.digest.digest import read_digest
    from orderpull.digest.html import as_html
    from orderpull.digest.text import as_text

    numbers = read_digest(settings)
    if html is not None:
        write_file(html, as_html(numbers).encode())
    elif as_json:
        print_json(numbers.as_json())
    else:
        click.echo(f"{numbers.title}\n\n{as_text(numbers)}")
