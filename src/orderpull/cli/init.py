"""The command ``orderpull init``."""

from pathlib import Path

import click


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
