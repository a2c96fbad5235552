"""Names and codes that certainly mean one country, for the engine."""

import csv
from functools import cache
from importlib import resources

import duckdb


def create_countries(connection: duckdb.DuckDBPyConnection) -> None:
    """``country_code``: each English name, ISO-3 and ISO-2 code, upper case, and its ISO-2 code."""
    given, codes = zip(*_countries(), strict=True)
    connection.execute(
        """CREATE TEMP TABLE IF NOT EXISTS country_code AS
           SELECT upper(unnest($1::VARCHAR[])) AS given, unnest($2::VARCHAR[]) AS code""",
        [list(given), list(codes)],
    )


@cache
def _countries() -> list[tuple[str, str]]:
    text = (resources.files("orderpull.normalize") / "countries.csv").read_text(encoding="utf-8")
    return [(row["given"], row["code"]) for row in csv.DictReader(text.splitlines())]
