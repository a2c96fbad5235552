"""The command ``orderpull schedule``."""

import sys
from typing import Literal

import click

from orderpull.cli.shared import error_printer, settings_in_force, stop_on_signal


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
    from orderpull.schedule.units import crontab, systemd

    settings = settings_in_force()
    trigger = trigger_of(settings, every, cron)
    if unit:
        text = systemd if unit == "systemd" else crontab
        click.echo(text(settings, trigger), nl=False)
        return
    listener = None
    if sys.stderr.isatty():
        from orderpull.terminal.console import stderr
        from orderpull.terminal.schedule import ScheduleLines

        listener = ScheduleLines(stderr(), settings.report.timezone)
    loop = Schedule(settings, trigger, error_printer(), listener)
    stopped_by: list[int] = []

    def stop(number: int) -> None:
        stopped_by.append(number)
        loop.stop(number)

    stop_on_signal(stop)
    loop.start(lambda: click.echo(f"Running {trigger} - Ctrl-C ends it.", err=True))
    loop.wait()
    sys.exit(128 + stopped_by[0] if stopped_by else 1)
