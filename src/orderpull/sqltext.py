"""Quoting of SQL literals and identifiers, the same in every warehouse and in Tableau's engine."""

from collections.abc import Iterable


def literal(text: str) -> str:
    """*text* as an SQL literal, in quotes."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """*name* as an SQL identifier, in quotes."""
    return '"' + name.replace('"', '""') + '"'


def quoted(names: Iterable[str]) -> str:
    """*names* as SQL identifiers, with commas: "raw" for example is a keyword of Redshift."""
    return ", ".join(map(identifier, names))
