"""The command ``orderpull password``."""

import json

import click

from orderpull.errors import UsageError


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
