"""Validate a workbook by Tableau itself, on a server.

Tableau Server 2026.2 and Tableau Cloud have an endpoint that checks whether a ``.twb`` would open.
URL, request and response follow Tableau's own client (tableau/tableau-mcp).
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec
import tableauserverclient as tsc
from urllib3.fields import RequestField
from urllib3.filepost import encode_multipart_formdata

from orderpull.errors import OrderpullError, UsageError
from orderpull.settings import Settings
from orderpull.tableau.lint import packages
from orderpull.tableau.lint.workbook import Finding
from orderpull.tableau.server import signed_in

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests

MIN_API_VERSION = "3.29"
"""First version of the REST API with the endpoint."""


def validate_on_server(settings: Settings, file: Path) -> list[Finding]:
    """Return Tableau's findings about the workbook in *file*. The server stores nothing.

    :raises UsageError: the server lacks the endpoint, or rejects the request.
    :raises OrderpullError: the server cannot be reached, or fails.
    """
    content = packages.read(file)
    if not content.text:
        return content.findings
    with signed_in(settings) as server:
        if not server.check_at_least_version(MIN_API_VERSION):
            raise UsageError(
                f"This server's REST API is {server.version}; workbooks are validated from "
                f"{MIN_API_VERSION} (Tableau Server 2026.2, Tableau Cloud).",
                "Leave out --server: orderpull's own check needs no server.",
            )
        return _findings(_send(server, file.with_suffix(".twb").name, content.text))


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
