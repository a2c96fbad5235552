"""Load staged orders into DuckDB, PostgreSQL, Redshift or Iceberg, behind one protocol."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zoneinfo import ZoneInfo

from orderpull.destinations.protocol import Destination
from orderpull.errors import SettingsError
from orderpull.settings import DestinationSettings, without_password


def open_destination(
    settings: DestinationSettings, folder: Path, timezone: str = "UTC"
) -> Destination:
    """The destination at ``settings.url``; a relative path is a file in *folder*.

    :param timezone: IANA name of the time zone of the rollups' days.
    :raises SettingsError: the URL names no kind of warehouse that orderpull knows.
    """
    zone = ZoneInfo(timezone)
    scheme, separator, rest = settings.url.partition("://")
    if separator and scheme == "duckdb" and rest.startswith("/") and len(rest) > 1:
        from orderpull.destinations.duckdb import DuckdbDestination

        return DuckdbDestination((folder / rest[1:]).absolute(), settings.lock_wait, zone)
    if separator and scheme in {"postgresql", "postgres"}:
        with _extra("postgres"):
            from orderpull.destinations.postgres.session import postgres_destination
        return postgres_destination(settings, zone)
    if separator and scheme == "redshift":
        with _extra("redshift"):
            from orderpull.destinations.redshift.session import redshift_destination
        return redshift_destination(settings, zone)
    if settings.url.startswith("iceberg:"):
        with _extra("iceberg"):
            from orderpull.destinations.iceberg.session import iceberg_destination
        return iceberg_destination(settings, folder, zone)
    raise SettingsError(
        f"destination.url is {without_password(settings.url)!r}: expected duckdb:///FILE, "
        "postgresql://USER@HOST:5432/DATABASE, redshift://USER@HOST:5439/DATABASE or "
        "iceberg:///FOLDER.",
        "duckdb with three slashes: beside orderpull.toml; four: an absolute path.",
    )


@contextmanager
def _extra(name: str) -> Iterator[None]:
    """Turn a failed import of the extra *name* into a SettingsError."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"destination.url needs the Python package {error.name}, which is not installed.",
            f"Run: pip install 'orderpull[{name}]'.",
        ) from None
