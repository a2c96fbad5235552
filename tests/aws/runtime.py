"""The AWS Lambda Runtime API on 127.0.0.1, and a function that Amazon's own runtime runs on it.

The runtime (``awslambdaric``) is the client: it asks for the next event, and posts what the handler
returned or raised. (https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html)
"""

import json
import queue
import subprocess
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import IO, Any, Self

from tests.processes import Process, start

HERE = Path(__file__).parent
HANDLER = "orderpull.aws.handler.handler"
_WAIT_SECONDS = 120.0


@dataclass(frozen=True)
class Invocation:
    """What came of one event.

    :param answer: what the handler returned, or what the runtime told of its error.
    :param ok: whether it returned.
    :param lines: what was logged meanwhile, line by line.
    """

    ok: bool
    answer: Any
    lines: list[str]

    @property
    def records(self) -> list[dict[str, Any]]:
        """The lines that are JSON."""
        return [json.loads(line) for line in self.lines if line.startswith("{")]

    @property
    def metrics(self) -> dict[str, float]:
        """Each metric in the log, summed up: read as CloudWatch reads them."""
        found: dict[str, float] = {}
        for record in self.records:
            for told in record.get("_aws", {}).get("CloudWatchMetrics", ()):
                assert told["Namespace"] == "orderpull"
                for metric in told["Metrics"]:
                    value = record[metric["Name"]]
                    values = value if isinstance(value, list) else [value]
                    found[metric["Name"]] = found.get(metric["Name"], 0) + sum(values)
        return found


@dataclass
class Function:
    """One execution environment: a process that serves one event after the other.

    :param program: the runtime, as Python's arguments, before the name of the handler.
    :param kill_at: ``POINT:N``: SIGKILL at the N-th time that this fail point is reached.
    :param python: another Python than that of the tests.
    """

    folder: Path
    environment: Mapping[str, str]
    program: tuple[str, ...] = ("-m", "awslambdaric")
    kill_at: str = ""
    python: str = ""

    def __enter__(self) -> Self:
        self._events: queue.Queue[tuple[str, bytes, float]] = queue.Queue()
        self._answers: queue.Queue[tuple[bool, bytes]] = queue.Queue()
        self._server = _Server(("127.0.0.1", 0), _answering(self))
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self._log = self.folder / f"log-{uuid.uuid4().hex}"
        self._read = 0
        with self._log.open("wb") as log:
            self.process = self._start(log)
        return self

    def _start(self, log: IO[bytes]) -> "subprocess.Popen[bytes] | Process":
        program = (*self.program, HANDLER)
        environment = {
            **self.environment,
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._server.server_port}",
            "AWS_LAMBDA_FUNCTION_NAME": "orderpull",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769",
            "AWS_LAMBDA_FUNCTION_VERSION": "1",
        }
        if self.python:
            return subprocess.Popen(
                [self.python, *program], cwd=self.folder, stdout=log, stderr=log, env=environment
            )
        return start(*program, cwd=self.folder, env=environment, log=log, kill_at=self.kill_at)

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def invoke(self, event: object, seconds: float = 900.0) -> Invocation:
        """What the function makes of *event*, if Lambda gives it so many *seconds*.

        :raises RuntimeError: its process ended instead.
        """
        self._events.put((uuid.uuid4().hex, json.dumps(event).encode(), time.time() + seconds))
        until = time.monotonic() + _WAIT_SECONDS
        while time.monotonic() < until:
            try:
                ok, answer = self._answers.get(timeout=0.05)
            except queue.Empty:
                if self.process.poll() is not None:
                    raise RuntimeError(self.log()) from None
            else:
                return Invocation(ok, json.loads(answer), self.log().splitlines())
        raise TimeoutError(self.log())

    def log(self) -> str:
        """What was logged since this was asked last."""
        text = self._log.read_bytes()[self._read :]
        self._read += len(text)
        return text.decode(errors="replace").replace("\r", "\n")

    def next_event(self) -> tuple[str, bytes, float]:
        """The next event's id, body, and when its time is up; waits for one."""
        return self._events.get()

    def answered(self, ok: bool, body: bytes) -> None:
        """The runtime has posted what came of the event."""
        self._answers.put((ok, body))


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a runtime that is killed breaks off what it asked."""


def _answering(function: Function) -> type[BaseHTTPRequestHandler]:
    class Answering(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            assert self.path.endswith("/runtime/invocation/next")
            name, body, deadline = function.next_event()
            self.send_response(200)
            self.send_header("Lambda-Runtime-Aws-Request-Id", name)
            self.send_header("Lambda-Runtime-Deadline-Ms", str(round(deadline * 1000)))
            arn = "arn:aws:lambda:us-east-1:123456789012:function:orderpull"
            self.send_header("Lambda-Runtime-Invoked-Function-Arn", arn)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            function.answered(self.path.endswith("/response"), body)
            self.send_response(202)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            """Say nothing."""

    return Answering
