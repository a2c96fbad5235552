"""The command ``orderpull conform``."""

import json
import sys
from pathlib import Path

import click

from orderpull.cli.shared import json_option, print_json


@click.command()
@json_option
@click.option(
    "--schema", is_flag=True, help="Print the JSON Schema of API files, for your editor; try none."
)
@click.argument("file", required=False)
def conform(file: str | None, *, as_json: bool, schema: bool) -> None:
    """Try an API's file: a built-in one by its name, or a .toml of your own.

    A server is made of the file. It pages, signs in, filters, refuses and breaks down as the file
    says that the API does, while its orders change; orderpull pulls from it, and what the warehouse
    holds is compared with what it should. Nothing is asked of any real API, and no settings are
    needed.

    What this proves: that the file and orderpull agree. What it cannot prove: that the real API is
    as the file says. For that, pull from it and compare some orders by hand.
    """
    if schema:
        from orderpull.conform.schema import api_schema

        click.echo(json.dumps(api_schema(), indent=2))
        return
    if file is None:
        raise click.UsageError("Name an API file, or a built-in API.")
    from orderpull.conform import report
    from orderpull.terminal.console import stderr, stdout

    with stderr().status("") as status:
        outcome = report.conform(
            file, Path.cwd(), lambda case: status.update(f"{case.name}: {case.sentence}")
        )
    if as_json:
        print_json(outcome.as_json())
    else:
        report.show(outcome, stdout())
    sys.exit(0 if outcome.ok else 1)
