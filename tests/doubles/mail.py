"""A mail server on this machine, as much of RFC 5321 as a client of one message needs."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default


class MailBox:
    """What arrived. :ivar refuses: the server takes no message."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.refuses = False
        self.letters: list[EmailMessage] = []

    @property
    def url(self) -> str:
        """As apprise writes it: without encryption."""
        return f"mailto://127.0.0.1:{self.port}?from=orders@example.com&to=seller@example.com"

    def take(self) -> list[EmailMessage]:
        """What arrived since this was last asked."""
        taken, self.letters = self.letters, []
        return taken


@contextmanager
def mail_server() -> Iterator[MailBox]:
    """The server, on a free port of 127.0.0.1."""

    class Session(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.answer("220 localhost")
            while line := self.rfile.readline():
                verb = line.split()[0].upper() if line.split() else b""
                if verb == b"QUIT":
                    return self.answer("221 bye")
                if verb == b"DATA":
                    self.answer("354 go on")
                    self.keep()
                elif verb == b"MAIL" and box.refuses:
                    self.answer("451 not now")
                else:
                    self.answer("250 localhost")
            return None

        def keep(self) -> None:
            lines = []
            while (line := self.rfile.readline()) != b".\r\n":
                lines.append(line[1:] if line.startswith(b".") else line)
            letter = message_from_bytes(b"".join(lines), _class=EmailMessage, policy=default)
            box.letters.append(letter)
            self.answer("250 kept")

        def answer(self, text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Session) as server:
        server.daemon_threads = True
        box = MailBox(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield box
        finally:
            server.shutdown()
            thread.join()
