"""The web server of the pages: ``orderpull serve``."""

import signal
import socket
import ssl
from collections.abc import Callable
from types import FrameType

import uvicorn

from orderpull.errors import SettingsError, UsageError
from orderpull.schedule.loop import Schedule
from orderpull.settings import Settings
from orderpull.web.app import application
from orderpull.web.security import MAX_HEADER_BYTES, is_loopback

GRACE_SECONDS = 5
MAX_CONNECTIONS = 512


def serve(
    settings: Settings,
    host: str,
    port: int,
    on_ready: Callable[[str], None],
    schedule: Schedule | None = None,
) -> int:
    """Serve until SIGINT or SIGTERM; returns the number of the signal.

    :param on_ready: called with the address as soon as the server listens.
    :param schedule: started and stopped together with the server.
    :raises UsageError: other machines can reach *host* without a sign-in, or the port is taken.
    :raises ScheduleBusy: another schedule of these settings runs.
    """
    if not is_loopback(host) and not settings.web.signs_in:
        raise UsageError(
            f"The pages have no sign-in, so they are not served at {host or 'every address'}, only "
            "at 127.0.0.1.",
            "Set a password, `orderpull password`; or, from another machine, "
            "ssh -L 8484:127.0.0.1:8484 HOST.",
        )
    with listen(host, port) as listening:
        server = server_of(settings, host, schedule)
        scheme = "https" if server.config.is_ssl else "http"
        shown = f"[{host}]" if ":" in host else host
        if schedule:
            schedule.start()
        on_ready(f"{scheme}://{shown}:{listening.getsockname()[1]}/")
        try:
            server.run(sockets=[listening])
        finally:
            if schedule:
                for number in (signal.SIGINT, signal.SIGTERM):
                    signal.signal(number, signal.SIG_DFL)
                schedule.stop(server.stopped_by)
                schedule.wait()
        return server.stopped_by


def server_of(settings: Settings, host: str = "", schedule: Schedule | None = None) -> "Server":
    """Build the server. It sends no Server header and writes no access log.

    :param host: address to listen at.
    :raises SettingsError: the certificate or its key cannot be used.
    """
    web, folder = settings.web, settings.folder
    next_pull = schedule.next_pull if schedule else lambda: None
    config = uvicorn.Config(
        application(settings, [host] if host else [], next_pull),
        log_config=None,
        access_log=False,
        server_header=False,
        # uvicorn would trust these headers from any local process; the Authenticator reads them.
        proxy_headers=False,
        # Only h11 limits the size of headers that arrive piece by piece.
        http="h11",
        h11_max_incomplete_event_size=MAX_HEADER_BYTES,
        ws="none",
        limit_concurrency=MAX_CONNECTIONS,
        timeout_graceful_shutdown=GRACE_SECONDS,
        ssl_certfile=folder / web.tls_certificate if web.tls_certificate else None,
        ssl_keyfile=folder / web.tls_key if web.tls_key else None,
    )
    try:
        config.load()
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            f"The certificate {web.tls_certificate} or its key cannot be used: "
            f"{error.strerror or error}.",
            "See tls_certificate and tls_key in [web] of orderpull.toml.",
        ) from None
    return Server(config, schedule)


class Server(uvicorn.Server):
    """uvicorn's server, with the signal that stopped it.

    :param schedule: stopped together with the server.
    """

    stopped_by: int = signal.SIGINT

    def __init__(self, config: uvicorn.Config, schedule: Schedule | None = None) -> None:
        super().__init__(config)
        self.schedule = schedule

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """Stop and note the signal for :func:`serve`. A second signal ends the process at once."""
        self.stopped_by = sig
        self.should_exit = True
        if self.schedule:
            self.schedule.stop(sig)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)


def listen(host: str, port: int) -> socket.socket:
    """Open a socket that listens at *host*.

    :raises UsageError: the address does not exist, or the port is taken.
    """
    try:
        return socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET
        )
    except OSError as error:
        raise UsageError(
            f"Nothing can listen at {host}, port {port}: {error.strerror or error}.",
            "Choose another with --port.",
        ) from None
