"""The commands ``orderpull landing list``, ``cat`` and ``compact``."""

import sys

import click

from orderpull.cli.shared import (
    Commands,
    json_option,
    print_error,
    print_json,
    settings_in_force,
    sources_argument,
    watched,
)


@click.group(cls=Commands)
def landing() -> None:
    """List landed pages, print one as it was received, and compact them."""


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


@landing.command("compact")
@click.option(
    "--all",
    "all_pages",
    is_flag=True,
    help="Also pages of a month (with keep_days: of a day) that is not over, for containers that "
    "are not full.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@json_option
@sources_argument
def landing_compact(
    sources: tuple[str, ...], *, all_pages: bool, dry_run: bool, as_json: bool
) -> None:
    """Put loaded pages into few large files.

    Everything reads them as before. Pages that wait to be loaded stay as they are. It may be
    stopped or killed at any time: run it again, and it goes on.
    """
    from orderpull.loading.compact import compact
    from orderpull.terminal.console import stdout
    from orderpull.terminal.landed import show_compactions

    settings = settings_in_force()
    with watched() as (stop, listener):
        done = compact(
            settings,
            sources,
            all_pages=all_pages,
            dry_run=dry_run,
            stop=stop,
            on_container=listener.on_container,
        )
    if as_json:
        print_json(done.as_json())
    else:
        show_compactions(done, stdout(), dry_run=dry_run)
    for error in done.errors.values():
        print_error(error)
    sys.exit(max((error.exit_code for error in done.errors.values()), default=0))
