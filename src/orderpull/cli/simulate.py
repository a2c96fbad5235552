"""The command ``orderpull simulate``."""

import errno
import shlex
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orderpull import clock
from orderpull.errors import UsageError

if TYPE_CHECKING:
    from orderpull.simulator.profile import Profile


@click.command()
@click.option(
    "--profile",
    "name",
    default="skubana-assessment",
    show_default=True,
    help="skubana-assessment: hands out each order once; generic: a shop whose orders change and "
    "can be requested again; replay: recorded responses.",
)
@click.option(
    "--port", default=8765, show_default=True, help="Port on 127.0.0.1; 0 for any free port."
)
@click.option("--orders", default=2000, show_default=True, help="Orders to hand out.")
@click.option("--per-call", default=100, show_default=True, help="Orders in one response.")
@click.option("--seed", default=7, show_default=True, help="The same seed gives the same orders.")
@click.option(
    "--days",
    default=365.0,
    show_default=True,
    type=click.FloatRange(0, min_open=True),
    help="For generic: days until today on which the orders were placed.",
)
@click.option(
    "--switch",
    multiple=True,
    metavar="NAME=VALUE",
    help="For generic: a switch of its own, such as paging=cursor.",
)
@click.option("--endless", is_flag=True, help="Serve new orders without end.")
@click.option(
    "--malformed",
    default="0",
    show_default=True,
    help="Malformed orders: a count, or a share like 0.01.",
)
@click.option(
    "--versions",
    default=0.0,
    show_default=True,
    help="Share of orders that are served again with changes.",
)
@click.option(
    "--fault",
    multiple=True,
    metavar="KIND@CALLS",
    help="For example reset-body@3; `--fault list` names all.",
)
@click.option("--latency", default=0.0, show_default=True, help="Seconds before each response.")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="For replay: the folder of the recording.",
)
@click.option("--token", help="For replay: the token that requests must have.")
@click.option(
    "--log", type=click.Path(dir_okay=False, path_type=Path), help="File for a request log."
)
@click.option(
    "--truth",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File for the expected content of a correct warehouse.",
)
@click.pass_context
def simulate(
    context: click.Context,
    /,
    *,
    days: float,
    switch: tuple[str, ...],
    malformed: str,
    fault: tuple[str, ...],
    port: int,
    latency: float,
    log: Path | None,
    truth: Path | None,
    **shop: Any,  # noqa: ANN401
) -> None:
    """Serve a simulated orders API on 127.0.0.1."""
    from orderpull import simulator

    if "list" in fault:
        widest = max(map(len, simulator.FAULTS))
        for name, kind in simulator.FAULTS.items():
            click.echo(
                f"{name:<{widest}} {'consumes' if kind.consumed else 'keeps':<9} {kind.sentence}"
            )
        return
    _tell_ignored(context, shop["name"])
    try:
        made = simulator.make_profile(
            switches={"live": True, "days": days, **dict(map(simulator.switch, switch))},
            malformed=simulator.rate_or_count(malformed),
            plain_first=True,
            **shop,
        )
        number = simulator.serve_forever(
            made,
            port=port,
            faults=fault,
            latency=latency,
            log=log,
            truth=truth,
            on_ready=lambda url: _introduce(made, url, switch, days),
            on_call=lambda call: click.echo(f"{call.method} {call.path} {call.status or ''}"),
        )
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise click.UsageError(str(error)) from None
        raise UsageError(f"Port {port} is taken.", "--port 0 takes any free one.") from None
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    sys.exit(128 + number)


def _tell_ignored(context: click.Context, name: str) -> None:
    """Name the options of the command line that do nothing for the profile *name*."""
    from orderpull import simulator

    source = click.core.ParameterSource.DEFAULT
    options = [key for key in context.params if context.get_parameter_source(key) != source]
    for key in simulator.ignored(name, options):
        click.echo(f"--{key.replace('_', '-')} does nothing for the profile {name}.", err=True)


def _introduce(profile: "Profile", url: str, switches: tuple[str, ...], days: float) -> None:
    """Print the address, what lets a client in, and the `orderpull init` for this shop."""
    from orderpull import simulator

    click.echo(f"Serving at {url} - Ctrl-C ends it.\n")
    for key, value in simulator.credentials(profile).items() or [("token", "none is needed")]:
        click.echo(f"  {key:<14} {value}")
    api, start = "FILE.toml", ""
    if profile.name == simulator.SkubanaAssessment.name:
        api = profile.name
    elif profile.name == simulator.Generic.name and simulator.fits_its_file(switches):
        api = shlex.quote(str(simulator.GENERIC_FILE))
        start = f" --start {(clock.now() - timedelta(days=days + 1)).date()}"
    else:
        click.echo(f"  {'FILE.toml':<14} an API file for this shop, which you write: docs/apis.md")
    click.echo("\nIn an empty folder:\n")
    click.echo(f"  orderpull init --api {api} --base-url {url}{start}\n")
