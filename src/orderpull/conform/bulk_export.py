"""The mirror of a bulk export: a file of all orders, for APIs that have one."""

import json
from collections.abc import Callable

from orderpull.conform.rendering import cut_out
from orderpull.conform.values import Json, at, put
from orderpull.simulator import Request, Response
from orderpull.simulator.profile import json_response
from orderpull.simulator.shop.order import StoreOrder
from orderpull.sources.spec.api import Api
from orderpull.sources.spec.blocks import ExportSpec
from orderpull.sources.spec.expression import parse_path
from orderpull.sources.spec.order import ListPath

FILE = "/conform/export.jsonl"
RUNNING = "RUNNING"
POLLS = 2
"""Number of polls before the file is ready."""


class FakeExport:
    """Writes one file.

    :param writes: False: every export is refused.
    :param endless: no export is ever ready.
    :param select: returns the orders that a filter text selects.
    """

    def __init__(
        self,
        api: Api,
        *,
        writes: bool,
        endless: bool,
        document: Callable[[StoreOrder], Json],
        select: Callable[[str], list[StoreOrder]],
    ) -> None:
        self.api = api
        self.writes = writes
        self._endless = endless
        self._document = document
        self._select = select
        self._orders: list[StoreOrder] = []
        self._polls = 0

    def kind(self, request: Request) -> str | None:
        """``submit``, ``poll`` or ``file``, if *request* is about the export."""
        spec = self.api.export
        if spec is None:
            return None
        if request.path == FILE:
            return "file"
        if request.path != self.api.request.path or not request.body:
            return None
        body = json.loads(request.body)
        if self.api.request.body.items() <= body.items():
            return None
        if spec.submit.items() <= body.items():
            return "submit"
        return "poll" if spec.poll.items() <= body.items() else None

    def respond(self, request: Request, kind: str) -> Response:
        """Answer a call about the export."""
        spec = self.api.export
        if spec is None:
            return json_response(404, {})
        if kind == "file":
            return Response(200, self._lines(spec), "application/jsonl")
        body = json.loads(request.body)
        if kind == "submit":
            return json_response(200, self._submitted(spec, body))
        url = f"http://{request.headers.get('host', '')}{FILE}"
        return json_response(200, self._status(spec, body, url))

    def _submitted(self, spec: ExportSpec, body: Json) -> Json:
        response: Json = {}
        if not self.writes:
            if spec.refused:
                put(response, parse_path(spec.refused).steps, "no exports here")
            return response
        self._orders = self._select(str(at(body, parse_path(spec.filter[2:]).steps)))
        self._polls = 0
        put(response, parse_path(spec.id).steps, "export-1")
        return response

    def _status(self, spec: ExportSpec, body: Json, url: str) -> Json:
        known = at(body, parse_path(spec.id_param[2:]).steps) == "export-1"
        self._polls += 1
        ready = self._polls > POLLS and not self._endless
        response: Json = {}
        state = spec.done[0] if ready else RUNNING
        put(response, parse_path(spec.state).steps, state if known else spec.failed[0])
        if ready and self._orders:
            put(response, parse_path(spec.url).steps, url)
        if ready and spec.count:
            put(response, parse_path(spec.count).steps, str(len(self._orders)))
        return response

    def _lines(self, spec: ExportSpec) -> bytes:
        lines: list[Json] = []
        into = ListPath.parse(spec.into)
        for order in self._orders:
            document = self._document(order)
            elements = cut_out(document, into.steps, 0)
            document.setdefault("id", str(order.key))
            lines.append(document)
            lines += [{**at(e, into.inner), spec.parent: document["id"]} for e in elements]
        return b"".join(json.dumps(line).encode() + b"\n" for line in lines)
