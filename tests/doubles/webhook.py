"""A server on this machine that messages are posted to, and what it was told."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Post:
    """What was posted. :ivar status: what the server answers."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.status = 200
        self.letters: list[dict[str, Any]] = []
        self.paths: list[str] = []

    @property
    def url(self) -> str:
        """As apprise writes it, with a password in it."""
        return f"json://robot:hush-hush@127.0.0.1:{self.port}/hook"

    def take(self) -> list[dict[str, Any]]:
        """What was posted since this was last asked."""
        taken, self.letters = self.letters, []
        return taken

    def bodies(self) -> list[str]:
        """The messages' texts since this was last asked."""
        return [letter["message"] for letter in self.take()]


@contextmanager
def post_office() -> Iterator[Post]:
    """The server, on a free port of 127.0.0.1."""

    class Clerk(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            text = self.rfile.read(int(self.headers["Content-Length"]))
            post.paths.append(self.path)
            if post.status == 200:
                post.letters.append(json.loads(text))
            self.send_response(post.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Clerk)
    post = Post(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield post
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
