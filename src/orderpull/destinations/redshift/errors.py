"""What Redshift and its driver say, in sentences for a person.

Never a value of a row: it may be somebody's name or address.
"""

import re
from collections.abc import Sequence

from redshift_connector.error import InterfaceError

from orderpull.errors import DestinationBusy, DestinationError, Overtaken, RightMissing
from orderpull.settings import DestinationSettings

_CANCELED = "57014"
_NO_RIGHT = "42501"

# What Redshift says where a transaction's isolation would be violated: the number, and no SQLSTATE
# of its own. (https://docs.aws.amazon.com/redshift/latest/dg/c_serial_isolation.html)
_CONFLICT = re.compile(r"(ERROR: *)?1023\b|.*[Ss]erializable isolation violation")

# SQLSTATE, or a part of the message: what happened, what to do.
_REFUSED = (
    ("25006", "{where} is read-only.", "Name a cluster or workgroup that can be written."),
    (
        _CANCELED,
        "{where} took longer than {seconds:g} s for one statement.",
        "Raise destination.timeout, or see what keeps it busy.",
    ),
    ("53100", "{where} has no room: {said}.", "Make room there, then run again."),
    (
        "UnauthorizedException",
        "{where} may not use the role {role}.",
        "Attach it to the cluster or workgroup; docs/redshift.md shows how.",
    ),
    (
        "not authorized to assume",
        "{where} may not use the role {role}.",
        "Attach it to the cluster or workgroup; docs/redshift.md shows how.",
    ),
    (
        "Access",
        "{where} may not read {stage} with the role {role}: {said}.",
        "Give the role s3:GetObject and s3:ListBucket there; docs/redshift.md shows how.",
    ),
    ("", "{where} refuses: {said}.", "Nothing is half loaded; docs/redshift.md may help."),
)

_UNREACHABLE = (
    ("connection time out", "no answer within {seconds:g} s", "host, port and firewalls between"),
    ("timed out", "no answer within {seconds:g} s", "host, port and firewalls between"),
    ("refuses SSL", "it speaks no TLS", "host and port, or sslmode=disable in the URL"),
    ("CERTIFICATE_VERIFY_FAILED", "its certificate is not trusted", "host and sslmode"),
    ("Connection refused", "nothing listens there", "host and port, and that it is not paused"),
    ("Name or service not known", "the name is not known", "the host"),
    ("nodename nor servname", "the name is not known", "the host"),
    ("Temporary failure in name resolution", "the name is not known", "host and network"),
    ("No address associated", "the name is not known", "the host"),
    ("password authentication failed", "it refused the password of {user}", "user and password"),
    ("28P01", "it refused the password of {user}", "user and password"),
    ("28000", "it lets {user} not in: {said}", "user, password and database"),
    ("3D000", "{said}", "the database in destination.url"),
    ("", "{said}", "destination.url"),
)


def code_of(error: Exception) -> str:
    """The SQLSTATE of *error*; '' if the server gave none."""
    return str(_fields(error).get("C", ""))


def readers_own(error: Exception) -> bool:
    """Whether *error* is in the statement of somebody who reads, not in the server."""
    code = code_of(error)
    return code != _NO_RIGHT and code[:2] in {"0A", "21", "22", "25", "34", "42"}


def said_to_reader(error: Exception) -> str:
    """What is wrong with a reader's statement; values of rows are left out."""
    if code_of(error) == "25006":
        return "it would write"
    said = _said(error)
    return re.split(": [\"']", said)[0] if code_of(error).startswith("22") else said


def position_of(error: Exception) -> int | None:
    """Where in the statement it is, in characters from 0."""
    position = str(_fields(error).get("P", ""))
    return int(position) - 1 if position.isdigit() else None


def unreachable(
    error: Exception, where: str, user: str, settings: DestinationSettings
) -> DestinationError:
    """Why there is no connection to *where*."""
    words = {"seconds": settings.connect_timeout, "user": user, "said": _said(error)}
    signs = f"{code_of(error)} {error!r} {error.__cause__!r}"
    problem, check = next((p, c) for sign, p, c in _UNREACHABLE if sign in signs)
    return DestinationError(
        f"{where} cannot be used: {problem.format(**words)}.", f"Check {check}."
    )


def refused(error: Exception, where: str, settings: DestinationSettings) -> DestinationError:
    """Why *where* did not do what it was asked to."""
    if isinstance(error, InterfaceError):
        return DestinationError(
            f"The connection to {where} was lost: {_said(error)}.",
            "Nothing is half loaded; run again.",
        )
    said = _said(error)
    # The wording for who gets no SQLSTATE: which code a real Redshift sends is not verified.
    if code_of(error) == _NO_RIGHT or said.startswith("permission denied"):
        return RightMissing(
            f"{where} refuses: {said}.",
            "Grant it as docs/redshift.md shows: `orderpull grants` prints the script.",
        )
    words = {
        "where": where,
        "said": said,
        "seconds": settings.timeout,
        "role": settings.iam_role,
        "stage": settings.stage,
    }
    if _CONFLICT.match(said) or code_of(error) == "40001":
        return Overtaken(
            f"Another program wrote to {where} at the same time; nothing was changed.", "Run again."
        )
    signs = f"{code_of(error)} {said}"
    message, hint = next((m, h) for sign, m, h in _REFUSED if sign in signs)
    return DestinationError(message.format(**words), hint)


def lock_refused(error: Exception, where: str, settings: DestinationSettings) -> DestinationError:
    """Why the lock was not given."""
    if code_of(error) != _CANCELED:
        return refused(error, where, settings)
    return DestinationBusy(
        f"Another program held {where} for longer than {settings.lock_wait:g} s.",
        "Let it finish, or raise destination.lock_wait.",
    )


def load_refused(load_error: Sequence[object], table: str, where: str) -> DestinationError:
    """Why ``COPY`` into *table* failed: column, message and line of what Redshift has recorded."""
    column, message, line = (str(value).strip() for value in load_error)
    return DestinationError(
        f"{where} refused row {line} of {table}, column {column}: {message.rstrip('.')}.",
        "Nothing was changed. sys_load_error_detail there says more.",
    )


def _fields(error: Exception) -> dict[str, object]:
    """The fields of a message of the server's, by their letters in the protocol."""
    first = error.args[0] if error.args else None
    return first if isinstance(first, dict) else {}


def _said(error: Exception) -> str:
    told = _fields(error).get("M") or " ".join(str(a) for a in error.args) or type(error).__name__
    return (str(told).strip().splitlines() or ["no reason given"])[0].rstrip(".")
