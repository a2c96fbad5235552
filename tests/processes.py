"""Python programs started as forks of a warm process, each the program it would be by itself.

``python -m tests.processes`` imports what orderpull may import, opens nothing, and then forks once
for each program: a start takes milliseconds instead of half a second. The fork has a pid, a working
directory, an environment and outputs of its own. SIGKILL ends it as it ends any process.
"""

import atexit
import contextlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orderpull.destinations.protocol import Kind

KINDS: "tuple[Kind, ...]" = ("duckdb", "postgresql", "redshift")
ROOT = Path(__file__).parents[1]
_LARGEST = 1 << 17


class Process:
    """One program, with as much of the methods of ``subprocess.Popen`` as tests need."""

    def __init__(self, pid: int, reply: socket.socket, files: tuple[IO[bytes], ...]) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._reply = reply
        self._files = files

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal, or None while the program runs."""
        return self._returncode(0.0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait until the program ends. :raises subprocess.TimeoutExpired: it runs on."""
        code = self._returncode(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
        return code

    def communicate(self, timeout: float | None = None) -> tuple[bytes, bytes]:
        """Wait until the program ends; return what it wrote to stdout and to stderr."""
        self.wait(timeout)
        output, errors = (_all_of(file) for file in self._files)
        return output, errors

    def kill(self) -> None:
        """Send SIGKILL, unless the program has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def _returncode(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._reply], [], [], timeout)[0]:
            self.returncode = int(self._reply.recv(_LARGEST))
            self._reply.close()
        return self.returncode


def start(
    *arguments: str,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    kill_at: str = "",
    batch: int = 0,
    log: IO[bytes] | None = None,
) -> Process:
    """Start ``python ARGUMENTS``: ``-m MODULE``, ``-c TEXT`` or a file, with its own arguments.

    :param env: the environment, instead of this process' own.
    :param kill_at: ``POINT:N``: SIGKILL at the N-th time that the program reaches this fail point.
    :param batch: the orders of a batch, instead of the usual number.
    :param log: takes stdout and stderr, instead of ``communicate()``.
    """
    mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    files = (log, log) if log else (_file(), _file())
    request = {
        "arguments": arguments,
        "cwd": str(cwd),
        "env": dict(os.environ if env is None else env),
        "kill_at": kill_at,
        "batch": batch,
    }
    with theirs:
        descriptors = [theirs.fileno(), *(file.fileno() for file in files)]
        socket.send_fds(_warm(), [json.dumps(request).encode()], descriptors)
    return Process(int(mine.recv(_LARGEST)), mine, files)


def _file() -> IO[bytes]:
    return tempfile.TemporaryFile()


def _all_of(file: IO[bytes]) -> bytes:
    with file:
        file.seek(0)
        return file.read()


@cache
def _warm() -> socket.socket:
    """The line to this process' warm process, which ends when the line is closed."""
    mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        warm = subprocess.Popen(
            [sys.executable, "-m", "tests.processes", str(theirs.fileno())],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
        )
    atexit.register(_end, mine, warm)
    return mine


def _end(line: socket.socket, warm: "subprocess.Popen[bytes]") -> None:
    line.close()
    warm.wait(10)


# ---------------------------------------------------------------------- within the warm process


def _import_all() -> None:
    """Import what programs import, and check that no import has started a thread."""
    import aws_lambda_powertools  # noqa: F401
    import boto3
    import duckdb  # noqa: F401
    import psycopg  # noqa: F401
    import redshift_connector  # noqa: F401

    from tests.servers import share_boto3_models

    share_boto3_models()
    boto3.client("s3", region_name="us-east-1")  # reads the models that all forks share
    import orderpull.cli
    import orderpull.destinations.duckdb
    import orderpull.destinations.postgres.session
    import orderpull.destinations.redshift.session
    import orderpull.landing.local
    import orderpull.landing.s3.landing
    import orderpull.logs
    import orderpull.operate.report
    import orderpull.operate.status
    import orderpull.pipeline
    import orderpull.terminal.runs  # noqa: F401
    from orderpull.destinations.schema import create_statements

    for kind in KINDS:
        create_statements(kind)

    if Path("/proc/self/task").exists():
        (_,) = Path("/proc/self/task").iterdir()  # a fork would lack other threads


def _serve(line: socket.socket) -> dict[str, Any]:
    """Fork for each request; return in the fork alone, with the request that it is for."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system clears away those that waited
    while True:
        message, descriptors, _, _ = socket.recv_fds(line, _LARGEST, 3)
        if not message:
            sys.exit()
        if os.fork() == 0:
            line.close()
            _fork_and_wait(*descriptors)
            return json.loads(message)
        for descriptor in descriptors:
            os.close(descriptor)


def _fork_and_wait(reply: int, output: int, errors: int) -> None:
    """Fork the program and return in it; the process that forked it replies with its exit code."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.close(reply)
        os.dup2(output, 1)
        os.dup2(errors, 2)
        os.close(output)
        os.close(errors)
        return
    with socket.socket(fileno=reply) as line, contextlib.suppress(BrokenPipeError):
        line.send(str(pid).encode())
        _, status = os.waitpid(pid, 0)
        line.send(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _become(request: dict[str, Any]) -> None:
    """Run the program of *request*, as Python itself would."""
    from orderpull import failpoints
    from orderpull.loading import pages, refill

    os.fsync = os.fstat  # type: ignore[assignment] # SIGKILL loses nothing that the system has
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    time.tzset()
    if request["kill_at"]:
        point, _, count = request["kill_at"].partition(":")
        failpoints.kill_at(point, int(count))
    if request["batch"]:
        pages.BATCH_ORDERS = refill.REFILL_ORDERS = request["batch"]
    try:
        _run(*request["arguments"])
    except SystemExit as end:
        if not isinstance(end.code, int | None):
            raise
        _end_quickly(end.code or 0)
    _end_quickly(0)


def _end_quickly(code: int) -> None:
    """End as Python does, all but taking its modules apart, which takes a fork 0.25 s of CPU."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _run(option: str, *rest: str) -> None:
    if option == "-m":
        sys.argv = list(rest)
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif option == "-c":
        sys.argv = ["-c", *rest[1:]]
        exec(compile(rest[0], "<string>", "exec"), {"__name__": "__main__"})
    else:
        sys.argv = [option, *rest]
        runpy.run_path(option, run_name="__main__")


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as asked:
        _import_all()
        program = _serve(asked)
    _become(program)
