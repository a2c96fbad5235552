"""The command ``orderpull demo``."""

import logging
from pathlib import Path

import click


@click.command()
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Folder for the demo's files; a new temporary folder by default.",
)
@click.option(
    "--orders",
    default=2000,
    show_default=True,
    type=click.IntRange(min=10),
    help="Orders in the simulated shop.",
)
@click.option("--serve", is_flag=True, help="Then serve the answers as web pages.")
@click.pass_context
def demo(context: click.Context, /, folder: Path | None, orders: int, *, serve: bool) -> None:
    """Try orderpull on a simulated shop: offline, without settings."""
    from orderpull.cli.serve import need_pages, serve_and_exit
    from orderpull.demo import show_demo

    if serve:
        need_pages()

    if not context.find_root().params["verbose"]:
        logging.getLogger("orderpull").setLevel(logging.ERROR)
    settings = show_demo(folder, orders)
    if serve:
        click.echo()
        serve_and_exit(settings, "127.0.0.1", port=0)
