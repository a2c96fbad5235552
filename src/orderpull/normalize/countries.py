"""The table of country names and codes that denote exactly one country."""

import csv
from functools import cache
from importlib import resources

import duckdb


def create_countries(connection: duckdb.DuckDBPyConnection) -> None:
    """Create ``country_code``: English name, ISO-3 or ISO-2 code in upper case, and ISO-2 code."""
    names, codes = zip(*_countries(), strict=True)
    connection.execute(
        """CREATE TEMP TABLE IF NOT EXISTS country_code AS
           SELECT upper(unnest($1::VARCHAR[])) AS name, unnest($2::VARCHAR[]) AS code""",
        [list(names), list(codes)],
    )


@cache
def _countries() -> list[tuple[str, str]]:
    text = (resources.files("orderpull.normalize") / "countries.csv").read_text(encoding="utf-8")
    return [(row["given"], row["code"]) for row in csv.DictReader(text.splitlines())]
