"""Begin: try it, write the settings, look whether all is well."""

import json
import sys
from pathlib import Path

import click

from orderpull.cli.shared import (
    json_option,
    say,
    settings_in_force,
    sources_argument,
)


@click.command()
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Leave the demo's files here; a new temporary folder otherwise.",
)
@click.option("--orders", default=2000, show_default=True, help="Orders in the simulated shop.")
def demo(folder: Path | None, orders: int) -> None:
    """Simulated shop, pull, load, answers: offline, with nothing configured."""
    from orderpull.demo import show_demo

    sys.exit(show_demo(folder, orders))


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
    help="For APIs that are read from a time on.",
)
@click.option("--destination", default="duckdb:///orders.duckdb", help="URL of the warehouse.")
@click.option("--timezone", default="UTC", help="Of days in reports.")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
def init(*, force: bool, token_variable: str, start: str, **answers: str) -> None:
    """Write a commented orderpull.toml by asking, or by flags."""
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
@json_option
@click.option("--notify", is_flag=True, help="Send a test message to all of notify.urls.")
@sources_argument
def check(sources: tuple[str, ...], *, as_json: bool, notify: bool) -> None:
    """Prove settings, landing, warehouse and network; ask for no orders of a consume-once API."""
    from orderpull.operate.check import check as run_checks

    findings = run_checks(settings_in_force(), sources, notify=notify)
    if as_json:
        click.echo(json.dumps(findings.as_json(), ensure_ascii=False))
    for finding in findings.findings if not as_json else ():
        click.echo(f"{'✓' if finding.error is None else '✗'} {finding.what}")
    for finding in findings.findings:
        if finding.error is not None:
            say(finding.error)
    sys.exit(findings.exit_code)


@click.command()
def config() -> None:
    """Every setting in force and where it comes from, secrets masked."""
    from orderpull.operate.setup import in_force
    from orderpull.terminal import console

    console.show_config(in_force(settings_in_force()), console.stdout())
