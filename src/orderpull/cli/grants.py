"""The command ``orderpull grants``."""

from typing import Any

import click

from orderpull.cli.shared import extra_needed, settings_in_force


@click.command()
@click.option(
    "--for",
    "kind",
    type=click.Choice(["postgresql", "redshift"]),
    help="Kind of server; with it, no settings are read.",
)
@click.option(
    "--database", metavar="NAME", help="By default as in destination.url, else orders or dev."
)
@click.option("--schema", default="orders", show_default=True, help="Schema of the tables.")
@click.option(
    "--loader",
    metavar="NAME",
    help="By default as in destination.url, else orders_loader.",
)
@click.option("--reader", default="orders_reader", show_default=True, help="User that only reads.")
@click.option("--owner", metavar="NAME", help="Owner of the tables; the loader by default.")
@click.option("--names", is_flag=True, help="Let the reader see names and streets.")
@click.option("--users/--no-users", default=True, help="Create the users.")
@click.option("--dedicated", is_flag=True, help="Revoke all access of others to the database.")
def grants(
    kind: Any,  # noqa: ANN401
    database: str | None,
    loader: str | None,
    **options: Any,  # noqa: ANN401
) -> None:
    """Print the SQL that creates users, tables and rights, for an administrator to run.

    Without --names, the reader cannot see names, streets, postal codes, and the text of rejects.
    The script may be run again at any time, and must be after an update that changes the tables.
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
