"""The command ``orderpull doctor``."""

import sys

import click

from orderpull.cli.shared import json_option, print_json


@click.command()
@json_option
@click.option("--deep", is_flag=True, help="Hash every landed page, and read the whole snapshot.")
@click.pass_obj
def doctor(file: str | None, *, as_json: bool, deep: bool) -> None:
    """Say what is wrong with this installation, and what mends it; change nothing."""
    from orderpull.operate.doctor import diagnose

    report = diagnose(file, deep=deep)
    if as_json:
        print_json(report.as_json())
    else:
        from orderpull.terminal.console import stdout
        from orderpull.terminal.doctor import show_report

        show_report(report, stdout())
    sys.exit(report.exit_code)
