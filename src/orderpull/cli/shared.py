"""Parts of several commands: errors, settings, signals, output and options."""

import atexit
import gc
import json
import logging
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime
from importlib import import_module
from pathlib import Path
from textwrap import TextWrapper
from typing import TYPE_CHECKING, Any, NoReturn

import click

from orderpull.errors import OrderpullError, UsageError

if TYPE_CHECKING:
    from orderpull.pipeline import Listener, RunResult
    from orderpull.settings import Settings
    from orderpull.sources.http.limits import Stop

COLLECT_FROM = 100_000
"""New objects after which Python looks for cycles of garbage."""


class Commands(click.Group):
    """A group of commands that prints our errors as sentences, without a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """List the commands in the order in which they were added."""
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's signature
        """Run the command; exit with the error's exit code if it fails."""
        try:
            return super().invoke(ctx)
        except OrderpullError as error:
            print_error(error)
            sys.exit(error.exit_code)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(141)


class CommandsByName(MutableMapping[str, click.Command]):
    """Commands by name; the module of one is imported when the command is wanted.

    :param modules: the module of each command, in which it has its own name.
    """

    def __init__(self, modules: Mapping[str, str]) -> None:
        self._modules = dict(modules)
        self._loaded: dict[str, click.Command] = {}

    def __getitem__(self, name: str) -> click.Command:
        if name not in self._loaded:
            self._loaded[name] = getattr(import_module(self._modules[name]), name)
        return self._loaded[name]

    def __setitem__(self, name: str, command: click.Command) -> None:
        self._loaded[name] = command
        self._modules[name] = command.callback.__module__ if command.callback else ""

    def __delitem__(self, name: str) -> None:
        del self._modules[name]
        self._loaded.pop(name, None)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __len__(self) -> int:
        return len(self._modules)


def collect_garbage_rarely() -> None:
    """Let Python look for cycles of garbage at each :data:`COLLECT_FROM` new objects.

    By default it looks at each 700, and once more when the process ends and all memory goes back
    to the system anyway. Together that takes a twentieth of the CPU of a small run.
    """
    gc.set_threshold(COLLECT_FROM)
    atexit.unregister(gc.disable)
    atexit.register(gc.disable)


def settings_in_force() -> "Settings":
    """Read the settings of ``--config`` or of the working folder, with the accounts of a list.

    :raises SettingsError: they are missing or wrong.
    """
    from orderpull.settings import read_settings

    settings = read_settings(click.get_current_context().obj)
    if settings.sources_from.url is None:
        return settings
    from orderpull.sources.accounts import with_readable_apis

    return with_readable_apis(settings)


def print_error(error: OrderpullError) -> None:
    """Print *error* and its hint to stderr; with ``--log-format json`` as a log line."""
    if click.get_current_context().find_root().params.get("log_format") == "json":
        logging.getLogger("orderpull").error(error.message, extra={"hint": error.hint})
        return
    click.secho(_wrapped(f"orderpull: {error.message}", "  "), fg="red", err=True)
    if error.hint:
        click.echo(_wrapped(f"  → {error.hint}", "    "), err=True)


def _wrapped(text: str, indent: str) -> str:
    """*text* in lines of the terminal's width, if errors go to one.

    :param indent: of the lines after the first.
    """
    if not sys.stderr.isatty():
        return text
    wrap = TextWrapper(
        shutil.get_terminal_size().columns,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(map(wrap.fill, text.splitlines()))


def error_printer() -> Callable[[OrderpullError], None]:
    """Return :func:`print_error` for use in another thread."""
    context = click.get_current_context()

    def print_in_context(error: OrderpullError) -> None:
        with context.scope(cleanup=False):
            print_error(error)

    return print_in_context


def print_json(value: object) -> None:
    """Print *value* as JSON on one line; times as ISO 8601."""
    click.echo(json.dumps(value, ensure_ascii=False, default=_as_json))


def _as_json(value: object) -> str:
    from orderpull import clock

    return clock.iso(value) if isinstance(value, datetime) else str(value)


@contextmanager
def extra_needed(extra: str) -> Iterator[None]:
    """Name the *extra* to install if an import inside the block fails.

    :raises UsageError: a package is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise UsageError(
            f"This needs the Python package {error.name}, which is not installed.",
            f"Run: pip install 'orderpull[{extra}]'.",
        ) from None


def write_file(file: Path, data: bytes) -> None:
    """Write *data* to *file*; ``-`` is stdout. :raises UsageError: it cannot be written."""
    try:
        with click.open_file(str(file), "wb") as out:
            out.write(data)
    except OSError as error:
        raise UsageError(f"{file} could not be written: {error.strerror}.") from None


def stop_on_signal(stop: Callable[[int], None]) -> dict[int, Any]:
    """Call *stop* on the first SIGINT or SIGTERM; a second signal ends the process at once.

    :return: the signal handlers that were in force before.
    """

    def handle(number: int, _: object) -> None:
        for again in (signal.SIGINT, signal.SIGTERM):
            signal.signal(again, signal.SIG_DFL)
        click.echo("Stopping after the page in hand; press Ctrl-C again to end at once.", err=True)
        stop(number)

    return {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}


@contextmanager
def watched() -> Iterator[tuple["Stop", "Listener"]]:
    """Yield a stop that the first SIGINT or SIGTERM sets, and a listener that shows progress.

    The signal handlers are restored at the end.
    """
    from orderpull.pipeline import Listener
    from orderpull.sources.http.limits import Stop

    stop = Stop()
    before = stop_on_signal(stop.set)
    try:
        with _progress() if sys.stderr.isatty() else nullcontext(Listener()) as listener:
            yield stop, listener
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _progress() -> AbstractContextManager["Listener"]:
    from orderpull.terminal.progress import show_progress

    return show_progress()


def exit_with(result: "RunResult", *, as_json: bool) -> NoReturn:
    """Print the result of a run, then its errors; exit with its exit code."""
    if as_json:
        print_json(result.as_json())
    else:
        from orderpull.terminal.console import stdout
        from orderpull.terminal.runs import show_result

        show_result(result, stdout())
    if result.error is not None:
        print_error(result.error)
    for source in result.sources.values():
        if source.error is not None:
            print_error(source.error)
    sys.exit(result.exit_code)


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")

sources_argument = click.argument("sources", nargs=-1, metavar="[SOURCE]...")

accept_option = click.option(
    "--accept-rejects",
    is_flag=True,
    help="Load even if more orders are rejected than reject_limit allows.",
)
