"""Pull and load: once, in parts, or again from what was landed."""

import json
import sys
from typing import NoReturn

import click

from orderpull.cli.shared import (
    accept_option,
    end,
    iso,
    json_option,
    say,
    settings_in_force,
    sources_argument,
    stoppable,
)


@click.command()
@json_option
@accept_option
@sources_argument
def run(sources: tuple[str, ...], *, as_json: bool, accept_rejects: bool) -> None:
    """Preflight, load what waits, pull, load."""
    from orderpull import notify, pipeline
    from orderpull.terminal import console

    settings = settings_in_force()
    with stoppable() as stop, console.watching() as listener:
        result = pipeline.run(
            settings, sources, stop=stop, listener=listener, accept_rejects=accept_rejects
        )
    notify.after_run(settings, result)
    end(result, as_json=as_json)


@click.command()
@json_option
@sources_argument
def pull(sources: tuple[str, ...], *, as_json: bool) -> None:
    """Pull into the landing; load nothing."""
    from orderpull import pipeline
    from orderpull.terminal import console

    settings = settings_in_force()
    with stoppable() as stop, console.watching() as listener:
        result = pipeline.pull(settings, sources, stop=stop, listener=listener)
    end(result, as_json=as_json)


@click.command()
@json_option
@accept_option
@sources_argument
def load(sources: tuple[str, ...], *, as_json: bool, accept_rejects: bool) -> None:
    """Load what waits in the landing; ask no API."""
    from orderpull import pipeline
    from orderpull.terminal import console

    settings = settings_in_force()
    with stoppable() as stop, console.watching() as listener:
        result = pipeline.load(
            settings, sources, stop=stop, listener=listener, accept_rejects=accept_rejects
        )
    end(result, as_json=as_json)


@click.command()
@json_option
def status(*, as_json: bool) -> None:
    """The last runs, what waits, and what the next run will do."""
    from orderpull.operate.status import status as read_status

    settings = settings_in_force()
    found = read_status(settings)
    if as_json:
        click.echo(json.dumps(found.as_json(), ensure_ascii=False, default=iso))
        return
    from orderpull.terminal import console

    console.show_status(found, console.stdout(), settings.report.timezone)


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
    """Read every landed page again, under today's API file and settings; ask no API."""
    from orderpull.operate.replay import replay as read_again

    if into is not None:
        _replay_into(into, sources, as_json=as_json, accept_rejects=accept_rejects)
    replayed = read_again(settings_in_force(), sources, accept_rejects=accept_rejects)
    if not as_json:
        for name, pages in replayed.pages.items():
            changed = replayed.changed.get(name, 0)
            click.echo(f"{name}: {pages} landed pages read again, {changed} orders changed.")
    end(replayed.result, as_json=as_json) if as_json or not replayed.result.ok else None


def _replay_into(
    url: str, sources: tuple[str, ...], *, as_json: bool, accept_rejects: bool
) -> NoReturn:
    from orderpull.operate.replay import replay_into
    from orderpull.terminal import console

    settings = settings_in_force()
    with stoppable() as stop, console.watching() as listener:
        rebuilt = replay_into(
            settings, url, sources, stop=stop, listener=listener, accept_rejects=accept_rejects
        )
    if as_json:
        click.echo(json.dumps(rebuilt.as_json(), ensure_ascii=False))
    else:
        console.show_rebuilt(rebuilt, url, console.stdout())
    for error in rebuilt.errors:
        say(error)
    sys.exit(rebuilt.exit_code)
