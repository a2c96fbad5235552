"""The command ``orderpull replay``."""

import sys
from typing import TYPE_CHECKING, NoReturn

import click

from orderpull.cli.shared import (
    accept_option,
    exit_with,
    json_option,
    print_error,
    print_json,
    settings_in_force,
    sources_argument,
    watched,
)

if TYPE_CHECKING:
    from orderpull.operate.replay import Foretold


@click.command()
@click.option(
    "--into",
    metavar="URL",
    help="Load all pages into another warehouse, and compare it with this one.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Show what would change in the warehouse; write nothing.",
)
@click.option("--names", is_flag=True, help="With --dry-run: show names, streets and postal codes.")
@json_option
@accept_option
@sources_argument
def replay(
    sources: tuple[str, ...],
    into: str | None,
    *,
    dry_run: bool,
    names: bool,
    as_json: bool,
    accept_rejects: bool,
) -> None:
    """Load every landed page again, under today's API file and settings."""
    from orderpull.operate import replay as operate

    if (dry_run and into) or (names and not dry_run):
        raise click.UsageError(
            "--dry-run and --into exclude each other." if into else "--names belongs to --dry-run."
        )
    settings = settings_in_force()
    if dry_run:
        _dry_run(operate.dry_run(settings, sources, accept_rejects=accept_rejects), as_json, names)
    if into is None:
        replayed = operate.replay(settings, sources, accept_rejects=accept_rejects)
        if not as_json:
            for name, pages in replayed.pages.items():
                changed = replayed.changed.get(name, 0)
                click.echo(f"{name}: {pages} landed pages read again, {changed} orders changed.")
                for note in replayed.result.sources[name].notes:
                    click.echo(f"{name}: {note}")
        if as_json or not replayed.result.ok:
            exit_with(replayed.result, as_json=as_json)
        return
    from orderpull.terminal.console import stdout
    from orderpull.terminal.runs import show_rebuilt

    with watched() as (stop, listener):
        rebuilt = operate.replay_into(
            settings, into, sources, stop=stop, listener=listener, accept_rejects=accept_rejects
        )
    if as_json:
        print_json(rebuilt.as_json())
    else:
        show_rebuilt(rebuilt, into, stdout())
    for error in rebuilt.errors:
        print_error(error)
    sys.exit(rebuilt.exit_code)


def _dry_run(foretold: "Foretold", as_json: bool, names: bool) -> NoReturn:
    """Print what a replay would change, and its errors; exit with the code that it would have."""
    if as_json:
        print_json(foretold.as_json(names=names))
    else:
        from orderpull.terminal.changes import show_foretold
        from orderpull.terminal.console import stdout

        show_foretold(foretold, stdout(), names=names)
    for error in foretold.errors:
        print_error(error)
    sys.exit(foretold.replayed.result.exit_code)
