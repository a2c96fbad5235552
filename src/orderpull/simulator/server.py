"""The simulator: a profile behind a real HTTP server, with faults, a call log, and the truth."""

import json
import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, NamedTuple, Self, TextIO

from .faults import MOVED_PREFIX, Script, healthy, whole_within
from .plan import Plan, Switch
from .profile import Profile, Request, Response, StatefulShop
from .truth import Delivery, Truth, TruthFile
from .wire import (
    HOST,
    TLS_HANDSHAKE,
    BadRequestError,
    Listener,
    first_byte,
    read_request,
    refuse,
    send_script,
)


@dataclass(slots=True)
class Call:
    """One request, or one connection that ended without a request.

    A connection without a request has no `number`, `method` and `path` (None). `number` counts
    requests from 1, `connection` counts TCP connections from 1; `time` is UTC. `path` has its
    query. `authorization`: the request had such a header, whose value is not recorded. `status`
    stays None without a whole status line. `orders` are the numbers of the orders taken out, None
    for an order without a readable number. `body_bytes` is the length of the healthy body,
    `sent_bytes` the length of the body that the fault lets out, later the length really sent.
    `kind` is the purpose of the call, such as `list` or `token`, if the profile knows it.
    """

    number: int | None
    connection: int
    time: str
    method: str | None = None
    path: str | None = None
    authorization: bool = False
    status: int | None = None
    fault: str | None = None
    consumed: bool = False
    orders: tuple[str | None, ...] = ()
    body_bytes: int = 0
    sent_bytes: int = 0
    kind: str | None = None


class CallLog:
    """The calls so far, in memory and, with a path, as JSON lines added to a file.

    The caller serialises access.
    """

    def __init__(self, path: Path | None) -> None:
        self.calls: list[Call] = []
        self._path = path
        self._file: TextIO | None = None

    def open(self) -> None:
        """Open the file, if there is a path: OSError when it cannot be written."""
        self._file = None if self._path is None else self._path.open("a", encoding="utf-8")

    def add(self, call: Call) -> None:
        """Keep `call`; its line is in the file when this returns."""
        self.calls.append(call)
        if self._file is not None:
            self._file.write(json.dumps(asdict(call), ensure_ascii=False) + "\n")
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


NOT_ASKED = Response(200, b"")


class Exchange(NamedTuple):
    """A request with its planned response, before the first byte goes out."""

    call: Call
    script: Script
    delivery: Delivery
    spans: Sequence[tuple[int, int]]


