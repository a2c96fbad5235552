"""Quoting of SQL literals and identifiers, the same in every warehouse and in Tableau's engine."""


def literal(text: str) -> str:
    """*text* as an SQL literal, in quotes."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """*name* as an SQL identifier, in quotes."""
    return '"' + name.replace('"', '""') + '"'
