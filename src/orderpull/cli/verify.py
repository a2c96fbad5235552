"""The command ``orderpull verify``."""

import sys

import click

from orderpull.cli.shared import (
    json_option,
    print_error,
    print_json,
    settings_in_force,
    sources_argument,
    watched,
)
from orderpull.errors import UsageError


@click.command()
@click.option(
    "--since",
    metavar="LENGTH|DAY",
    help="Compare what came within 30d (default: verify.since), or since 2026-01-01.",
)
@click.option("--deep", is_flag=True, help="Compare everything, however old, by every value.")
@click.option("--repair", is_flag=True, help="Put right what can be, and compare again.")
@click.option(
    "--delete-extra", is_flag=True, help="With --repair: also delete what no landed page holds."
)
@click.option("--offline", is_flag=True, help="Send no request to any shop.")
@click.option(
    "--max-calls",
    type=click.IntRange(min=1),
    metavar="N",
    help="Stop comparing with a shop after N requests, with exit code 1.",
)
@json_option
@sources_argument
def verify(
    sources: tuple[str, ...],
    since: str | None,
    *,
    deep: bool,
    repair: bool,
    delete_extra: bool,
    offline: bool,
    max_calls: int | None,
    as_json: bool,
) -> None:
    """Compare the orders with where they came from; exit with code 1 if any differ."""
    from orderpull import clock, notify
    from orderpull.verify import verify as operate

    if delete_extra and not repair:
        raise UsageError("--delete-extra is a part of a repair.", "Give --repair, too.")
    settings = settings_in_force()
    from_then = operate.since_of(since or settings.verify.since, clock.now())
    with watched() as (stop, _):
        options = operate.Options(
            from_then,
            deep,
            offline=offline,
            max_calls=max_calls,
            repair=repair,
            delete_extra=delete_extra,
            stop=stop,
        )
        verified = operate.verify(settings, sources, options)
    notify.after_verify(settings, verified)
    if as_json:
        print_json(verified.as_json())
    else:
        from orderpull.terminal.console import stdout
        from orderpull.terminal.verified import show_verified

        show_verified(verified, stdout())
    for source in verified.sources.values():
        if source.error is not None:
            print_error(source.error)
    sys.exit(verified.exit_code)