class Simulator:
    """An orders API on 127.0.0.1, from `start` to `stop`, or as long as a `with` lasts."""

    def __init__(
        self,
        profile: Profile,
        faults: Iterable[str] = (),
        *,
        port: int = 0,
        log: Path | str | None = None,
        truth: Path | str | None = None,
        latency: float = 0.0,
        gate: Callable[[Call], None] | None = None,
    ) -> None:
        """Describe the simulator.

        `faults` are switches such as `500@3` (see plan). `port` 0 takes a free port. Before the
        response goes out, a JSON line is appended to `log` and `truth` is rewritten. Then `gate` is
        called with the call (it may wait), then `latency` seconds pass. ValueError for an invalid
        fault; OSError, on start, for a port in use or a file that cannot be written.
        """
        self._profile = profile
        self._plan = Plan(faults, profile.seed)
        self._port = port
        self._truth_path = None if truth is None else Path(truth)
        self._latency = latency
        self._gate = gate
        self._lock = threading.Lock()
        self._shop = profile if isinstance(profile, StatefulShop) else None
        self._truth = Truth(profile.name, profile.seed, self._shop)
        self._requests = 0
        self._log = CallLog(None if log is None else Path(log))
        self._truth_file: TruthFile | None = None
        self._listener: Listener | None = None

    @property
    def url(self) -> str:
        """The base address, such as http://127.0.0.1:8080; the profile's paths follow."""
        return f"http://{HOST}:{self._running.port}"

    @property
    def calls(self) -> list[Call]:
        """All calls so far, and all connections without a request (those have no `number`)."""
        with self._lock:
            return list(self._log.calls)

    @property
    def requests(self) -> list[Call]:
        """The calls that are requests."""
        return [call for call in self.calls if call.number is not None]

    @property
    def connections(self) -> int:
        """Number of accepted TCP connections; exact once the simulator is stopped."""
        return self._running.connections

    def truth(self) -> dict[str, Any]:
        """Return the contents of a correct warehouse after all responses so far (see Truth).

        For a shop whose orders can be requested again: its contents for the shop as it is now.
        """
        with self._lock:
            return self._truth.as_json()

    def start(self) -> None:
        """Begin to listen; only once."""
        self._listener = Listener(self._port, self._serve)
        try:
            self._log.open()
            if self._truth_path is not None:
                self._truth_file = TruthFile(self._truth_path, self._truth)
        except OSError:
            self._listener.close()
            self._close_files()
            raise
        self._listener.start()

    def stop(self) -> None:
        """Close all connections and write the truth; raise the first error of a connection."""
        try:
            self._running.stop()
        finally:
            with self._lock:
                self._close_files()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def _running(self) -> Listener:
        if self._listener is None:
            raise RuntimeError("the simulator is not started")
        return self._listener

    def _close_files(self) -> None:
        if self._truth_file is not None:
            self._truth_file.write()
        self._log.close()

    def _serve(self, connection: socket.socket, number: int) -> None:
        """Respond to the requests of one connection in turn."""
        first = first_byte(connection)
        if not first:
            self._record(Call(None, number, _now()))
        elif first == TLS_HANDSHAKE:
            self._refuse(connection, number)
        else:
            with connection.makefile("rb") as stream:
                while (request := self._next_request(connection, number, stream)) is not None:
                    if not self._exchange(connection, number, request):
                        return

    def _next_request(
        self, connection: socket.socket, number: int, stream: BinaryIO
    ) -> Request | None:
        try:
            return read_request(stream)
        except OSError:
            return None
        except BadRequestError:
            self._refuse(connection, number)
            return None

    def _refuse(self, connection: socket.socket, number: int) -> None:
        self._record(Call(None, number, _now(), status=400))
        refuse(connection)

    def _exchange(self, connection: socket.socket, number: int, request: Request) -> bool:
        """Respond to one request; return True if the connection stays open."""
        with self._lock:
            decided = self._decide(request, number)
        if self._gate is not None:
            self._gate(decided.call)
        stopping = self._running.stopping
        stopping.wait(self._latency)
        script = decided.script
        sent = send_script(connection, script, stopping)
        with self._lock:
            decided.call.sent_bytes = sent
            if sent < len(script.body):
                arrived = whole_within(decided.spans, sent)
                decided.delivery.whole = frozenset(script.whole) & frozenset(arrived)
                self._update_truth()
        return request.keep_alive and script.ending == "keep" and sent == len(script.body)

    def _decide(self, request: Request, connection: int) -> Exchange:
        """Take the call's orders from the profile; record truth and call."""
        self._requests += 1
        switch = self._plan.at(self._requests)
        response = self._answer(request, switch)
        script = healthy(response)
        if switch is not None:
            script = switch.fault.shape(response, switch.options, request.target)
        if request.method == "HEAD":
            script = replace(script, body=b"")
        call = Call(
            number=self._requests,
            connection=connection,
            time=_now(),
            method=request.method,
            path=request.target,
            authorization="authorization" in request.headers,
            status=script.status,
            fault=None if switch is None else switch.text,
            consumed=response.consumed,
            orders=tuple(occurrence.number for occurrence in response.occurrences),
            body_bytes=script.intended,
            sent_bytes=len(script.body),
            kind=None if self._shop is None else self._shop.kind(request),
        )
        delivery = Delivery(
            self._requests, response.consumed, call.fault, response.occurrences, script.whole
        )
        self._truth.add(delivery)
        self._update_truth()
        self._log.add(call)
        return Exchange(call, script, delivery, response.spans)

    def _answer(self, request: Request, switch: Switch | None) -> Response:
        if switch is not None and not switch.consumes:
            return NOT_ASKED
        if request.target.startswith(f"{MOVED_PREFIX}/"):
            request = replace(request, target=request.target.removeprefix(MOVED_PREFIX))
        return self._profile.respond(request)

    def _record(self, call: Call) -> None:
        with self._lock:
            self._log.add(call)

    def _update_truth(self) -> None:
        if self._truth_file is not None:
            self._truth_file.update(last=self._profile.exhausted)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
