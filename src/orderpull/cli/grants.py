"""The command ``orderpull grants``."""

from typing import Any

import click

from orderpull.cli.shared import extra_needed, settings_in_force


@click.command()
@click.option(
    "--for",
    "kind",
    type=click.Choice(["postgresql", "redshift"]),
    help="For this kind of server; without settings.",
)
@click.option("--database", metavar="NAME", help="As destination.url says; else orders, or dev.")
@click.option("--schema", default="orders", show_default=True, help="Where the tables are.")
@click.option("--loader", metavar="NAME", help="As destination.url says; else orders_loader.")
@click.option("--reader", default="orders_reader", show_default=True, help="Who only reads.")
@click.option("--owner", metavar="NAME", help="Who owns the tables, if not the loader.")
@click.option("--names", is_flag=True, help="The reader sees names and streets, too.")
@click.option("--users/--no-users", default=True, help="Whether the users are made.")
@click.option("--dedicated", is_flag=True, help="Shut everybody else out of the database.")
def grants(
    kind: Any,  # noqa: ANN401
    database: str | None,
    loader: str | None,
    **options: Any,  # noqa: ANN401
) -> None:
    """Print the SQL that makes users, tables and rights; run nothing.

    An administrator of the database runs it. Without --names the reader sees no names, no streets,
    no postal codes, and no rejected orders as they were received. The script may be run again at
    any time, and must be after an update that changes the tables.
    """
    user = ""
    with extra_needed("redshift"):
        from orderpull.destinations.grants import LOADER, GrantPlan, parse_url, script

        if kind is None:
            kind, named, user = parse_url(settings_in_force().destination.url)
        else:
            named = "dev" if kind == "redshift" else "orders"
        plan = GrantPlan(kind, database or named, loader=loader or user or LOADER, **options)
        click.echo(script(plan), nl=False)
