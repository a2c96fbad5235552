"""Session on Tableau Server or Cloud, with its errors as sentences.

Secrets are redacted from every message of the server.
"""

import ipaddress
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urljoin, urlsplit

import requests
import tableauserverclient as tsc
from tableauserverclient.server.endpoint.exceptions import (
    FailedSignInError,
    InternalServerError,
    NonXMLResponseError,
    RedirectError,
    ServerResponseError,
    TableauError,
)

from orderpull.errors import OrderpullError, SettingsError, UsageError
from orderpull.settings import Settings

_new_server: Callable[..., tsc.Server] = tsc.Server  # untyped constructor

_MAX_MESSAGE = 300
"""Longest part of a server's message that is shown, in characters."""


@contextmanager
def signed_in(settings: Settings) -> Iterator[tsc.Server]:
    """Sign in to the server of ``[tableau]`` by token, and sign out at the end.

    :raises SettingsError: a required setting is missing.
    :raises UsageError: the server rejects the token or a request.
    :raises OrderpullError: the server cannot be reached, or fails.
    """
    options = settings.tableau
    address = _address(settings)
    if not options.token_name or not options.token:
        raise SettingsError(
            "tableau.token_name and tableau.token are needed to sign in.",
            'Make a personal access token in Tableau, then set token = "${TABLEAU_TOKEN}".',
        )
    login = tsc.PersonalAccessTokenAuth(options.token_name, options.token, options.site or "")
    with _translated_errors(settings):
        server = _new_server(
            address, http_options={"timeout": options.timeout}, session_factory=_session
        )
        try:
            info = server.server_info.get()
            server.version = info.rest_api_version if info else server.version
            server.auth.sign_in(login)
            yield server
        finally:
            with suppress(TableauError, requests.RequestException):
                server.auth.sign_out()
            server.close()


def find_project(server: tsc.Server, path: str) -> tsc.ProjectItem:
    """Return the project at *path*, whose levels are separated by ``/``.

    :raises UsageError: the project does not exist, or is hidden from this token.
    """
    projects = list(tsc.Pager(server.projects))
    parent: str | None = None
    project: tsc.ProjectItem | None = None
    for name in path.split("/"):
        project = next((p for p in projects if p.name == name and p.parent_id == parent), None)
        if project is None:
            names = sorted({str(each.name) for each in projects if each.parent_id == parent})
            raise UsageError(
                f"There is no project {path!r} that this token can see.",
                f"Known there: {', '.join(names[:12]) or 'none'}. Set tableau.project.",
            )
        parent = project.id
    assert project is not None  # noqa: S101 - a path has one part at least
    return project


def _address(settings: Settings) -> str:
    """Return the server's URL, which must be encrypted unless it is on this machine."""
    address = settings.tableau.server
    if not address:
        raise SettingsError(
            "tableau.server is not set.", 'For example server = "https://tableau.example.com".'
        )
    parts = urlsplit(address)
    if parts.scheme not in {"https", "http"} or not parts.hostname or parts.username:
        raise SettingsError(
            "tableau.server is not a URL.", "Set it to https:// and a host, without a user."
        )
    if parts.scheme == "http" and not _is_local(parts.hostname):
        raise SettingsError(
            f"tableau.server is {address}: the token would travel unencrypted.",
            "Use https://.",
        )
    return address.rstrip("/")


def _session() -> requests.Session:
    """Return a session that follows no redirect to another host, so that the token stays."""
    session = requests.Session()
    session.hooks["response"].append(_check_redirect)
    return session


def _check_redirect(response: requests.Response, **_: object) -> None:
    if not response.is_redirect:
        return
    origin, target = (
        urlsplit(url) for url in (response.url, urljoin(response.url, response.headers["Location"]))
    )
    if origin.hostname != target.hostname:
        response.close()
        raise UsageError(
            f"{origin.netloc} redirects to {target.netloc}; the token is not sent there.",
            "Set tableau.server to the final address.",
        )


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@contextmanager
def _translated_errors(settings: Settings) -> Iterator[None]:
    """Translate errors of the client and the server into sentences."""
    host = urlsplit(settings.tableau.server or "").netloc
    try:
        yield
    except FailedSignInError:
        raise UsageError(
            f"{host} does not accept the token {settings.tableau.token_name!r} "
            f"for the site {settings.tableau.site or 'default'!r}.",
            "Check tableau.token_name, tableau.token and tableau.site. A token expires "
            "after 15 days without use.",
        ) from None
    except ServerResponseError as error:
        message = f"{error.summary}: {error.detail}" if error.detail else error.summary
        raise UsageError(
            f"{host} rejected the request ({error.code}): {_redacted(message, settings)}.",
            "Check the project and the rights of the token's owner.",
        ) from None
    except requests.exceptions.SSLError as error:
        raise _failed(f"{host}'s certificate is not trusted", error, settings) from None
    except requests.exceptions.Timeout as error:
        raise _failed(f"{host} did not answer in time", error, settings) from None
    except requests.exceptions.RequestException as error:
        raise _failed(f"{host} cannot be reached", error, settings) from None
    except InternalServerError as error:
        raise OrderpullError(
            f"{host} failed (HTTP {error.code}).", "Try again later; the file was not changed."
        ) from None
    except (NonXMLResponseError, RedirectError) as error:
        raise _failed(f"{host} does not respond as Tableau does", error, settings) from None


def _failed(summary: str, error: Exception, settings: Settings) -> OrderpullError:
    cause = error.args[0] if error.args else error
    reason = getattr(cause, "reason", cause)
    message = str(reason).rpartition(": ")[2] or type(error).__name__
    return OrderpullError(f"{summary}: {_redacted(message, settings)}.", "Check tableau.server.")


def _redacted(message: object, settings: Settings) -> str:
    """Return *message* as one line without secrets, cut to a readable length."""
    line = " ".join(str(message).split()).rstrip(".")[:_MAX_MESSAGE]
    secrets = (
        settings.tableau.token,
        settings.tableau.password,
        settings.destination.password,
    )
    for secret in secrets:
        line = line.replace(secret, "•••") if secret else line
    return line
