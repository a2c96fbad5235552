"""Where a workbook's data lies: a warehouse on a server, or an extract that it brings along."""

from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qs, unquote, urlsplit

from orderpull.errors import SettingsError
from orderpull.settings import Settings

Server = Literal["redshift", "postgres"]

PORTS: dict[Server, int] = {"redshift": 5439, "postgres": 5432}
CAPTIONS: dict[Server, str] = {"redshift": "Amazon Redshift", "postgres": "PostgreSQL"}
EXTRACT = "Data/Extracts/orders.hyper"
"""Where the extract stands in the package."""


@dataclass(frozen=True, slots=True)
class Live:
    """A database that Tableau asks each time.

    :param kind: Tableau's name for its kind. :param user: whom Tableau suggests; '' asks.
    :param encrypted: whether the connection must be.
    """

    kind: Server
    host: str
    port: int
    database: str
    user: str = ""
    encrypted: bool = True
    schema: str = "public"


PLACEHOLDER = Live("redshift", "your-cluster.your-region.redshift.amazonaws.com", 5439, "dev")
"""Where the committed workbook looks, until somebody says where it should."""


def live_place(settings: Settings) -> Live | None:
    """The warehouse as Tableau reaches it; None for DuckDB, which Tableau cannot read live.

    :raises SettingsError: ``destination.url`` cannot be read.
    """
    url = settings.destination.url
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _unread("its port is no number") from None
    kind = _KINDS.get(parts.scheme)
    if kind is None:
        return None
    query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    host, database = parts.hostname or query.get("host"), unquote(parts.path.strip("/"))
    if not host or host.startswith("/"):
        raise _unread("it names no host that Tableau could reach")
    if not database:
        raise _unread("it names no database")
    return Live(
        kind,
        host,
        port or PORTS[kind],
        database,
        settings.tableau.user or unquote(parts.username or ""),
        encrypted=_encrypted(kind, query.get("sslmode")),
        schema=settings.tableau.schema or _search_path(query.get("options", "")) or "public",
    )


_KINDS: dict[str, Server] = {
    "redshift": "redshift",
    "postgres": "postgres",
    "postgresql": "postgres",
}


def _encrypted(kind: Server, sslmode: str | None) -> bool:
    """Redshift is reached encrypted unless that is switched off; PostgreSQL where it is asked."""
    if kind == "redshift":
        return sslmode != "disable"
    return sslmode in {"require", "verify-ca", "verify-full"}


def _search_path(options: str) -> str:
    """The first schema of ``-c search_path=…``, as libpq's options say it; else ''."""
    for part in options.replace("-c ", "-c").split():
        name, _, value = part.removeprefix("-c").partition("=")
        if name == "search_path":
            return value.split(",")[0].strip('"')
    return ""


def _unread(why: str) -> SettingsError:
    return SettingsError(
        f"destination.url cannot be read for Tableau: {why}.",
        "For example redshift://user@host:5439/database.",
    )
