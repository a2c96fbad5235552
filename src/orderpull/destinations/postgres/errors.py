"""Sentences for the errors of PostgreSQL and libpq.

A message's details are left out: they quote rows, and with them names and addresses.
"""

import re
from typing import Any

import psycopg
from psycopg import errors as pg

from orderpull.errors import DestinationBusy, DestinationError, RightMissing
from orderpull.settings import DestinationSettings

# libpq gives its reason as a text only: its pattern, the problem, what to check.
_UNREACHABLE = (
    ("translate host name|resolve host", "the name {host} is not known", "the host"),
    ("Connection refused", "nothing listens there", "host and port, and that it runs"),
    ("No route to host|is unreachable", "there is no way to it", "the host and your network"),
    ("timeout expired", "no answer within {seconds:g} s", "host and port, and firewalls between"),
    ("timed out", "no answer within {seconds:g} s", "host and port, and firewalls between"),
    ("password authentication failed", "it refused the password of {user}", "user and password"),
    ("no password supplied", "it asks for a password", "destination.password"),
    ("no pg_hba.conf entry", "it lets nobody in from here as {user}", "its pg_hba.conf"),
    ("certificate verify failed", "its certificate is not trusted", "sslmode and sslrootcert"),
    ("does not support SSL", "it speaks no TLS, and sslmode asks for it", "sslmode in the URL"),
    ("server closed the connection", "it hung up", "that PostgreSQL listens at that port"),
    ("does not exist", "{reason}", "database and user"),
    ("permission denied for database", "{reason}", "that user's right to CONNECT"),
    ("", "{reason}", "destination.url"),
)

# Errors of the server: type, sentence, hint.
_REFUSED: tuple[tuple[type[psycopg.Error], str, str], ...] = (
    (
        pg.ReadOnlySqlTransaction,
        "{where} is read-only.",
        "Name the primary server, not a standby.",
    ),
    (
        pg.QueryCanceled,
        "{where} took longer than {seconds:g} s for one statement.",
        "Raise destination.timeout, or see what keeps it busy.",
    ),
    (
        pg.UniqueViolation,
        "{where}: a row would stand twice ({constraint}); nothing of this batch was loaded.",
        "Something else wrote to these tables; `orderpull replay --into` makes them anew.",
    ),
    (
        pg.DiskFull,
        "{where} has no room: {reason}.",
        "Make room there, then run again; nothing is half loaded.",
    ),
    (
        pg.OperationalError,
        "The connection to {where} was lost: {reason}.",
        "Nothing is half loaded; run again.",
    ),
    (
        psycopg.Error,
        "{where} refuses: {reason}.",
        "Its log says more; nothing is half loaded.",
    ),
)

STATEMENT_ERRORS = (
    psycopg.ProgrammingError,
    psycopg.DataError,
    psycopg.NotSupportedError,
    pg.ReadOnlySqlTransaction,
    pg.NoActiveSqlTransaction,
)
"""Errors of a user's own statement, not of the server."""


def reason_for_user(error: psycopg.Error) -> str:
    """The reason why a user's statement failed, without values of rows."""
    if isinstance(error, pg.ReadOnlySqlTransaction):
        return "it would write"
    reason = (error.diag.message_primary or first_line(error)).rstrip(".")
    return re.split(": [\"']", reason)[0] if isinstance(error, psycopg.DataError) else reason


def unreachable(
    error: psycopg.Error, where: str, options: dict[str, Any], settings: DestinationSettings
) -> DestinationError:
    """The error that there is no connection to *where*. :param options: of libpq."""
    values = {
        "host": options.get("host", "localhost"),
        "user": options.get("user", "this user"),
        "seconds": settings.connect_timeout,
        "reason": _after_fatal(str(error)),
    }
    problem, check = next((p, c) for sign, p, c in _UNREACHABLE if re.search(sign, str(error)))
    return DestinationError(
        f"{where} cannot be used: {problem.format(**values)}.", f"Check {check}."
    )


def refused(error: psycopg.Error, where: str, settings: DestinationSettings) -> DestinationError:
    """The error that *where* refused a statement."""
    if isinstance(error, pg.LockNotAvailable):
        return DestinationBusy(
            f"Another program held {where} for longer than {settings.lock_wait:g} s.",
            "Let it finish, or raise destination.lock_wait.",
        )
    reason = (error.diag.message_primary or first_line(error)).rstrip(".")
    if isinstance(error, pg.InsufficientPrivilege):
        return RightMissing(
            f"{where} refuses: {reason}.",
            "Grant it as docs/postgres.md shows: `orderpull grants` prints the script.",
        )
    values = {
        "where": where,
        "reason": reason,
        "seconds": settings.timeout,
        "constraint": error.diag.constraint_name,
    }
    message, hint = next((m, h) for kind, m, h in _REFUSED if isinstance(error, kind))
    return DestinationError(message.format(**values), hint)


def first_line(error: Exception) -> str:
    """The first line of the message of *error*."""
    return (str(error).strip().splitlines() or ["no reason given"])[0].rstrip(".")


def _after_fatal(text: str) -> str:
    """The server's own message within a message of libpq's."""
    lines = text.strip().splitlines() or ["no reason given"]
    line = next((line for line in lines if "FATAL:" in line), lines[0])
    return line.rpartition("FATAL:")[2].strip().rstrip(".")
