"""The command ``orderpull replay``."""

import sys
from typing import NoReturn

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
    from orderpull.operate.replay import replay as load_again

    if into is not None:
        _replay_into(into, sources, as_json=as_json, accept_rejects=accept_rejects)
    replayed = load_again(settings_in_force(), sources, accept_rejects=accept_rejects)
    if not as_json:
        for name, pages in replayed.pages.items():
            changed = replayed.changed.get(name, 0)
            click.echo(f"{name}: {pages} landed pages read again, {changed} orders changed.")
    if as_json or not replayed.result.ok:
        exit_with(replayed.result, as_json=as_json)


def _replay_into(
    url: str, sources: tuple[str, ...], *, as_json: bool, accept_rejects: bool
) -> NoReturn:
    from orderpull.operate.replay import replay_into
    from orderpull.terminal.console import stdout
    from orderpull.terminal.runs import show_rebuilt

    settings = settings_in_force()
    with watched() as (stop, listener):
        rebuilt = replay_into(
            settings, url, sources, stop=stop, listener=listener, accept_rejects=accept_rejects
        )
    if as_json:
        print_json(rebuilt.as_json())
    else:
        show_rebuilt(rebuilt, url, stdout())
    for error in rebuilt.errors:
        print_error(error)
    sys.exit(rebuilt.exit_code)
