"""What PostgreSQL and libpq say, in sentences for a person.

Never a message's details: they quote rows, and with them names and addresses.
"""

import re
from typing import Any

import psycopg
from psycopg import errors as pg

from orderpull.errors import DestinationBusy, DestinationError, RightMissing
from orderpull.settings import DestinationSettings

# libpq says only in a text why there is no connection: a sign in it, the problem, what to check.
_UNREACHABLE = (
    ("could not translate host name", "the name {host} is not known", "the host"),
    ("failed to resolve host", "the name {host} is not known", "the host"),
    ("Connection refused", "nothing listens there", "host and port, and that it runs"),
    ("No route to host", "there is no way to it", "the host and your network"),
    ("Network is unreachable", "there is no way to it", "the host and your network"),
    ("timeout expired", "no answer within {seconds:g} s", "host and port, and firewalls between"),
    ("timed out", "no answer within {seconds:g} s", "host and port, and firewalls between"),
    ("password authentication failed", "it refused the password of {user}", "user and password"),
    ("no password supplied", "it asks for a password", "destination.password"),
    ("no pg_hba.conf entry", "it lets nobody in from here as {user}", "its pg_hba.conf"),
    ("certificate verify failed", "its certificate is not trusted", "sslmode and sslrootcert"),
    ("does not support SSL", "it speaks no TLS, and sslmode asks for it", "sslmode in the URL"),
    ("server closed the connection", "it hung up", "that PostgreSQL listens at that port"),
    ("does not exist", "{said}", "database and user"),
    ("permission denied for database", "{said}", "that user's right to CONNECT"),
    ("", "{said}", "destination.url"),
)

# What the server refuses: the kind of error, what happened, what to do.
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
        "{where} has no room: {said}.",
        "Make room there, then run again; nothing is half loaded.",
    ),
    (
        pg.OperationalError,
        "The connection to {where} was lost: {said}.",
        "Nothing is half loaded; run again.",
    ),
    (
        psycopg.Error,
        "{where} refuses: {said}.",
        "Its log says more; nothing is half loaded.",
    ),
)

READERS_OWN = (
    psycopg.ProgrammingError,
    psycopg.DataError,
    psycopg.NotSupportedError,
    pg.ReadOnlySqlTransaction,
    pg.NoActiveSqlTransaction,
)
"""Errors that are in the statement of somebody who reads, not in the server."""


def said_to_reader(error: psycopg.Error) -> str:
    """What is wrong with a reader's statement; values of rows are left out."""
    if isinstance(error, pg.ReadOnlySqlTransaction):
        return "it would write"
    said = (error.diag.message_primary or first_line(error)).rstrip(".")
    return re.split(": [\"']", said)[0] if isinstance(error, psycopg.DataError) else said


def unreachable(
    error: psycopg.Error, where: str, given: dict[str, Any], settings: DestinationSettings
) -> DestinationError:
    """Why there is no connection to *where*, which *given* names by libpq's words."""
    words = {
        "host": given.get("host", "localhost"),
        "user": given.get("user", "this user"),
        "seconds": settings.connect_timeout,
        "said": _after_fatal(str(error)),
    }
    problem, check = next((p, c) for sign, p, c in _UNREACHABLE if sign in str(error))
    return DestinationError(
        f"{where} cannot be used: {problem.format(**words)}.", f"Check {check}."
    )


def refused(error: psycopg.Error, where: str, settings: DestinationSettings) -> DestinationError:
    """Why *where* did not do what it was asked to."""
    if isinstance(error, pg.LockNotAvailable):
        return DestinationBusy(
            f"Another program held {where} for longer than {settings.lock_wait:g} s.",
            "Let it finish, or raise destination.lock_wait.",
        )
    said = (error.diag.message_primary or first_line(error)).rstrip(".")
    if isinstance(error, pg.InsufficientPrivilege):
        return RightMissing(
            f"{where} refuses: {said}.",
            "Grant it as docs/postgres.md shows: `orderpull grants` prints the script.",
        )
    words = {
        "where": where,
        "said": said,
        "seconds": settings.timeout,
        "constraint": error.diag.constraint_name,
    }
    message, hint = next((m, h) for kind, m, h in _REFUSED if isinstance(error, kind))
    return DestinationError(message.format(**words), hint)


def first_line(error: Exception) -> str:
    """The first line of what *error* says."""
    return (str(error).strip().splitlines() or ["no reason given"])[0].rstrip(".")


def _after_fatal(text: str) -> str:
    """The server's own words in a message of libpq's."""
    lines = text.strip().splitlines() or ["no reason given"]
    line = next((line for line in lines if "FATAL:" in line), lines[0])
    return line.rpartition("FATAL:")[2].strip().rstrip(".")
