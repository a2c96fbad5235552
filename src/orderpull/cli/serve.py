"""The command ``orderpull serve``."""

import os
import sys
from datetime import timedelta

import click

from orderpull.cli.shared import error_printer, extra_needed, settings_in_force


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
    from orderpull import telemetry
    from orderpull.schedule.loop import Schedule
    from orderpull.schedule.trigger import Every

    settings = settings_in_force()
    with extra_needed("web"):
        from orderpull.web.serve import serve as serve_pages
    number = serve_pages(
        settings,
        host,
        port,
        lambda url: click.echo(f"Serving at {url} - Ctrl-C ends it."),
        Schedule(settings, Every(interval), error_printer()) if interval else None,
    )
    telemetry.stop()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(128 + number)  # Queries that pages have begun write nothing: they are not waited for.
