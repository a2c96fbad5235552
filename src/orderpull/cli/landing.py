"""The commands ``orderpull landing list`` and ``cat``."""

import click

from orderpull.cli.shared import Commands, json_option, print_json, settings_in_force


@click.group(cls=Commands)
def landing() -> None:
    """List landed pages, and print one as it was received."""


@landing.command("list")
@click.argument("source", required=False)
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=20,
    show_default=True,
    help="Most pages of each source, the newest first; 0 shows all.",
)
@json_option
def landing_list(source: str | None, limit: int, *, as_json: bool) -> None:
    """List the newest landed pages."""
    from orderpull.operate.landed import landed_pages

    pages = list(landed_pages(settings_in_force(), source, limit))
    if as_json:
        print_json([page.as_json() for page in pages])
        return
    from orderpull.terminal.console import stdout
    from orderpull.terminal.landed import show_pages

    show_pages(pages, limit, stdout())


@landing.command("cat")
@click.argument("page", metavar="PAGE")
def landing_cat(page: str) -> None:
    """Print the body of a landed page, as received.

    It holds names and addresses.
    """
    from orderpull.operate.landed import read_page

    click.echo(read_page(settings_in_force(), page), nl=False)
