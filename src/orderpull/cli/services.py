"""The commands that go on until they are stopped: schedule, serve."""

import os
import sys
from datetime import timedelta
from typing import Literal

import click

from orderpull.cli.shared import error_printer, extra_needed, settings_in_force, stop_on_signal


@click.command()
@click.option("--every", metavar="LENGTH", help="Run now, then every LENGTH: 30s, 5m, 2h, 1d.")
@click.option("--cron", metavar="TIMES", help='Run at these times, as in cron: "*/5 6-22 * * *".')
@click.option(
    "--print",
    "unit",
    type=click.Choice(["systemd", "cron"]),
    help="Print the configuration for systemd or cron, and run nothing.",
)
def schedule(every: str | None, cron: str | None, unit: Literal["systemd", "cron"] | None) -> None:
    """Run all sources again and again, until it is stopped."""
    from orderpull.schedule.loop import Schedule
    from orderpull.schedule.trigger import trigger_of
    from orderpull.schedule.units import unit_text

    settings = settings_in_force()
    trigger = trigger_of(settings, every, cron)
    if unit:
        click.echo(unit_text(unit, settings, trigger), nl=False)
        return
    loop = Schedule(settings, trigger, error_printer())
    stopped_by: list[int] = []

    def stop(number: int) -> None:
        stopped_by.append(number)
        loop.stop(number)

    stop_on_signal(stop)
    loop.start()
    click.echo(f"Running {trigger} - Ctrl-C ends it.", err=True)
    loop.wait()
    sys.exit(128 + stopped_by[0] if stopped_by else 1)


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
    with extra_needed("web"):
        from orderpull.web.serve import serve as serve_pages
    number = serve_pages(
        settings,
        host,
        port,
        lambda url: click.echo(f"Serving at {url} - Ctrl-C ends it."),
        Schedule(settings, Every(interval), error_printer()) if interval else None,
    )
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(128 + number)  # Queries that pages have begun write nothing: they are not waited for.
