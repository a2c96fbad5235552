"""Sign in: let a person allow the access to an API."""

import os
import sys

import click

from orderpull.cli.shared import settings_in_force


@click.command()
@click.option(
    "--redirect-uri",
    metavar="URL",
    help="Where the API sends the browser back to, as registered with the app.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    help="Of this machine, to wait at; without it any that is free.",
)
@click.option("--paste", is_flag=True, help="The browser runs on another machine: ask for its URL.")
@click.option(
    "--browser/--no-browser", default=True, help="Whether a browser is opened, where there is one."
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=1),
    default=300.0,
    show_default=True,
    help="Seconds to wait for the browser.",
)
@click.argument("source")
def login(
    source: str,
    redirect_uri: str | None,
    port: int,
    timeout: float,
    *,
    paste: bool,
    browser: bool,
) -> None:
    """Allow the access to an API in a browser, and keep the token that it gives.

    For APIs that give a token to who agrees in a browser, such as Extensiv. The token is kept in
    the landing, encrypted with client_secret, and is never shown.
    """
    from orderpull.operate.login import Back, Login, Waiting

    settings = settings_in_force()
    back = Back.of(redirect_uri, port)
    try:
        if paste or back.port is None:
            begun = Login(settings, source, back.elsewhere)
            click.echo(f"Open this page, and allow the access:\n\n  {begun.url}\n")
            click.echo("The browser then goes to an address that may not load. That is well.")
            begun.finish(_pasted())
        else:
            Login(settings, source, back)  # before a port is taken: is there anything to do?
            with Waiting(back) as waiting:
                begun = Login(settings, source, waiting.back)
                click.echo(f"Open this page, and allow the access:\n\n  {begun.url}\n")
                if browser and _desktop():
                    click.launch(begun.url)
                waiting.wait(begun, timeout)
    except (KeyboardInterrupt, click.Abort):
        click.echo(err=True)
        sys.exit(130)
    click.echo(
        f"Source {source!r} may be read now. Its token is kept in {begun.landing}, encrypted. "
        "Next: orderpull check"
    )


def _pasted() -> str:
    """What somebody pastes; it holds a code, so that it is not shown."""
    if not sys.stdin.isatty():
        return sys.stdin.readline()
    return str(click.prompt("Paste that address here; it is not shown", hide_input=True))


def _desktop() -> bool:
    """Whether a browser would open a window of its own, and not take this terminal."""
    if sys.platform in {"win32", "darwin"}:
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
