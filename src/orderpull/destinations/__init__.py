"""Load: staged orders into a warehouse, one file for each kind behind one small protocol."""

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
    """The destination at ``settings.url``; a relative file is looked for in *folder*.

    :param timezone: IANA name: whose days the summaries have that a loader keeps.
    :raises SettingsError: the URL is of a kind that is not known.
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
    raise SettingsError(
        f"destination.url is {without_password(settings.url)!r}: expected duckdb:///FILE, "
        "postgresql://USER@HOST:5432/DATABASE or redshift://USER@HOST:5439/DATABASE.",
        "duckdb with three slashes: beside orderpull.toml; four: an absolute path.",
    )


@contextmanager
def _extra(name: str) -> Iterator[None]:
    """Import what only that extra brings."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"destination.url needs the Python package {error.name}, which is not installed.",
            f"Run: pip install 'orderpull[{name}]'.",
        ) from None
