"""A Tableau server's REST API, as much of it as publishing needs, on this machine.

Requests and answers have the form of Tableau's REST API reference; the client is Tableau's own.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree as ET

TOKEN_NAME, TOKEN = "orderpull", "pat-4f8a1c-top-secret"
SITE = "5f0a3f7e-site"
PROJECTS = (("p-0", "default", None), ("p-1", "Sales", None), ("p-2", "Daily", "p-1"))


@dataclass
class Stub:
    """The server.

    :param version: of its REST API. :param wrong: calls that it answers with this status.
    :param elsewhere: calls that it sends on to this server.
    """

    url: str = ""
    version: str = "3.29"
    wrong: dict[str, int] = field(default_factory=dict)
    elsewhere: dict[str, str] = field(default_factory=dict)
    published: list[dict[str, Any]] = field(default_factory=list)
    validated: list[bytes] = field(default_factory=list)
    uploads: dict[str, bytes] = field(default_factory=dict)
    signed_in: int = 0
    findings: bytes = b"{}"
    asked: list[str] = field(default_factory=list)


@contextmanager
def tableau_server(**words: Any) -> Iterator[Stub]:
    """The stub, for as long as it is asked."""
    stub = Stub(**words)

    class Handler(_Handler):
        server_stub = stub

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        stub.url = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield stub
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    server_stub: Stub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def do_PUT(self) -> None:
        self.do_POST()

    def _answer(self, body: bytes) -> None:
        stub = self.server_stub
        path = urlsplit(self.path).path
        stub.asked.append(f"{self.command} {self.path}")
        name = path.rpartition("/")[2]
        if name in stub.elsewhere:
            self.send_response(307)
            self.send_header("Location", stub.elsewhere[name] + self.path)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if name in stub.wrong:
            self._say(stub.wrong[name], _error("400000", "Bad Request", f"no {TOKEN} here"))
            return
        actions = {
            "serverInfo": self._info,
            "signin": self._sign_in,
            "projects": self._projects,
            "workbooks": self._publish,
            "validateWorkbook": self._validate,
            "fileUploads": self._begin_upload,
        }
        if name == "signout":
            stub.signed_in -= 1
            self._say(204, b"")
        elif name in actions:
            actions[name](body)
        elif "/fileUploads/" in path:
            self._append(name, body)
        else:
            self._say(404, _error("404000", "Resource Not Found", path))

    def _info(self, _: bytes) -> None:
        self._say(200, _said(
            '<serverInfo><productVersion build="20262.26.0528.2205">2026.2</productVersion>'
            f"<restApiVersion>{self.server_stub.version}</restApiVersion></serverInfo>"
        ))  # fmt: skip

    def _sign_in(self, body: bytes) -> None:
        given = ET.fromstring(body).find("credentials")
        assert given is not None
        right = (given.get("personalAccessTokenName"), given.get("personalAccessTokenSecret"))
        if right != (TOKEN_NAME, TOKEN):
            detail = f"The personal access token {right[1]} you provided is invalid."
            self._say(401, _error("401001", "Signin Error", detail))
            return
        self.server_stub.signed_in += 1
        self._say(200, _said(
            f'<credentials token="session"><site id="{SITE}" contentUrl=""/><user id="u-1"/>'
            "</credentials>"
        ))  # fmt: skip

    def _projects(self, _: bytes) -> None:
        rows = "".join(
            f'<project id="{i}" name="{n}"{f""" parentProjectId="{p}" """ if p else ""}/>'
            for i, n, p in PROJECTS
        )
        self._say(200, _said(
            f'<pagination pageNumber="1" pageSize="100" totalAvailable="{len(PROJECTS)}"/>'
            f"<projects>{rows}</projects>"
        ))  # fmt: skip

    def _publish(self, body: bytes) -> None:
        assert self.headers["X-Tableau-Auth"] == "session"
        query = parse_qs(urlsplit(self.path).query)
        parts = self._parts(body)
        request = ET.fromstring(parts["request_payload"])
        upload = query.get("uploadSessionId", [""])[0]
        content = self.server_stub.uploads[upload] if upload else parts["tableau_workbook"]
        self.server_stub.published.append(
            {"query": query, "request": request, "content": content, "chunked": bool(upload)}
        )
        made = request.find("workbook")
        assert made is not None
        self._say(201, _said(
            f'<workbook id="w-1" name="{made.get("name")}" contentUrl="Orders" '
            f'webpageUrl="{self.server_stub.url}/#/workbooks/1"/>'
        ))  # fmt: skip

    def _begin_upload(self, _: bytes) -> None:
        self.server_stub.uploads["up-1"] = b""
        self._say(201, _said('<fileUpload uploadSessionId="up-1" fileSize="0"/>'))

    def _append(self, name: str, body: bytes) -> None:
        self.server_stub.uploads[name] += self._parts(body)["tableau_file"]
        self._say(200, _said(f'<fileUpload uploadSessionId="{name}" fileSize="1"/>'))

    def _validate(self, body: bytes) -> None:
        self.server_stub.validated.append(self._parts(body)["tableau_workbook"])
        self._say(200, self.server_stub.findings, "application/json")

    def _parts(self, body: bytes) -> dict[str, bytes]:
        """The parts of a multipart body by name, byte for byte."""
        kind = self.headers["Content-Type"]
        assert kind.startswith("multipart/mixed")
        head = f"Content-Type: {kind}\r\n\r\n".encode()
        found = {}
        boundary = message_from_bytes(head).get_boundary()
        for part in body.split(f"--{boundary}".encode())[1:-1]:
            heads, _, content = part.partition(b"\r\n\r\n")
            name = re.search(rb'name="([^"]+)"', heads)
            assert name is not None
            found[name[1].decode()] = content.removesuffix(b"\r\n")
        return found

    def _say(self, status: int, body: bytes, kind: str = "application/xml") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _said(inner: str) -> bytes:
    return f'<tsResponse xmlns="http://tableau.com/api">{inner}</tsResponse>'.encode()


def _error(code: str, summary: str, detail: str) -> bytes:
    return _said(
        f'<error code="{code}"><summary>{summary}</summary><detail>{detail}</detail></error>'
    )
