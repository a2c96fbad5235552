"""The command ``orderpull replay``."""

import sys

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


@click.command()
@click.option(
    "--into",
    metavar="URL",
    help="Load all pages into another warehouse, and compare it with this one.",
)
@json_option
@accept_option
@sources_argument
def replay(
    sources: tuple[str, ...], into: str | None, *, as_json: bool, accept_rejects: bool
) -> None:
    """Load every landed page again, under today's API file and settings."""
    from orderpull.operate import replay as operate

    settings = settings_in_force()
    if into is None:
        replayed = operate.replay(settings, sources, accept_rejects=accept_rejects)
        if not as_json:
            for name, pages in replayed.pages.items():
                changed = replayed.changed.get(name, 0)
                click.echo(f"{name}: {pages} landed pages read again, {changed} orders changed.")
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
