"""The command ``orderpull``: one module for each command, without logic.

Heavy libraries are imported inside the functions, so that ``--help`` is fast.
"""

from typing import Any

import click

from orderpull import __version__
from orderpull.cli.check import check
from orderpull.cli.config import config
from orderpull.cli.conform import conform
from orderpull.cli.demo import demo
from orderpull.cli.doctor import doctor
from orderpull.cli.export import export
from orderpull.cli.forget import forget
from orderpull.cli.grants import grants
from orderpull.cli.history import history
from orderpull.cli.init import init
from orderpull.cli.landing import landing
from orderpull.cli.login import login
from orderpull.cli.password import password
from orderpull.cli.rejects import rejects
from orderpull.cli.replay import replay
from orderpull.cli.report import report
from orderpull.cli.run import load, pull, run
from orderpull.cli.runs import runs
from orderpull.cli.schedule import schedule
from orderpull.cli.serve import serve
from orderpull.cli.shared import Commands
from orderpull.cli.simulate import simulate
from orderpull.cli.sql import sql
from orderpull.cli.status import status
from orderpull.cli.tableau import tableau
from orderpull.cli.verify import verify


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
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

    set_up(log_format, verbose=verbose)
    context.obj = file


# The order of `orderpull --help`: that of the work.
for command in (
    demo, init, grants, login, check, run, pull, load, schedule, status, runs, doctor, report,
    serve, password, tableau, verify, rejects, replay, history, forget, landing, sql, export,
    config, simulate, conform,
):  # fmt: skip
    main.add_command(command)
