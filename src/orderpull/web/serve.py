"""The pages as a process of its own."""

import signal
import socket
from collections.abc import Callable
from types import FrameType

import uvicorn

from orderpull.errors import UsageError
from orderpull.settings import Settings
from orderpull.web.app import application
from orderpull.web.guarding import is_loopback

GRACE_SECONDS = 5


def serve(settings: Settings, host: str, port: int, on_ready: Callable[[str], None]) -> int:
    """Serve until SIGINT or SIGTERM; the number of the signal.

    :param on_ready: is told the address, once it can be opened.
    :raises UsageError: *host* is not this machine, or the port is taken.
    """
    with listen(host, port) as listening:
        server = server_of(settings)
        shown = f"[{host}]" if ":" in host else host
        on_ready(f"http://{shown}:{listening.getsockname()[1]}/")
        server.run(sockets=[listening])
        return server.stopped_by


def server_of(settings: Settings) -> "Server":
    """A server of the pages, that tells nobody what it is made of and logs no address asked for."""
    return Server(
        uvicorn.Config(
            application(settings),
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
    )


class Server(uvicorn.Server):
    """uvicorn's server, that says by which signal it was stopped."""

    stopped_by: int = signal.SIGINT

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """Stop: the signal is told by what :func:`serve` returns."""
        self.stopped_by = sig
        self.should_exit = True


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens on this machine only.

    :raises UsageError: *host* is not this machine, or the port is taken.
    """
    if not is_loopback(host):
        raise UsageError(
            f"The pages have no sign-in yet, so they are not served at {host}, only at 127.0.0.1.",
            "Leave --host out; from another machine, ssh -L 8484:127.0.0.1:8484 HOST.",
        )
    try:
        return socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET
        )
    except OSError as error:
        raise UsageError(
            f"Nothing can listen at {host}, port {port}: {error.strerror or error}.",
            "Choose another with --port.",
        ) from None
