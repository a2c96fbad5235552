"""Session on Tableau Server or Cloud, validation of workbooks there, and errors as sentences.

Secrets are redacted from every message of the server.
"""

import ipaddress
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast
from urllib.parse import urljoin, urlsplit

import msgspec
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
from urllib3.fields import RequestField
from urllib3.filepost import encode_multipart_formdata

from orderpull.errors import OrderpullError, SettingsError, UsageError
from orderpull.notify.sending import redact
from orderpull.settings import Settings
from orderpull.tableau.lint.documents import read
from orderpull.tableau.lint.workbook import Finding

_new_server: Callable[..., tsc.Server] = tsc.Server  # untyped constructor

_FAILURES: dict[type[Exception], str] = {
    requests.exceptions.SSLError: "'s certificate is not trusted",
    requests.exceptions.Timeout: " did not answer in time",
    requests.exceptions.RequestException: " cannot be reached",
    NonXMLResponseError: " does not respond as Tableau does",
    RedirectError: " does not respond as Tableau does",
}

MIN_API_VERSION = "3.29"
"""First version of the REST API that validates workbooks. URL, request and response follow
Tableau's own client (tableau/tableau-mcp)."""

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
    for name in path.split("/"):
        children = {
            str(project.name): project for project in projects if project.parent_id == parent
        }
        if name not in children:
            raise UsageError(
                f"There is no project {path!r} that this token can see.",
                f"Known there: {', '.join(sorted(children)[:12]) or 'none'}. Set tableau.project.",
            )
        parent = children[name].id
    return children[name]


def validate_on_server(settings: Settings, file: Path) -> list[Finding]:
    """Return Tableau's findings about the workbook in *file*. The server stores nothing.

    :raises UsageError: the server lacks the endpoint, or rejects the request.
    :raises OrderpullError: the server cannot be reached, or fails.
    """
    text, _, findings = read(file)
    if not text:
        return findings
    with signed_in(settings) as server:
        if not server.check_at_least_version(MIN_API_VERSION):
            raise UsageError(
                f"This server's REST API is {server.version}; workbooks are validated from "
                f"{MIN_API_VERSION} (Tableau Server 2026.2, Tableau Cloud).",
                "Leave out --server: orderpull's own check needs no server.",
            )
        return _findings(_send(server, file.with_suffix(".twb").name, text))


def _send(server: tsc.Server, name: str, text: bytes) -> bytes:
    part = RequestField("tableau_workbook", text, name)
    part.make_multipart(content_type="application/octet-stream")
    body, form = encode_multipart_formdata([part])
    url = f"{server.baseurl}/sites/{server.site_id}/workbooks/validateWorkbook"
    mixed = form.replace("multipart/form-data", "multipart/mixed")
    post: Callable[..., requests.Response] = server.workbooks.post_request
    return post(url, body, mixed, {"headers": {"Accept": "application/json"}}).content


def _findings(response: bytes) -> list[Finding]:
    try:
        report = msgspec.json.decode(response) if response.strip() else {}
    except msgspec.DecodeError:
        report = None
    if not isinstance(report, dict):
        raise OrderpullError(
            "The server's response cannot be parsed.", "Check the server's version."
        )
    findings: list[Finding] = []
    for kind in ("errors", "warnings"):
        for each in cast("list[dict[str, Any]]", report.get(kind) or ()):
            location = f"line {each.get('line', '?')}, <{each.get('elementName', '?')}>"
            findings.append(Finding(kind.removesuffix("s"), location, str(each.get("message", ""))))
    return findings


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
    except InternalServerError as error:
        raise OrderpullError(
            f"{host} failed (HTTP {error.code}).", "Try again later; the file was not changed."
        ) from None
    except tuple(_FAILURES) as error:
        failure = next(text for kind, text in _FAILURES.items() if isinstance(error, kind))
        cause = error.args[0] if error.args else error
        reason = getattr(cause, "reason", cause)
        message = _redacted(str(reason).rpartition(": ")[2] or type(error).__name__, settings)
        raise OrderpullError(f"{host}{failure}: {message}.", "Check tableau.server.") from None


def _redacted(message: object, settings: Settings) -> str:
    """Return *message* as one line without secrets, cut to a readable length."""
    return redact(" ".join(str(message).split()).rstrip("."), settings)[:_MAX_MESSAGE]
