"""Orders that could not be loaded: which they are, and what became of them."""

import json

import click

from orderpull.cli.shared import (
    Commands,
    end,
    iso,
    json_option,
    settings_in_force,
)


@click.group(cls=Commands)
def rejects() -> None:
    """Orders that could not be shaped: kept whole, with the reason."""


@rejects.command("list")
@click.argument("source", required=False)
@json_option
def rejects_list(source: str | None, *, as_json: bool) -> None:
    """The open rejects and what is wrong with them."""
    from orderpull.operate import rejects as operate

    rows = operate.listed(settings_in_force(), source)
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False, default=iso))
        return
    from orderpull.terminal import console

    console.show_rejects(rows, console.stdout())


@rejects.command("show")
@click.argument("reject", metavar="REJECT")
def rejects_show(reject: str) -> None:
    """One reject whole, with its order's text as received."""
    from orderpull.operate import rejects as operate

    row = operate.whole(settings_in_force(), reject)
    for key, value in row.items():
        if key not in {"raw", "reject_key"}:
            click.echo(f"{key:<12} {'' if value is None else value}")
    click.echo(f"\n{row['raw']}")


@rejects.command("retry")
@click.argument("reject", nargs=-1, metavar="[REJECT]...")
@json_option
def rejects_retry(reject: tuple[str, ...], *, as_json: bool) -> None:
    """Shape rejects again, under today's API file and settings."""
    from orderpull.operate import rejects as operate

    end(operate.retry(settings_in_force(), reject), as_json=as_json)
