"""The command ``orderpull``: one module for each command, without logic.

Heavy libraries are imported inside the functions, and the module of a command when it is wanted.
"""

from typing import Any

import click

from orderpull import __version__
from orderpull.cli.shared import Commands, CommandsByName, collect_garbage_rarely

# The order of `orderpull --help`: that of the work.
_NAMES = (
    "demo", "init", "grants", "login", "check", "run", "pull", "load", "schedule", "status",
    "runs", "doctor", "report", "digest", "serve", "password", "tableau", "verify", "rejects",
    "replay", "spark", "history", "forget", "landing", "warehouse", "sql", "export", "config",
    "simulate", "conform",
)  # fmt: skip
_ELSEWHERE = {"pull": "run", "load": "run"}
"""Commands that are in the module of another one."""

_MODULES = {name: f"orderpull.cli.{_ELSEWHERE.get(name, name)}" for name in _NAMES}


@click.group(
    cls=Commands,
    commands=CommandsByName(_MODULES),
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="orderpull")
@click.option(
    "--config",
    "file",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Settings file; orderpull.toml in this folder by default.",
)
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    help="Format of the log lines on stderr.",
)
@click.option("-v", "--verbose", is_flag=True, help="Log each page and each wait.")
@click.pass_context
def main(context: click.Context, file: str | None, log_format: Any, *, verbose: bool) -> None:  # noqa: ANN401
    """Pull orders from APIs into a warehouse, none lost and none counted twice, and report."""
    from orderpull.logs import set_up

    collect_garbage_rarely()
    set_up(log_format, verbose=verbose)
    context.obj = file
