"""Publish: the workbook onto Tableau Server or Cloud, in the place of the one that is there."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import tableauserverclient as tsc

from orderpull.errors import SettingsError, UsageError
from orderpull.settings import Settings
from orderpull.tableau.build import build
from orderpull.tableau.connection import LiveConnection, live_connection
from orderpull.tableau.server import project, signed_in
from orderpull.tableau.workbook import Target

Credentials = Literal["embed", "prompt"]

# They have no types of their own.
_new_connection: Callable[[], tsc.ConnectionItem] = tsc.ConnectionItem
_new_login: Callable[..., tsc.ConnectionCredentials] = tsc.ConnectionCredentials


@dataclass(frozen=True, slots=True)
class Published:
    """A workbook on the server. :param url: where people open it, if the server says."""

    name: str
    project: str
    url: str | None
    size: int

    def as_json(self) -> dict[str, Any]:
        """As ``tableau publish --json`` shows it."""
        return {
            "workbook": self.name,
            "project": self.project,
            "url": self.url,
            "bytes": self.size,
        }


def publish(
    settings: Settings,
    file: Path | None = None,
    *,
    extract: bool | None = None,
    target: Target = "18.1",
    credentials: Credentials = "prompt",
    skip_connection_check: bool = False,
) -> Published:
    """Publish *file*, or a workbook built now.

    :param extract: of a workbook built now: as for :func:`build`.
    :param credentials: embed: the server keeps the warehouse's login for everybody who looks;
        prompt: it asks each of them.
    :param skip_connection_check: publish though the server cannot reach the warehouse.
    :raises UsageError: *file* is no workbook, or the server refuses it.
    :raises OrderpullError: the server cannot be reached, or fails.
    """
    if file is not None:
        _is_workbook(file)
        return _publish(settings, file, _connections(settings, credentials), skip_connection_check)
    connections = _connections(settings, credentials)
    with TemporaryDirectory(prefix="orderpull-") as folder:
        packed = live_connection(settings) is None if extract is None else extract
        made = Path(folder) / f"OrdersDashboard.{'twbx' if packed else 'twb'}"
        build(settings, made, extract=packed, target=target)
        return _publish(settings, made, connections, skip_connection_check)


def _publish(
    settings: Settings,
    file: Path,
    connections: list[tsc.ConnectionItem],
    skip: bool,  # noqa: FBT001 - it is handed on
) -> Published:
    wanted = settings.tableau
    with signed_in(settings) as server:
        place = project(server, wanted.project)
        item = tsc.WorkbookItem(project_id=place.id, name=wanted.workbook, show_tabs=False)
        done = server.workbooks.publish(
            item,
            str(file),
            tsc.Server.PublishMode.Overwrite,
            connections=connections or None,
            as_job=False,
            skip_connection_check=skip,
        )
        return Published(wanted.workbook, wanted.project, done.webpage_url, file.stat().st_size)


def _connections(settings: Settings, credentials: Credentials) -> list[tsc.ConnectionItem]:
    """The login that the server is to keep, for a database that it asks."""
    live = live_connection(settings)
    if live is None or credentials == "prompt":
        return []
    item = _new_connection()
    item.server_address = live.host
    item.server_port = str(live.port)
    item.connection_credentials = _new_login(live.user, _password(settings, live), embed=True)
    return [item]


def _password(settings: Settings, live: LiveConnection) -> str:
    """The password of the one whom Tableau logs in as; never that of another.

    :raises SettingsError: it is not set.
    """
    own = settings.tableau.user is None
    password = settings.tableau.password or (settings.destination.password if own else None)
    if not live.user or not password:
        raise SettingsError(
            "To embed a login, the server needs a user and a password of the warehouse.",
            "Set tableau.user and tableau.password, best of a user who only reads.",
        )
    return password


def _is_workbook(file: Path) -> None:
    if file.suffix.lower() not in {".twb", ".twbx"}:
        raise UsageError(f"{file} is neither a .twb nor a .twbx.", "Name a workbook of Tableau's.")
    if not file.is_file():
        raise UsageError(f"There is no {file}.", "Build it first: orderpull tableau build -o FILE.")
