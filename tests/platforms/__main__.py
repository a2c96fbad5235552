"""A named platform on 127.0.0.1: ``python -m tests.platforms shopify``."""

import sys
from pathlib import Path

import click

from orderpull import simulator
from tests.platforms.registry import PLATFORMS, platform

FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("name", type=click.Choice(list(PLATFORMS)))
@click.option("--port", default=8765, show_default=True, help="Port on 127.0.0.1; 0: a free one.")
@click.option("--orders", default=2000, show_default=True, help="Orders of the shop.")
@click.option("--seed", default=7, show_default=True, help="The same seed gives the same orders.")
@click.option("--switch", multiple=True, metavar="NAME=VALUE", help="Such as expires_after=3.")
@click.option(
    "--fault", multiple=True, metavar="KIND@CALLS", help="As orderpull simulate has them."
)
@click.option("--latency", default=0.0, show_default=True, help="Seconds before each response.")
@click.option("--log", type=FILE, help="Log requests here.")
@click.option("--truth", type=FILE, help="Write here what a correct warehouse must hold.")
def serve(
    *,
    name: str,
    port: int,
    orders: int,
    seed: int,
    switch: tuple[str, ...],
    fault: tuple[str, ...],
    latency: float,
    log: Path | None,
    truth: Path | None,
) -> None:
    """Serve the platform NAME until Ctrl-C."""
    try:
        switches = {"live": True, **dict(map(simulator.switch, switch))}
        number = simulator.serve_forever(
            platform(name, **{"orders": orders, "seed": seed, **switches}),
            port=port,
            faults=fault,
            latency=latency,
            log=log,
            truth=truth,
            on_ready=lambda url: click.echo(f"Serving at {url} - Ctrl-C ends it."),
            on_call=lambda call: click.echo(f"{call.method} {call.path} {call.status or ''}"),
        )
    except (ValueError, TypeError, OSError) as error:
        raise click.UsageError(str(error)) from None
    sys.exit(128 + number)


if __name__ == "__main__":
    serve()
