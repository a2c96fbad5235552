"""The catalog that knows the tables: SQLite beside a folder, or any other that pyiceberg opens."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pyiceberg.catalog import load_catalog
from pyiceberg.exceptions import (
    CommitFailedException,
    CommitStateUnknownException,
    NamespaceAlreadyExistsError,
    NoSuchNamespaceError,
)

from orderpull.errors import CommitRefused, DestinationError, SettingsError
from orderpull.settings import DestinationSettings, without_password

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

NAMESPACE = "orderpull"
"""The namespace of the tables, where the URL names none."""

CATALOG_FILE = "catalog.db"
"""The SQLite file of the embedded catalog."""

_LIBRARIES = ("pyiceberg", "sqlalchemy", "pyarrow", "botocore", "requests", "pydantic", "fsspec")
_OURS_TO_TELL = logging.getLogger("pyiceberg")
_OURS_TO_TELL.addHandler(logging.NullHandler())
_OURS_TO_TELL.propagate = False


@dataclass(frozen=True)
class Lake:
    """The place that ``destination.url`` names.

    :param where: the place, as messages name it. :param namespace: of the tables.
    :param properties: what pyiceberg opens the catalog with.
    :param folder: the local folder, if the tables and the catalog are in one.
    """

    where: str
    namespace: str
    properties: dict[str, str] = field(repr=False)
    folder: Path | None = None

    @cached_property
    def catalog(self) -> "Catalog":
        """The catalog, with the namespace.

        :raises DestinationError: it cannot be opened.
        """
        if self.folder and not self.folder.parent.is_dir():
            raise DestinationError(
                f"The folder {self.folder.parent} of the warehouse does not exist.",
                "Make it, or change destination.url.",
            )
        with translated(self.where):
            if self.folder:
                self.folder.mkdir(exist_ok=True)
            opened = load_catalog(self.namespace, **self.properties)
            try:
                opened.list_tables(self.namespace)
            except NoSuchNamespaceError:
                with suppress(NamespaceAlreadyExistsError):  # another process was faster
                    opened.create_namespace(self.namespace)
            return opened


def parse_lake(settings: DestinationSettings, folder: Path) -> Lake:
    """The place at ``settings.url``; a relative path is a folder in *folder*.

    :raises SettingsError: the URL, or the catalog's settings, are missing or wrong.
    """
    _, _, place = settings.url.partition(":")
    chosen = dict(settings.catalog)
    if place.startswith("///") and len(place) > len("///"):
        path = (folder / place[3:]).absolute()
        properties = _embedded(path / CATALOG_FILE, path.as_uri())
        return Lake(str(path), NAMESPACE, {**properties, **chosen}, None if chosen else path)
    if place.startswith("s3://") and len(place) > len("s3://"):
        s3 = {"s3.endpoint": settings.endpoint, "s3.region": settings.region}
        properties = _embedded(folder.absolute() / "iceberg-catalog.db", place.rstrip("/"))
        properties |= {key: value for key, value in s3.items() if value}
        return Lake(place.rstrip("/"), NAMESPACE, {**properties, **chosen})
    namespace = place.removeprefix("//")
    if place.startswith("//") and namespace.replace("_", "").replace(".", "").isalnum():
        if "type" not in chosen and "py-catalog-impl" not in chosen:
            raise SettingsError(
                f"destination.url is {settings.url!r}, and [destination.catalog] names no type.",
                'For example: type = "rest" and uri = "https://…", or type = "glue"; '
                "docs/iceberg.md shows them.",
            )
        s3 = {"s3.endpoint": settings.endpoint, "s3.region": settings.region}
        chosen = {key: value for key, value in s3.items() if value} | chosen
        return Lake(f"the Iceberg namespace {namespace}", namespace, chosen)
    raise SettingsError(
        f"destination.url is {without_password(settings.url)!r}: expected iceberg:///FOLDER, "
        "iceberg:s3://BUCKET/PREFIX, or iceberg://NAMESPACE with [destination.catalog].",
        "docs/iceberg.md describes each.",
    )


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Turn the errors of pyiceberg, of the libraries below it and of the store into sentences.

    :raises CommitRefused: another process has written the same table meanwhile.
    :raises DestinationError: anything else that one of them reports.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (CommitFailedException, CommitStateUnknownException) as error:
        raise CommitRefused(
            f"Another process wrote into {where} meanwhile; nothing was changed.", "Run again."
        ) from error
    except Exception as error:
        if not isinstance(error, OSError) and not _is_theirs(error):
            raise
        raise DestinationError(
            f"{where} cannot be used: {_first_line(error)}.",
            "Check destination.url, [destination.catalog], the rights, and the room on the disk.",
        ) from error


def _is_theirs(error: Exception) -> bool:
    return type(error).__module__.partition(".")[0] in _LIBRARIES


def _first_line(error: Exception) -> str:
    text = str(error).strip().partition("\n")[0].rstrip(".")
    return without_password(text) or type(error).__name__


def _embedded(file: Path, warehouse: str) -> dict[str, str]:
    """The properties of a catalog in the SQLite *file*, whose tables are below *warehouse*."""
    return {"type": "sql", "uri": f"sqlite:///{file}", "warehouse": warehouse}
