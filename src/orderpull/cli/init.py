"""The command ``orderpull init``."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from orderpull.operate.setup import NewSource, SourceOptions


@click.command()
@click.option("--source", help="Name of the source; shop by default.")
@click.option("--api", help="A built-in API, or the path of a .toml.")
@click.option("--base-url", help="Scheme, host, port, prefix.")
@click.option("--token-variable", help="Environment variable that holds the token.")
@click.option("--start", help="Time at which the first run begins, such as 2026-01-01.")
@click.option("--destination", default="duckdb:///orders.duckdb", help="URL of the warehouse.")
@click.option("--timezone", default="UTC", help="Timezone of the days in reports.")
@click.option("--force", is_flag=True, help="Replace an existing file.")
def init(*, force: bool, destination: str, timezone: str, **texts: str | None) -> None:
    """Write a commented orderpull.toml, from questions or options."""
    from orderpull.operate import setup
    from orderpull.settings import parse_settings

    path = Path(click.get_current_context().obj or "orderpull.toml")
    setup.check_place(path, force=force)
    shared = f"[destination]\nurl = {setup.quoted(destination)}\n[report]\n"
    parse_settings(f"{shared}timezone = {setup.quoted(timezone)}\n")
    folder, options = path.absolute().parent, setup.SourceOptions(**texts)
    if sys.stdin.isatty() and sys.stdout.isatty():
        source = _ask(options, folder)
    else:
        source = setup.new_source(options, folder)
    text = setup.settings_text(source, destination=destination, timezone=timezone)
    setup.write_settings(path, text, source)
    _show_next_steps(path, source)


def _ask(options: "SourceOptions", folder: Path) -> "NewSource":
    from orderpull.terminal.wizard import ask_source

    try:
        return ask_source(options, folder)
    except (KeyboardInterrupt, click.Abort):
        click.echo("\nNothing was written.", err=True)
        sys.exit(130)


def _show_next_steps(path: Path, source: "NewSource") -> None:
    """Print what is left to do: variables to set, and the next two commands."""
    click.echo(f"\nWrote {path}.")
    if source.credentials:
        click.echo("\nSet what it reads from the environment:\n")
        for name in source.credentials.values():
            click.echo(f"  export {name}='…'{'  # it is set' if os.environ.get(name) else ''}")
    command = "orderpull" if path == Path("orderpull.toml") else f"orderpull --config {path}"
    login = [f"login {source.name}"] if source.needs_login else []
    click.echo("\nNext:\n")
    for each in [*login, "check", "run"][:2]:
        click.echo(f"  {command} {each}")
