"""Answer on the web."""

import sys

import click

from orderpull.cli.shared import settings_in_force
from orderpull.errors import UsageError


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option(
    "--port",
    default=8484,
    show_default=True,
    type=click.IntRange(0, 65_535),
    help="Port to listen at; 0 takes a free one.",
)
def serve(host: str, port: int) -> None:
    """The answers as web pages, for this machine."""
    settings = settings_in_force()
    try:
        from orderpull.web.serve import serve as serve_pages
    except ModuleNotFoundError as error:
        raise UsageError(
            f"The pages need the Python package {error.name}, which is not installed.",
            "Run: pip install 'orderpull[web]'.",
        ) from None
    number = serve_pages(
        settings, host, port, lambda url: click.echo(f"Serving at {url} - Ctrl-C ends it.")
    )
    sys.exit(128 + number)
