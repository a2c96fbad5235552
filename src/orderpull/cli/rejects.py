"""The commands ``orderpull rejects list``, ``show`` and ``retry``."""

from datetime import datetime

import click

from orderpull import clock
from orderpull.cli.shared import (
    Commands,
    exit_with,
    json_option,
    print_json,
    settings_in_force,
)


@click.group(cls=Commands)
def rejects() -> None:
    """List, show and retry orders that could not be loaded."""


@rejects.command("list")
@click.argument("source", required=False)
@json_option
def rejects_list(source: str | None, *, as_json: bool) -> None:
    """List the open rejects and what is wrong with each."""
    from orderpull.operate import rejects as operate

    rows = operate.open_rejects(settings_in_force(), source)
    if as_json:
        print_json(rows)
        return
    from orderpull.terminal.console import stdout
    from orderpull.terminal.tables import show_rejects

    show_rejects(rows, stdout())


@rejects.command("show")
@click.argument("reject", metavar="REJECT")
def rejects_show(reject: str) -> None:
    """Show one reject, with the order as received."""
    from orderpull.operate import rejects as operate

    row = operate.find_with_text(settings_in_force(), reject)
    for key, value in row.items():
        if key not in {"raw", "reject_key"}:
            shown = clock.iso(value) if isinstance(value, datetime) else value
            click.echo(f"{key:<12} {'' if shown is None else shown}")
    click.echo(f"\n{row['raw']}")


@rejects.command("retry")
@click.argument("reject", nargs=-1, metavar="[REJECT]...")
@json_option
def rejects_retry(reject: tuple[str, ...], *, as_json: bool) -> None:
    """Load rejects again, under today's API file and settings."""
    from orderpull.operate import rejects as operate

    exit_with(operate.retry(settings_in_force(), reject), as_json=as_json)
