"""The table of countries in the stage."""

from orderpull.countries import country_codes
from orderpull.engine import duckdb


def create_countries(connection: duckdb.DuckDBPyConnection) -> None:
    """Create ``country_code``: name or code of a country in upper case, and its ISO-2 code."""
    connection.execute(
        """CREATE TEMP TABLE IF NOT EXISTS country_code AS
           SELECT upper(unnest($1::VARCHAR[])) AS name, unnest($2::VARCHAR[]) AS code""",
        [list(country_codes()), list(country_codes().values())],
    )
