"""Load: staged orders into a warehouse, one file for each kind behind one small protocol."""

from pathlib import Path

from orderpull.destinations.protocol import Destination
from orderpull.errors import SettingsError
from orderpull.settings import DestinationSettings, without_password


def open_destination(settings: DestinationSettings, folder: Path) -> Destination:
    """The destination at ``settings.url``; a relative file is looked for in *folder*.

    :raises SettingsError: the URL is of a kind that is not known.
    """
    from orderpull.destinations.duckdb import DuckdbDestination

    scheme, separator, rest = settings.url.partition("://")
    if separator and scheme == "duckdb" and rest.startswith("/") and len(rest) > 1:
        return DuckdbDestination((folder / rest[1:]).absolute(), settings.lock_wait)
    raise SettingsError(
        f"destination.url is {without_password(settings.url)!r}: expected duckdb:///FILE.",
        "Three slashes: beside orderpull.toml; four: an absolute path.",
    )
