"""Validate: a workbook before the eyes of Tableau itself, on a server that can.

Tableau Server 2026.2 and Tableau Cloud have an endpoint that tells whether a ``.twb`` would open.
Path, parts and answer are those of Tableau's own client for it (tableau/tableau-mcp).
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

FIRST = "3.29"
"""The first version of the REST API that can."""


def validate_on_server(settings: Settings, file: Path) -> list[Finding]:
    """What Tableau says against the workbook in *file*; nothing is kept on the server.

    :raises UsageError: the server has no such endpoint, or refuses.
    :raises OrderpullError: it cannot be reached, or fails.
    """
    read = packages.read(file)
    if not read.text:
        return read.findings
    with signed_in(settings) as server:
        if not server.check_at_least_version(FIRST):
            raise UsageError(
                f"This server's REST API is {server.version}; workbooks are validated from {FIRST} "
                "(Tableau Server 2026.2, Tableau Cloud).",
                "Leave out --server: orderpull's own checker needs none.",
            )
        return _findings(_asked(server, file.with_suffix(".twb").name, read.text))


def _asked(server: tsc.Server, name: str, text: bytes) -> bytes:
    part = RequestField("tableau_workbook", text, name)
    part.make_multipart(content_type="application/octet-stream")
    body, form = encode_multipart_formdata([part])
    url = f"{server.baseurl}/sites/{server.site_id}/workbooks/validateWorkbook"
    mixed = form.replace("multipart/form-data", "multipart/mixed")
    post: Callable[..., requests.Response] = server.workbooks.post_request
    return post(url, body, mixed, {"headers": {"Accept": "application/json"}}).content


def _findings(answer: bytes) -> list[Finding]:
    try:
        told = msgspec.json.decode(answer) if answer.strip() else {}
    except msgspec.DecodeError:
        told = None
    if not isinstance(told, dict):
        raise OrderpullError("The server's answer cannot be read.", "Look at the server's version.")
    found: list[Finding] = []
    for kind in ("errors", "warnings"):
        for each in cast("list[dict[str, Any]]", told.get(kind) or ()):
            place = f"line {each.get('line', '?')}, <{each.get('elementName', '?')}>"
            found.append(Finding(kind.removesuffix("s"), place, str(each.get("message", ""))))
    return found
