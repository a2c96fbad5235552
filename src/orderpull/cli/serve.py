"""The command ``orderpull serve``."""

import os
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, NoReturn

import click

from orderpull.cli.shared import error_printer, extra_needed, settings_in_force

if TYPE_CHECKING:
    from orderpull.schedule.loop import Schedule
    from orderpull.settings import Settings


def _duration(_: click.Context, __: click.Parameter, text: str | None) -> timedelta | None:
    from orderpull import clock

    return clock.duration(text) if text else None


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    default=8484,
    show_default=True,
    type=click.IntRange(0, 65_535),
    help="Port to listen on; 0 for any free port.",
)
@click.option(
    "--with-schedule",
    "interval",
    metavar="LENGTH",
    callback=_duration,
    help="Also run all sources, now and then every LENGTH: 30s, 5m, 2h, 1d.",
)
def serve(host: str, port: int, interval: timedelta | None) -> None:
    """Serve the answers as web pages; to this machine only, unless a sign-in is set."""
    settings = settings_in_force()
    with extra_needed("web"):
        from orderpull.web.serve import serve as serve_pages
    number = serve_pages(
        settings,
        host,
        port,
        lambda url: click.echo(f"Serving at {url} - Ctrl-C ends it."),
        _schedule(settings, interval) if interval else None,
    )
    _exit_at_once(128 + number)


def _exit_at_once(code: int) -> NoReturn:
    """Exit without waiting for queries that pages have begun: they write nothing."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _schedule(settings: "Settings", interval: timedelta) -> "Schedule":
    from orderpull.schedule.loop import Schedule
    from orderpull.schedule.trigger import Every

    return Schedule(settings, Every(interval), error_printer())
