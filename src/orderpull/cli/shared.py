"""What the commands share: errors told in sentences, settings, stopping, options."""

import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, NoReturn

import click

from orderpull.errors import OrderpullError

if TYPE_CHECKING:
    from orderpull.pipeline import RunResult
    from orderpull.settings import Settings
    from orderpull.sources.http.limits import Stop


class Commands(click.Group):
    """The commands, with our errors told in sentences."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """The commands in the order of the work."""
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's signature
        """Run the command; end with the error's exit code."""
        try:
            return super().invoke(ctx)
        except OrderpullError as error:
            say(error)
            sys.exit(error.exit_code)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(141)


def machine_logs() -> bool:
    """Whether log lines are JSON, for machines."""
    return bool(click.get_current_context().find_root().params.get("log_format") == "json")


def settings_in_force() -> "Settings":
    """The settings of ``--config``, or of the working folder.

    :raises SettingsError: they are missing or wrong.
    """
    from orderpull.settings import read_settings

    return read_settings(click.get_current_context().obj)


def say(error: OrderpullError) -> None:
    """Tell *error* in a sentence, or as a log line where logs are for machines."""
    if machine_logs():
        logging.getLogger("orderpull").error(error.message, extra={"hint": error.hint})
        return
    click.secho(f"orderpull: {error.message}", fg="red", err=True)
    if error.hint:
        click.echo(f"  → {error.hint}", err=True)


def saying() -> Callable[[OrderpullError], None]:
    """:func:`say`, for a thread that knows nothing of the command."""
    context = click.get_current_context()

    def tell(error: OrderpullError) -> None:
        with context.scope(cleanup=False):
            say(error)

    return tell


@contextmanager
def stoppable() -> Iterator["Stop"]:
    """Turn the first SIGINT or SIGTERM into a clean stop, and let the second end the process."""
    from orderpull.sources.http.limits import Stop

    stop = Stop()

    def ask(number: int, _: object) -> None:
        stop.ask(number)
        for again in (signal.SIGINT, signal.SIGTERM):
            signal.signal(again, signal.SIG_DFL)
        click.echo("Stopping after the page in hand; once more ends at once.", err=True)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def end(result: "RunResult", *, as_json: bool) -> NoReturn:
    """Print what a run did, and end with its exit code."""
    if as_json:
        click.echo(json.dumps(result.as_json(), ensure_ascii=False))
    else:
        from orderpull.terminal import console

        console.show_result(result, console.stdout())
    if result.error is not None:
        say(result.error)
    for source in result.sources.values():
        if source.error is not None:
            say(source.error)
    sys.exit(result.exit_code)


json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")


json_option_of_rows = click.option(
    "--json", "as_json", is_flag=True, help="A JSON list with an object for each row."
)


sources_argument = click.argument("sources", nargs=-1, metavar="[SOURCE]...")


accept_option = click.option(
    "--accept-rejects",
    is_flag=True,
    help="Load also where more orders are rejected than reject_limit.",
)


def iso(value: object) -> str:
    """A value that JSON has no word for: times as ISO 8601."""
    from orderpull import clock

    return clock.iso(value) if isinstance(value, datetime) else str(value)
