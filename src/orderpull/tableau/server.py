"""Tableau Server or Cloud, signed in to, and what it says in sentences.

No secret is ever in a message: whatever the server says is searched for them first.
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

_new_server: Callable[..., tsc.Server] = tsc.Server  # it has no types of its own

_LONGEST = 300
"""How much of what a server says is told."""


@contextmanager
def signed_in(settings: Settings) -> Iterator[tsc.Server]:
    """The server of ``[tableau]``, signed in to by token for as long as it is used.

    :raises SettingsError: a setting that it needs is missing.
    :raises UsageError: the token, or what is asked for, is refused.
    :raises OrderpullError: the server cannot be reached, or fails.
    """
    wanted = settings.tableau
    address = _address(settings)
    if not wanted.token_name or not wanted.token:
        raise SettingsError(
            "tableau.token_name and tableau.token are needed to sign in.",
            'Make a personal access token in Tableau, then set token = "${TABLEAU_TOKEN}".',
        )
    login = tsc.PersonalAccessTokenAuth(wanted.token_name, wanted.token, wanted.site or "")
    with told(settings):
        server = _new_server(
            address, http_options={"timeout": wanted.timeout}, session_factory=_session
        )
        try:
            about = server.server_info.get()
            server.version = about.rest_api_version if about else server.version
            server.auth.sign_in(login)
            yield server
        finally:
            with suppress(TableauError, requests.RequestException):
                server.auth.sign_out()
            server.close()


def project(server: tsc.Server, path: str) -> tsc.ProjectItem:
    """The project at *path*, levels apart by ``/``.

    :raises UsageError: there is none that this token can see.
    """
    every = list(tsc.Pager(server.projects))
    parent: str | None = None
    found: tsc.ProjectItem | None = None
    for name in path.split("/"):
        found = next((p for p in every if p.name == name and p.parent_id == parent), None)
        if found is None:
            names = sorted({str(each.name) for each in every if each.parent_id == parent})
            raise UsageError(
                f"There is no project {path!r} that this token can see.",
                f"Known there: {', '.join(names[:12]) or 'none'}. Set tableau.project.",
            )
        parent = found.id
    assert found is not None  # noqa: S101 - a path has one part at least
    return found


def _address(settings: Settings) -> str:
    """The server's address, which must not carry a token in the clear."""
    address = settings.tableau.server
    if not address:
        raise SettingsError(
            "tableau.server is not set.", 'For example server = "https://tableau.example.com".'
        )
    parts = urlsplit(address)
    if parts.scheme not in {"https", "http"} or not parts.hostname or parts.username:
        raise SettingsError(
            "tableau.server is no address.", "It is https:// and a host, and nothing else."
        )
    if parts.scheme == "http" and not _this_machine(parts.hostname):
        raise SettingsError(
            f"tableau.server is {address}: the token would travel unencrypted.",
            "Use https://.",
        )
    return address.rstrip("/")


def _session() -> requests.Session:
    """A session that takes a token to no other host, wherever it is sent on to."""
    session = requests.Session()
    session.hooks["response"].append(_stays)
    return session


def _stays(response: requests.Response, **_: object) -> None:
    if not response.is_redirect:
        return
    here, there = (
        urlsplit(url) for url in (response.url, urljoin(response.url, response.headers["Location"]))
    )
    if here.hostname != there.hostname:
        response.close()
        raise UsageError(
            f"{here.netloc} sends on to {there.netloc}; the token does not go along.",
            "Set tableau.server to the address that is meant.",
        )


def _this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@contextmanager
def told(settings: Settings) -> Iterator[None]:
    """Turn what the client and the server say into sentences."""
    where = urlsplit(settings.tableau.server or "").netloc
    try:
        yield
    except FailedSignInError:
        raise UsageError(
            f"{where} does not accept the token {settings.tableau.token_name!r} "
            f"for the site {settings.tableau.site or 'default'!r}.",
            "Check tableau.token_name, tableau.token and tableau.site; a token that was not used "
            "for 15 days ends.",
        ) from None
    except ServerResponseError as error:
        said = f"{error.summary}: {error.detail}" if error.detail else error.summary
        raise UsageError(
            f"{where} refused it ({error.code}): {_clean(said, settings)}.",
            "Check the project and the rights of the token's owner.",
        ) from None
    except requests.exceptions.SSLError as error:
        raise _failed(f"{where}'s certificate is not trusted", error, settings) from None
    except requests.exceptions.Timeout as error:
        raise _failed(f"{where} did not answer in time", error, settings) from None
    except requests.exceptions.RequestException as error:
        raise _failed(f"{where} cannot be reached", error, settings) from None
    except InternalServerError as error:
        raise OrderpullError(
            f"{where} failed (HTTP {error.code}).", "Try again later; the file was not changed."
        ) from None
    except (NonXMLResponseError, RedirectError) as error:
        raise _failed(f"{where} does not speak as Tableau does", error, settings) from None


def _failed(what: str, error: Exception, settings: Settings) -> OrderpullError:
    cause = error.args[0] if error.args else error
    reason = getattr(cause, "reason", cause)
    said = str(reason).rpartition(": ")[2] or type(error).__name__
    return OrderpullError(f"{what}: {_clean(said, settings)}.", "Check tableau.server.")


def _clean(said: object, settings: Settings) -> str:
    """*said* in one line, not too long, and without a secret."""
    line = " ".join(str(said).split()).rstrip(".")[:_LONGEST]
    secrets = (
        settings.tableau.token,
        settings.tableau.password,
        settings.destination.password,
    )
    for secret in secrets:
        line = line.replace(secret, "•••") if secret else line
    return line
