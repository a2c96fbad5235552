"""The command ``orderpull warehouse compact``."""

import click

from orderpull.cli.shared import Commands, json_option, print_json, settings_in_force


@click.group(cls=Commands)
def warehouse() -> None:
    """Maintain the files of an Iceberg warehouse."""


@warehouse.command("compact")
@click.option(
    "--keep-days",
    type=click.FloatRange(min=0),
    default=5.0,
    show_default=True,
    help="Keep snapshots so long for readers that have them open.",
)
@json_option
def warehouse_compact(keep_days: float, *, as_json: bool) -> None:
    """Merge small files, expire old snapshots, and delete the files that nothing needs.

    Other warehouses do this by themselves.
    """
    from orderpull.operate.upkeep import compact

    done = compact(settings_in_force(), keep_days)
    if as_json:
        print_json(done.as_json())
        return
    click.echo(
        f"{done.folded:,} small files merged, {done.snapshots:,} snapshots expired, "
        f"{done.files:,} files deleted ({done.size / 1e6:,.1f} MB)."
    )
    for sentence in done.left:
        click.echo(f"Left: {sentence}.")
