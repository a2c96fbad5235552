"""The command ``orderpull password``."""

import json

import click

from orderpull.errors import UsageError


@click.command()
def password() -> None:
    """Hash a password for the [web] settings."""
    from orderpull.web.passwords import AT_LEAST, AT_MOST, hashed

    typed: str = click.prompt(
        "Password", hide_input=True, confirmation_prompt="The same again", err=True
    )
    if not AT_LEAST <= len(typed) <= AT_MOST:
        raise UsageError(
            f"A password has {AT_LEAST} to {AT_MOST} characters.",
            "Four words of your own are a good one.",
        )
    click.echo("Put this line into orderpull.toml, under [web]:", err=True)
    click.echo(f"password_hash = {json.dumps(hashed(typed))}")
