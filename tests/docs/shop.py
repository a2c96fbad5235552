"""A shop that answers just what it is told to, by a real server."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests import duckdb_file


class Shop:
    """What it answers, one body (or status) at each request, then ``[]``; and what it was asked.

    :ivar asked: method and target of each request, and its API key.
    """

    def __init__(self, *bodies: bytes | int | list[dict[str, Any]]) -> None:
        self.bodies = list(bodies)
        self.asked: list[tuple[str, str | None]] = []

    @contextmanager
    def open(self) -> Iterator[str]:
        """Serve; gives the address."""
        shop = self

        class Counter(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                shop.asked.append((f"GET {self.path}", self.headers["X-Api-Key"]))
                body = shop.bodies.pop(0) if shop.bodies else []
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(body if isinstance(body, int) else 200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Counter) as server:
            server.daemon_threads = True
            serving = threading.Thread(target=server.serve_forever)
            serving.start()
            try:
                yield f"http://127.0.0.1:{server.server_port}"
            finally:
                server.shutdown()
                serving.join()


def held(folder: Path, query: str, file: str = "orders.snapshot.duckdb") -> list[tuple[Any, ...]]:
    """What *query* finds in the snapshot in *folder*, or in another *file* there."""
    return duckdb_file.query(folder / file, query)
