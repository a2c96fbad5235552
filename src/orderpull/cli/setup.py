"""The commands that set orderpull up: init, grants, login, check, config, password."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import click

from orderpull.cli.shared import (
    extra_needed,
    json_option,
    print_error,
    print_json,
    settings_in_force,
    sources_argument,
)
from orderpull.errors import UsageError


@click.command()
@click.option("--source", default="shop", prompt="Name of the source", help="Name of the source.")
@click.option(
    "--api",
    default="skubana-assessment",
    prompt="API (built in, or a .toml)",
    help="A built-in API, or the path of a .toml.",
)
@click.option("--base-url", prompt="Base URL of the API", help="Scheme, host, port, prefix.")
@click.option(
    "--token-variable",
    default="",
    prompt="Environment variable of the token (empty: as the API needs)",
    help="Environment variable that holds the token.",
)
@click.option(
    "--start",
    default="",
    prompt="First run: orders changed since, such as 2026-01-01 (empty: none)",
    help="Time at which the first run begins, such as 2026-01-01.",
)
@click.option("--destination", default="duckdb:///orders.duckdb", help="URL of the warehouse.")
@click.option("--timezone", default="UTC", help="Timezone of the days in reports.")
@click.option("--force", is_flag=True, help="Replace an existing file.")
def init(*, force: bool, token_variable: str, start: str, **answers: str) -> None:
    """Write a commented orderpull.toml, from prompts or options."""
    from orderpull.operate.setup import settings_text, write_settings

    path = Path(click.get_current_context().obj or "orderpull.toml")
    text = settings_text(
        token_variable=token_variable or None,
        start=start or None,
        folder=path.absolute().parent,
        **answers,
    )
    write_settings(path, text, force=force)
    click.echo(f"Wrote {path}. Next: orderpull check")


@click.command()
@click.option(
    "--for",
    "kind",
    type=click.Choice(["postgresql", "redshift"]),
    help="Kind of server; with it, no settings are read.",
)
@click.option(
    "--database", metavar="NAME", help="By default as in destination.url, else orders or dev."
)
@click.option("--schema", default="orders", show_default=True, help="Schema of the tables.")
@click.option(
    "--loader",
    metavar="NAME",
    help="By default as in destination.url, else orders_loader.",
)
@click.option("--reader", default="orders_reader", show_default=True, help="User that only reads.")
@click.option("--owner", metavar="NAME", help="Owner of the tables; the loader by default.")
@click.option("--names", is_flag=True, help="Let the reader see names and streets.")
@click.option("--users/--no-users", default=True, help="Create the users.")
@click.option("--dedicated", is_flag=True, help="Revoke all access of others to the database.")
def grants(
    kind: Any,  # noqa: ANN401
    database: str | None,
    loader: str | None,
    **options: Any,  # noqa: ANN401
) -> None:
    """Print the SQL that creates users, tables and rights, for an administrator to run.

    Without --names, the reader cannot see names, streets, postal codes, and the text of rejects.
    The script may be run again at any time, and must be after an update that changes the tables.
    """
    with extra_needed("redshift"):
        from orderpull.destinations.grants import LOADER, GrantPlan, parse_url, script

        if kind is None:
            kind, named, user = parse_url(settings_in_force().destination.url)
        else:
            named, user = "dev" if kind == "redshift" else "orders", ""
        plan = GrantPlan(kind, database or named, loader=loader or user or LOADER, **options)
        click.echo(script(plan), nl=False)


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
                click.echo(f"Open this page, and allow the access:\n\n  {begun.url}\n")
                if browser and _has_desktop():
                    click.launch(begun.url)
                server.wait(begun, timeout)
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


@click.command()
@json_option
@click.option("--notify", is_flag=True, help="Send a test message to every address of notify.urls.")
@sources_argument
def check(sources: tuple[str, ...], *, as_json: bool, notify: bool) -> None:
    """Check settings, landing, warehouse and APIs; no order can be lost by it."""
    from orderpull.operate.check import check as run_checks

    findings = run_checks(settings_in_force(), sources, notify=notify)
    if as_json:
        print_json(findings.as_json())
    for finding in findings.findings if not as_json else ():
        click.echo(f"{'✓' if finding.error is None else '✗'} {finding.what}")
    for finding in findings.findings:
        if finding.error is not None:
            print_error(finding.error)
    sys.exit(findings.exit_code)


@click.command()
def config() -> None:
    """Show every setting in force and its origin, with secrets masked."""
    from orderpull.operate.setup import with_origins
    from orderpull.terminal.console import stdout
    from orderpull.terminal.tables import show_config

    show_config(with_origins(settings_in_force()), stdout())


@click.command()
def password() -> None:
    """Hash a password for the [web] settings."""
    from orderpull.web.passwords import MAX_LENGTH, MIN_LENGTH, hash_password

    typed: str = click.prompt(
        "Password", hide_input=True, confirmation_prompt="The same again", err=True
    )
    if not MIN_LENGTH <= len(typed) <= MAX_LENGTH:
        raise UsageError(
            f"A password has {MIN_LENGTH} to {MAX_LENGTH} characters.",
            "Four words of your own are a good one.",
        )
    click.echo("Put this line into orderpull.toml, under [web]:", err=True)
    click.echo(f"password_hash = {json.dumps(hash_password(typed))}")
