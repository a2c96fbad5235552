"""PostgreSQL's answers, as Redshift would have given them."""

import re

from tests.doubles.redshift.wire import WireError

_BYTES = re.compile(r"redshift_\d+_(character|varying)_(\d+)")


def told(error: WireError) -> WireError:
    """*error* of PostgreSQL in Redshift's words.

    The text of a conflict between transactions is documented; its SQLSTATE here, XX000, is a guess.
    """
    name = _BYTES.fullmatch(error.fields.get("n", ""))
    if error.code == "23514" and name:
        kind = "character varying" if name[1] == "varying" else "character"
        return WireError("22001", f"value too long for type {kind}({name[2]})")
    if error.code == "40001":
        return WireError(
            "XX000", "1023", f"Serializable isolation violation on table. {error.message}"
        )
    if error.code == "23502":
        column = re.search(r'column "([^"]+)"', error.message)
        what = column[1] if column else "of the table"
        return WireError("23502", f"Cannot insert a NULL value into column {what}")
    if error.code == "28P01":
        return WireError("28000", error.message)
    return error


def tag(body: bytes) -> bytes:
    """A CommandComplete's body: a server of version 8.0 counts no rows of SELECT and COPY."""
    word = body.split(b" ")[0]
    return word + b"\0" if word in {b"SELECT", b"COPY"} and b" " in body else body
