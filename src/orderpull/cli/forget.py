"""The command ``orderpull forget``."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orderpull.cli.shared import json_option, print_json, settings_in_force, sources_argument
from orderpull.errors import UsageError

if TYPE_CHECKING:
    from orderpull.forget.forget import Plan

_SHOWN = 20


@click.command()
@click.option("--order", "orders", multiple=True, metavar="NUMBER", help="May be given repeatedly.")
@click.option("--name", default="", metavar="TEXT", help="Name on the parcel, whole.")
@click.option(
    "--address", default="", metavar="TEXT", help="Street, or street, postal code and city."
)
@click.option("--dry-run", is_flag=True, help="Only say which orders would be erased.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--certificate",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Where to write the certificate; beside orderpull.toml by default.",
)
@json_option
@sources_argument
def forget(
    sources: tuple[str, ...],
    orders: tuple[str, ...],
    name: str,
    address: str,
    certificate: Path | None,
    *,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Erase a person's name and address from tables, rejects, snapshot and landed pages.

    The orders still count. Without --order, --name and --address: finish what a killed command has
    begun, and erase again whoever was forgotten before, as after a restored backup.
    """
    from orderpull.forget.forget import forget as erase
    from orderpull.forget.wanted import Wanted

    wanted = Wanted(orders, name, address)
    if wanted.is_blank and (orders or name or address):
        raise UsageError("A blank text finds nobody.", "Give the whole number, name or address.")

    def confirm(plan: "Plan") -> bool:
        if not as_json:
            _show(plan)
        if dry_run or yes:
            return not dry_run
        if not sys.stdin.isatty():
            raise UsageError(
                "Nobody can be asked here; nothing was erased.", "Add --yes, or --dry-run."
            )
        return click.confirm("Erase these persons for ever?", err=True)

    result = erase(
        settings_in_force(),
        sources,
        None if wanted.is_blank else wanted,
        file=certificate,
        confirm=confirm,
    )
    if as_json:
        made = result.certificate
        print_json(made.as_json() | {"file": str(result.file)} if made else result.plan.as_json())
    elif result.certificate is not None:
        click.echo(f"\n{result.certificate}\nWritten to {result.file} and, as text, beside it.")
    elif result.plan.count:
        click.echo("Nothing was erased.")
    elif wanted.is_blank:
        click.echo("Nobody was forgotten before. Name somebody: --order, --name or --address.")
    else:
        click.echo("No order matches; nothing was erased.")
    sys.exit(result.exit_code)


def _show(plan: "Plan") -> None:
    for source, matches in plan.matches.items():
        orders = "1 order" if len(matches.identities) == 1 else f"{len(matches.identities)} orders"
        pages = "1 page" if len(matches.pages) == 1 else f"{len(matches.pages)} pages"
        more = ", …" if len(matches.numbers) > _SHOWN else ""
        numbers = ", ".join(matches.numbers[:_SHOWN])
        click.echo(f"{source}: {orders} in {pages}: {numbers}{more}")
