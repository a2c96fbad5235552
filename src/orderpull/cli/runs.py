"""The commands that fill the warehouse: run, pull, load, replay, rejects."""

import sys
from typing import NoReturn

import click

from orderpull.cli.shared import (
    Commands,
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
@json_option
@accept_option
@sources_argument
def run(sources: tuple[str, ...], *, as_json: bool, accept_rejects: bool) -> None:
    """Pull all new orders and load them, after checks."""
    from orderpull import notify, pipeline

    settings = settings_in_force()
    with watched() as (stop, listener):
        result = pipeline.run(
            settings, sources, stop=stop, listener=listener, accept_rejects=accept_rejects
        )
    notify.after_run(settings, result)
    exit_with(result, as_json=as_json)


@click.command()
@json_option
@sources_argument
def pull(sources: tuple[str, ...], *, as_json: bool) -> None:
    """Pull into the landing; load nothing."""
    from orderpull import pipeline

    with watched() as (stop, listener):
        result = pipeline.pull(settings_in_force(), sources, stop=stop, listener=listener)
    exit_with(result, as_json=as_json)


@click.command()
@json_option
@accept_option
@sources_argument
def load(sources: tuple[str, ...], *, as_json: bool, accept_rejects: bool) -> None:
    """Load the landed pages that wait; send no request to an API."""
    from orderpull import pipeline

    with watched() as (stop, listener):
        result = pipeline.load(
            settings_in_force(),
            sources,
            stop=stop,
            listener=listener,
            accept_rejects=accept_rejects,
        )
    exit_with(result, as_json=as_json)


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


@click.group(cls=Commands)
def rejects() -> None:
    """List, show and retry orders that could not be loaded."""


@rejects.command("list")
@click.argument("source", required=False)
@json_option
def rejects_list(source: str | None, *, as_json: bool) -> None:
    """List the open rejects and what is wrong with each."""
    from orderpull.operate import rejects as operate

    rows = operate.open_rejects(settings_in_force(), source)
    if as_json:
        print_json(rows)
        return
    from orderpull.terminal.console import stdout
    from orderpull.terminal.tables import show_rejects

    show_rejects(rows, stdout())


@rejects.command("show")
@click.argument("reject", metavar="REJECT")
def rejects_show(reject: str) -> None:
    """Show one reject, with the order as received."""
    from orderpull.operate import rejects as operate

    row = operate.find_with_text(settings_in_force(), reject)
    for key, value in row.items():
        if key not in {"raw", "reject_key"}:
            click.echo(f"{key:<12} {'' if value is None else value}")
    click.echo(f"\n{row['raw']}")


@rejects.command("retry")
@click.argument("reject", nargs=-1, metavar="[REJECT]...")
@json_option
def rejects_retry(reject: tuple[str, ...], *, as_json: bool) -> None:
    """Load rejects again, under today's API file and settings."""
    from orderpull.operate import rejects as operate

    exit_with(operate.retry(settings_in_force(), reject), as_json=as_json)
