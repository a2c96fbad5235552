"""Sentences for the errors of Redshift and its driver.

Values of rows are left out: they may be names and addresses.
"""

import re
from collections.abc import Sequence

from redshift_connector.error import InterfaceError

from orderpull.errors import DestinationBusy, DestinationError, Overtaken, RightMissing
from orderpull.settings import DestinationSettings

_CANCELED = "57014"
_NO_RIGHT = "42501"

# Redshift's message for a violated isolation has a number of its own, but no SQLSTATE of its own. (https://docs.aws.amazon.com/redshift/latest/dg/c_serial_isolation.html)
_CONFLICT = re.compile(r"(ERROR: *)?1023\b|.*[Ss]erializable isolation violation")

# Pattern of SQLSTATE or message, sentence, hint.
_REFUSED = (
    ("25006", "{where} is read-only.", "Name a cluster or workgroup that can be written."),
    (
        _CANCELED,
        "{where} took longer than {seconds:g} s for one statement.",
        "Raise destination.timeout, or see what keeps it busy.",
    ),
    ("53100", "{where} has no room: {reason}.", "Make room there, then run again."),
    (
        "UnauthorizedException|not authorized to assume",
        "{where} may not use the role {role}.",
        "Attach it to the cluster or workgroup; docs/redshift.md shows how.",
    ),
    (
        "Access",
        "{where} may not read {stage} with the role {role}: {reason}.",
        "Give the role s3:GetObject and s3:ListBucket there; docs/redshift.md shows how.",
    ),
    ("", "{where} refuses: {reason}.", "Nothing is half loaded; docs/redshift.md may help."),
)

_UNREACHABLE = (
    ("time out|timed out", "no answer within {seconds:g} s", "host, port and firewalls between"),
    ("refuses SSL", "it speaks no TLS", "host and port, or sslmode=disable in the URL"),
    ("CERTIFICATE_VERIFY_FAILED", "its certificate is not trusted", "host and sslmode"),
    ("Connection refused", "nothing listens there", "host and port, and that it is not paused"),
    ("Temporary failure in name resolution", "the name is not known", "host and network"),
    ("service not known|nor servname|No address", "the name is not known", "the host"),
    ("password authentication|28P01", "it refused the password of {user}", "user and password"),
    ("28000", "it lets {user} not in: {reason}", "user, password and database"),
    ("3D000", "{reason}", "the database in destination.url"),
    ("", "{reason}", "destination.url"),
)


def code_of(error: Exception) -> str:
    """The SQLSTATE of *error*; '' without one."""
    return str(_fields(error).get("C", ""))


def is_statement_error(error: Exception) -> bool:
    """True if the user's own statement is wrong, not the server."""
    code = code_of(error)
    return code != _NO_RIGHT and code[:2] in {"0A", "21", "22", "25", "34", "42"}


def reason_for_user(error: Exception) -> str:
    """The reason why a user's statement failed, without values of rows."""
    if code_of(error) == "25006":
        return "it would write"
    reason = _reason(error)
    return re.split(": [\"']", reason)[0] if code_of(error).startswith("22") else reason


def position_of(error: Exception) -> int | None:
    """The position of the error in the statement, in characters from 0."""
    position = str(_fields(error).get("P", ""))
    return int(position) - 1 if position.isdigit() else None


def unreachable(
    error: Exception, where: str, user: str, settings: DestinationSettings
) -> DestinationError:
    """The error that there is no connection to *where*."""
    values = {"seconds": settings.connect_timeout, "user": user, "reason": _reason(error)}
    text = f"{code_of(error)} {error!r} {error.__cause__!r}"
    problem, check = next((p, c) for sign, p, c in _UNREACHABLE if re.search(sign, text))
    return DestinationError(
        f"{where} cannot be used: {problem.format(**values)}.", f"Check {check}."
    )


def refused(error: Exception, where: str, settings: DestinationSettings) -> DestinationError:
    """The error that *where* refused a statement."""
    if isinstance(error, InterfaceError | OSError):
        reason = getattr(error, "strerror", None) or _reason(error)
        return DestinationError(
            f"The connection to {where} was lost: {reason}.",
            "Nothing is half loaded; run again.",
        )
    reason = _reason(error)
    # The message counts, too: the SQLSTATE of a real Redshift is not verified.
    if code_of(error) == _NO_RIGHT or reason.startswith("permission denied"):
        return RightMissing(
            f"{where} refuses: {reason}.",
            "Grant it as docs/redshift.md shows: `orderpull grants` prints the script.",
        )
    values = {
        "where": where,
        "reason": reason,
        "seconds": settings.timeout,
        "role": settings.iam_role,
        "stage": settings.stage,
    }
    if _CONFLICT.match(reason) or code_of(error) == "40001":
        return Overtaken(
            f"Another program wrote to {where} at the same time; nothing was changed.", "Run again."
        )
    text = f"{code_of(error)} {reason}"
    message, hint = next((m, h) for sign, m, h in _REFUSED if re.search(sign, text))
    return DestinationError(message.format(**values), hint)


def lock_refused(error: Exception, where: str, settings: DestinationSettings) -> DestinationError:
    """The error that the lock was not granted."""
    if code_of(error) != _CANCELED:
        return refused(error, where, settings)
    return DestinationBusy(
        f"Another program held {where} for longer than {settings.lock_wait:g} s.",
        "Let it finish, or raise destination.lock_wait.",
    )


def load_refused(load_error: Sequence[object], table: str, where: str) -> DestinationError:
    """The error that ``COPY`` failed. :param load_error: Redshift's column, message and line."""
    column, message, line = (str(value).strip() for value in load_error)
    return DestinationError(
        f"{where} refused row {line} of {table}, column {column}: {message.rstrip('.')}.",
        "Nothing was changed. sys_load_error_detail there says more.",
    )


def _fields(error: Exception) -> dict[str, object]:
    """The fields of the server's message, by their letters in the protocol."""
    first = error.args[0] if error.args else None
    return first if isinstance(first, dict) else {}


def _reason(error: Exception) -> str:
    message = (
        _fields(error).get("M") or " ".join(str(a) for a in error.args) or type(error).__name__
    )
    return (str(message).strip().splitlines() or ["no reason given"])[0].rstrip(".")
