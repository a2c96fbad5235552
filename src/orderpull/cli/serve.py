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
    from orderpull.schedule.loop import Schedule
    from orderpull.schedule.trigger import Every

    settings = settings_in_force()
    need_pages()
    schedule = Schedule(settings, Every(interval), error_printer()) if interval else None
    serve_and_exit(settings, host, port, schedule)


def need_pages() -> None:
    """Refuse to go on without what the pages need. :raises UsageError: a package is missing."""
    with extra_needed("web"):
        import orderpull.web.serve  # noqa: F401


def serve_and_exit(
    settings: "Settings", host: str, port: int, schedule: "Schedule | None" = None
) -> NoReturn:
    """Serve the pages until a signal, and exit with its code."""
    from orderpull import telemetry
    from orderpull.web.serve import serve as serve_pages

    number = serve_pages(
        settings,
        host,
        port,
        lambda url: click.echo(f"Serving at {url} - Ctrl-C ends it."),
        schedule,
    )
    telemetry.stop()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(128 + number)  # Queries that pages have begun write nothing: they are not waited for.
