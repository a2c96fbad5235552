"""The normal form of names and addresses, in which texts are compared and hashed."""

from orderpull.engine import duckdb

PERSON_TEXT = r"nullif(trim(regexp_replace(lower(nfc_normalize({})), '[\s\pZ,;]+', ' ', 'g')), '')"
"""SQL: in lower case, with one space in place of blanks, commas and semicolons; NULL if blank."""


def person_text(connection: duckdb.DuckDBPyConnection, text: str) -> str:
    """The normal form of *text*; '' if it is blank."""
    row = connection.execute(f"SELECT {PERSON_TEXT.format('$1')}", [text]).fetchone()
    return str(row[0] or "") if row else ""
