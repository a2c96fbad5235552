"""Connection of a workbook: a warehouse on a server, or an extract inside the package."""

from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qs, unquote, urlsplit

from orderpull.errors import SettingsError
from orderpull.settings import Settings

Server = Literal["redshift", "postgres"]

EXTRACT = "Data/Extracts/orders.hyper"
"""Path of the extract in the package."""


@dataclass(frozen=True, slots=True)
class LiveConnection:
    """A database that Tableau queries live.

    :param kind: Tableau's name of the kind of database.
    :param user: user that Tableau suggests; '' for none.
    :param encrypted: True if the connection must be encrypted.
    """

    kind: Server
    host: str
    port: int
    database: str
    user: str = ""
    encrypted: bool = True
    schema: str = "public"


PLACEHOLDER = LiveConnection(
    "redshift", "your-cluster.your-region.redshift.amazonaws.com", 5439, "dev"
)
"""Connection of the committed workbook, to be replaced by its user."""


def live_connection(settings: Settings) -> LiveConnection | None:
    """Return Tableau's connection to the warehouse; None for DuckDB, which has no live connection.

    :raises SettingsError: ``destination.url`` is unusable for Tableau.
    """
    url = settings.destination.url
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _unusable("its port is not a number") from None
    if parts.scheme not in _KINDS:
        return None
    kind, usual_port = _KINDS[parts.scheme]
    query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    host, database = parts.hostname or query.get("host"), unquote(parts.path.strip("/"))
    if not host or host.startswith("/"):
        raise _unusable("its host is missing or a local socket")
    if not database:
        raise _unusable("its database is missing")
    return LiveConnection(
        kind,
        host,
        port or usual_port,
        database,
        settings.tableau.user or unquote(parts.username or ""),
        encrypted=_encrypted(kind, query.get("sslmode")),
        schema=settings.tableau.schema or _search_path(query.get("options", "")) or "public",
    )


_KINDS: dict[str, tuple[Server, int]] = {
    "redshift": ("redshift", 5439),
    "postgres": ("postgres", 5432),
    "postgresql": ("postgres", 5432),
}
"""Kind of the database and its usual port, by the scheme of its URL."""


def _encrypted(kind: Server, sslmode: str | None) -> bool:
    """Return True for Redshift unless disabled, and for PostgreSQL if ``sslmode`` requires it."""
    if kind == "redshift":
        return sslmode != "disable"
    return sslmode in {"require", "verify-ca", "verify-full"}


def _search_path(options: str) -> str:
    """Return the first schema of ``-c search_path=…`` in libpq's options; '' without it."""
    for part in options.replace("-c ", "-c").split():
        name, _, value = part.removeprefix("-c").partition("=")
        if name == "search_path":
            return value.split(",")[0].strip('"')
    return ""


def _unusable(reason: str) -> SettingsError:
    return SettingsError(
        f"destination.url cannot be read for Tableau: {reason}.",
        "For example redshift://user@host:5439/database.",
    )
