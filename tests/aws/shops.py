"""Hundreds of shops behind one address, each with one order, and who asked which of them when."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from time import sleep

ANSWER_SECONDS = 0.02
"""How long a shop takes, so that two who ask one shop at once would meet there."""


class Shops:
    """``/NAME/orders`` hands out one order once for each tick; a poisoned shop refuses.

    :ivar asked: how often each shop was asked for orders that it had.
    :ivar met: shops that were asked while they answered somebody else.
    """

    def __init__(self, poisoned: str) -> None:
        self.poisoned = poisoned
        self.asked: Counter[str] = Counter()
        self.met: set[str] = set()
        self.url = ""
        self._new: Counter[str] = Counter()
        self._busy: set[str] = set()
        self._lock = Lock()

    def answer(self, name: str) -> tuple[int, bytes]:
        """Status and body."""
        with self._lock:
            if name in self._busy:
                self.met.add(name)
            self._busy.add(name)
        sleep(ANSWER_SECONDS)
        with self._lock:
            self._busy.discard(name)
            if name == self.poisoned:
                return 401, b"{}"
            self._new[name] += 1
            if self._new[name] % 2 == 0:  # every other answer is empty: then the pull ends
                return 200, b"[]"
            self.asked[name] += 1
            number = self.asked[name]
        item = {"sku": "A", "quantity": 1}
        order = {"orderNumber": f"{name}-{number}", "orderItems": [item]}
        return 200, json.dumps([order]).encode()


@contextmanager
def many_shops(poisoned: str) -> Iterator[Shops]:
    """Shops for as long as the context lasts."""
    shops = Shops(poisoned)

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = shops.answer(self.path.split("/")[1])
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

        def handle_error(self, request: object, client_address: object) -> None:
            """Say nothing: who only looks whether there is a server breaks off."""

    server = Server(("127.0.0.1", 0), Answering)
    Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    shops.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield shops
    finally:
        server.shutdown()
        server.server_close()
