"""Publish a workbook to Tableau Server or Cloud, replacing the one of the same name."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tableauserverclient as tsc

from orderpull.errors import SettingsError, UsageError
from orderpull.scratch import ScratchFolder
from orderpull.settings import Settings
from orderpull.tableau.build import build
from orderpull.tableau.connection import LiveConnection, live_connection
from orderpull.tableau.server import find_project, signed_in
from orderpull.tableau.workbook import Target

Credentials = Literal["embed", "prompt"]

# The client has no types for these constructors.
_new_connection: Callable[[], tsc.ConnectionItem] = tsc.ConnectionItem
_new_login: Callable[..., tsc.ConnectionCredentials] = tsc.ConnectionCredentials


@dataclass(frozen=True, slots=True)
class Published:
    """A published workbook, as ``tableau publish --json`` prints it.

    :param url: its web page, if the server returns one.
    :param bytes: size of its file.
    """

    workbook: str
    project: str
    url: str | None
    bytes: int


def publish(
    settings: Settings,
    file: Path | None = None,
    *,
    extract: bool | None = None,
    target: Target = "18.1",
    credentials: Credentials = "prompt",
    skip_connection_check: bool = False,
) -> Published:
    """Publish *file*, or a new workbook.

    :param extract: for a new workbook, as in :func:`build`.
    :param credentials: embed: the server stores the warehouse's login for all users; prompt: each
        user enters a login.
    :param skip_connection_check: publish even if the server cannot reach the warehouse.
    :raises UsageError: *file* is not a workbook, or the server rejects it.
    :raises OrderpullError: the server cannot be reached, or fails.
    """
    if file is not None:
        _check_workbook(file)
    connections = _connections(settings, credentials)
    options = settings.tableau
    with ScratchFolder() as folder:
        if file is None:
            packed = live_connection(settings) is None if extract is None else extract
            file = folder.path / f"OrdersDashboard.{'twbx' if packed else 'twb'}"
            build(settings, file, extract=packed, target=target)
        with signed_in(settings) as server:
            project = find_project(server, options.project)
            published = server.workbooks.publish(
                tsc.WorkbookItem(project_id=project.id, name=options.workbook, show_tabs=False),
                str(file),
                tsc.Server.PublishMode.Overwrite,
                connections=connections or None,
                as_job=False,
                skip_connection_check=skip_connection_check,
            )
        url, size = published.webpage_url, file.stat().st_size
    return Published(options.workbook, options.project, url, size)


def _connections(settings: Settings, credentials: Credentials) -> list[tsc.ConnectionItem]:
    """Return the login for the server to store, for a live connection."""
    live = live_connection(settings)
    if live is None or credentials == "prompt":
        return []
    item = _new_connection()
    item.server_address = live.host
    item.server_port = str(live.port)
    item.connection_credentials = _new_login(live.user, _password(settings, live), embed=True)
    return [item]


def _password(settings: Settings, live: LiveConnection) -> str:
    """Return the password of Tableau's user, never the one of another user.

    :raises SettingsError: user or password is not set.
    """
    same_user = settings.tableau.user is None
    password = settings.tableau.password or (settings.destination.password if same_user else None)
    if not live.user or not password:
        raise SettingsError(
            "To embed a login, the server needs a user and a password of the warehouse.",
            "Set tableau.user and tableau.password, preferably of a read-only user.",
        )
    return password


def _check_workbook(file: Path) -> None:
    if file.suffix.lower() not in {".twb", ".twbx"}:
        raise UsageError(f"{file} is neither a .twb nor a .twbx.", "Name a workbook of Tableau's.")
    if not file.is_file():
        raise UsageError(
            f"{file} does not exist.", "Build it first: orderpull tableau build -o FILE."
        )
