"""The command ``orderpull demo``."""

import logging
import sys
from pathlib import Path

import click


@click.command()
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Folder for the demo's files; a new temporary folder by default.",
)
@click.option("--orders", default=2000, show_default=True, help="Orders in the simulated shop.")
@click.pass_context
def demo(context: click.Context, folder: Path | None, orders: int) -> None:
    """Try orderpull on a simulated shop: offline, without settings."""
    from orderpull.demo import show_demo

    if not context.find_root().params["verbose"]:
        logging.getLogger("orderpull").setLevel(logging.ERROR)
    sys.exit(show_demo(folder, orders))
