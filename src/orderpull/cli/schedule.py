"""Run by itself: a schedule of our own, or units for systemd and cron."""

import signal
import sys
from typing import Literal

import click

from orderpull.cli.shared import saying, settings_in_force


@click.command()
@click.option("--every", metavar="LENGTH", help="Now, and then every LENGTH: 30s, 5m, 2h, 1d.")
@click.option(
    "--cron", metavar="TIMES", help='At these times, in cron\'s five fields: "*/5 6-22 * * *".'
)
@click.option(
    "--print",
    "unit",
    type=click.Choice(["systemd", "cron"]),
    help="Run nothing; print what makes systemd or cron run it.",
)
def schedule(every: str | None, cron: str | None, unit: Literal["systemd", "cron"] | None) -> None:
    """Run all sources by itself, again and again, until it is told to end."""
    from orderpull.schedule import trigger, units
    from orderpull.schedule.loop import Schedule

    settings = settings_in_force()
    chosen = trigger.chosen(settings, every, cron)
    if unit:
        click.echo(units.printed(unit, settings, chosen), nl=False)
        return
    running = Schedule(settings, chosen, saying())

    def stop(number: int, _: object) -> None:
        for again in (signal.SIGINT, signal.SIGTERM):
            signal.signal(again, signal.SIG_DFL)
        click.echo("Stopping after the page in hand; once more ends at once.", err=True)
        stopped_by.append(number)
        running.stop(number)

    stopped_by: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    running.start()
    click.echo(f"Running {chosen} - Ctrl-C ends it.", err=True)
    running.wait()
    sys.exit(128 + stopped_by[0] if stopped_by else 1)
