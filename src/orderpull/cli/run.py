"""The commands ``orderpull run``, ``pull`` and ``load``."""

import click

from orderpull.cli.shared import (
    accept_option,
    exit_with,
    json_option,
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
    from orderpull.forget.unfinished import finish_erasures

    settings = settings_in_force()
    with watched() as (stop, listener):
        result = pipeline.run(
            settings, sources, stop=stop, listener=listener, accept_rejects=accept_rejects
        )
    finish_erasures(settings, result)
    if not sources:
        result.note_refused(settings.accounts.refused)
    notify.after_run(settings, result)
    exit_with(result, as_json=as_json)


@click.command()
@json_option
@sources_argument
def pull(sources: tuple[str, ...], *, as_json: bool) -> None:
    """Pull into the landing; load nothing."""
    from orderpull import pipeline

    settings = settings_in_force()
    with watched() as (stop, listener):
        result = pipeline.pull(settings, sources, stop=stop, listener=listener)
    if not sources:
        result.note_refused(settings.accounts.refused)
    exit_with(result, as_json=as_json)


@click.command()
@json_option
@accept_option
@sources_argument
def load(sources: tuple[str, ...], *, as_json: bool, accept_rejects: bool) -> None:
    """Load the landed pages that wait; send no request to an API."""
    from orderpull import pipeline
    from orderpull.forget.unfinished import finish_erasures

    settings = settings_in_force()
    with watched() as (stop, listener):
        result = pipeline.load(
            settings, sources, stop=stop, listener=listener, accept_rejects=accept_rejects
        )
    finish_erasures(settings, result)
    exit_with(result, as_json=as_json)
