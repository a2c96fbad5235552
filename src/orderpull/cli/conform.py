"""The command ``orderpull conform``."""

import json
import sys
from pathlib import Path

import click

from orderpull.cli.shared import json_option, print_json


@click.command()
@json_option
@click.option(
    "--schema", is_flag=True, help="Only print the JSON Schema of API files, for your editor."
)
@click.argument("file", required=False)
def conform(file: str | None, *, as_json: bool, schema: bool) -> None:
    """Test an API file, built in or your own .toml, on a server generated from it.

    The server pages, authenticates, filters, limits and fails as the file describes, while its
    orders change. orderpull pulls from it, and the warehouse is compared with the expected content.
    No real API gets a request, and no settings are needed.

    This proves that the file and orderpull agree. It cannot prove that the real API behaves as the
    file says: for that, pull from the API and compare some orders by hand.
    """
    if schema:
        from orderpull.conform.schema import api_schema

        click.echo(json.dumps(api_schema(), indent=2))
        return
    if file is None:
        raise click.UsageError("Name an API file, or a built-in API.")
    from orderpull.conform import report
    from orderpull.conform.target import MirrorTarget
    from orderpull.terminal.console import stderr, stdout

    with stderr().status("") as status:
        outcome = report.conform(
            MirrorTarget.of(file, Path.cwd()),
            lambda case: status.update(f"{case.name}: {case.sentence}"),
        )
    if as_json:
        print_json(outcome.as_json())
    else:
        report.show(outcome, stdout())
    sys.exit(0 if outcome.ok else 1)
