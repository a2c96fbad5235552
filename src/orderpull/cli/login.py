"""The command ``orderpull login``."""

import os
import sys

import click

from orderpull.cli.shared import settings_in_force


@click.command()
@click.option(
    "--redirect-uri",
    metavar="URL",
    help="Redirect URI, as registered with the app.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    help="Port of this machine for the redirect; any free port by default.",
)
@click.option("--paste", is_flag=True, help="Ask for the URL, for a browser on another machine.")
@click.option("--browser/--no-browser", default=True, help="Open a browser, if there is one.")
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
    """Allow access to an API in a browser, and store its token.

    For APIs such as Extensiv that hand out a token after a person agrees in a browser. The token is
    stored in the landing, encrypted with client_secret, and is never shown.
    """
    from orderpull.operate.login import CallbackServer, Login, RedirectUri

    settings = settings_in_force()
    uri = RedirectUri.of(redirect_uri, port)
    try:
        if paste or uri.port is None:
            begun = Login(settings, source, uri.for_paste)
            click.echo(f"Open this page, and allow the access:\n\n  {begun.url}\n")
            click.echo("The browser then goes to an address that may not load. That is expected.")
            begun.finish(_pasted())
        else:
            Login(settings, source, uri)  # checks the settings before a port is taken
            with CallbackServer(uri) as server:
                begun = Login(settings, source, server.redirect_uri)
                server.expect(begun)
                click.echo(f"Open this page, and allow the access:\n\n  {begun.url}\n")
                if browser and _has_desktop():
                    click.launch(begun.url)
                server.wait(timeout)
    except (KeyboardInterrupt, click.Abort):
        click.echo(err=True)
        sys.exit(130)
    click.echo(
        f"Source {source!r} can be read now. Its token is stored in {begun.landing}, encrypted. "
        "Next: orderpull check"
    )


def _pasted() -> str:
    """Read the pasted URL, without showing it: it contains a code."""
    if not sys.stdin.isatty():
        return sys.stdin.readline()
    return str(click.prompt("Paste that address here; it is not shown", hide_input=True))


def _has_desktop() -> bool:
    """Return whether a browser would open its own window instead of using this terminal."""
    if sys.platform in {"win32", "darwin"}:
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
