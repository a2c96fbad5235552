"""Answer on the web."""

import json
import os
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, NoReturn

import click

from orderpull.cli.shared import saying, settings_in_force
from orderpull.errors import UsageError

if TYPE_CHECKING:
    from orderpull.schedule.loop import Schedule
    from orderpull.settings import Settings


def _duration(_: click.Context, __: click.Parameter, text: str | None) -> timedelta | None:
    from orderpull import clock

    return clock.duration(text) if text else None


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option(
    "--port",
    default=8484,
    show_default=True,
    type=click.IntRange(0, 65_535),
    help="Port to listen at; 0 takes a free one.",
)
@click.option(
    "--with-schedule",
    "interval",
    metavar="LENGTH",
    callback=_duration,
    help="Pull all sources too, now and then every LENGTH: 30s, 5m, 2h, 1d.",
)
def serve(host: str, port: int, interval: timedelta | None) -> None:
    """The answers as web pages; for this machine, unless a sign-in is set."""
    settings = settings_in_force()
    try:
        from orderpull.web.serve import serve as serve_pages
    except ModuleNotFoundError as error:
        raise UsageError(
            f"The pages need the Python package {error.name}, which is not installed.",
            "Run: pip install 'orderpull[web]'.",
        ) from None
    number = serve_pages(
        settings,
        host,
        port,
        lambda url: click.echo(f"Serving at {url} - Ctrl-C ends it."),
        _schedule(settings, interval) if interval else None,
    )
    _leave(128 + number)


def _leave(code: int) -> NoReturn:
    """End now. A page may still wait for the warehouse; it writes nothing, and nobody asks."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _schedule(settings: "Settings", interval: timedelta) -> "Schedule":
    from orderpull.schedule.loop import Schedule
    from orderpull.schedule.trigger import Every

    return Schedule(settings, Every(interval), saying())


@click.command()
def password() -> None:
    """Ask for a password, and print the line of [web] that lets people in with it."""
    from orderpull.web.passwords import AT_LEAST, AT_MOST, hashed

    typed: str = click.prompt(
        "Password", hide_input=True, confirmation_prompt="The same again", err=True
    )
    if not AT_LEAST <= len(typed) <= AT_MOST:
        _refuse_length(AT_LEAST, AT_MOST)
    click.echo("Put this line into orderpull.toml, under [web]:", err=True)
    click.echo(f"password_hash = {json.dumps(hashed(typed))}")


def _refuse_length(least: int, most: int) -> NoReturn:
    raise UsageError(
        f"A password has {least} to {most} characters.", "Four words of your own are a good one."
    )
