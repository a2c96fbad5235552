"""The command ``orderpull check``."""

import sys

import click

from orderpull.cli.shared import (
    json_option,
    print_error,
    print_json,
    settings_in_force,
    sources_argument,
)


@click.command()
@json_option
@click.option("--notify", is_flag=True, help="Send a test message to every address of notify.urls.")
@sources_argument
def check(sources: tuple[str, ...], *, as_json: bool, notify: bool) -> None:
    """Check settings, landing, warehouse and APIs; no order can be lost by it."""
    from orderpull.operate.check import check as run_checks
    from orderpull.terminal.console import print_indented, stdout

    findings = run_checks(settings_in_force(), sources, notify=notify)
    if as_json:
        print_json(findings.as_json())
    console = stdout()
    for finding in findings.findings if not as_json else ():
        click.echo(f"{'✓' if finding.error is None else '✗'} {finding.what}")
        if finding.detail:
            print_indented(console, finding.detail)
    for finding in findings.findings:
        if finding.error is not None:
            print_error(finding.error)
    sys.exit(findings.exit_code)
