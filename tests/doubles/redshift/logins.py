"""Temporary passwords: who was issued which, and the services that issue them.

``redshift`` GetClusterCredentials is moto's, asked on the client's behalf so that the double learns
the password. ``redshift-serverless`` GetCredentials, which moto does not have, is answered here.
Both answer at one address, over HTTP.
"""

import http.client
import json
import secrets
import threading
import time
import urllib.parse
import xml.etree.ElementTree as ET
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.doubles.redshift.wire import WireError

_SECONDS = 900


class TemporaryPasswords:
    """Passwords by user name, as in ``IAM:loader``; any number at a time for one name."""

    def __init__(self) -> None:
        self._issued: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    def issue(self, user: str) -> str:
        """A new password of *user*."""
        password = secrets.token_urlsafe(24)
        self.note(user, password)
        return password

    def note(self, user: str, password: str) -> None:
        """Somebody issued *password*."""
        with self._lock:
            self._issued.add((user, password))

    def role(self, user: str, password: str) -> str:
        """The database user behind *user*.

        :raises WireError: the password was not issued to him, or no longer holds.
        """
        with self._lock:
            issued = (user, password) in self._issued
        if not issued:
            raise WireError("28000", f'password authentication failed for user "{user}"')
        kind, name = user.split(":", 1)
        return user if kind == "IAMR" else name

    def expire(self) -> None:
        """Let every password lapse, as they do after at most an hour."""
        with self._lock:
            self._issued.clear()


class Issuer:
    """The HTTP server that issues temporary passwords.

    :param moto: moto's endpoint.
    :param serverless_user: whom GetCredentials logs in, as in ``IAMR:orderpull``.
    """

    def __init__(self, passwords: TemporaryPasswords, moto: str, serverless_user: str) -> None:
        self.refuse = ""
        """If set, the AWS error code that every request is refused with."""
        self.asked: list[str] = []
        """The actions that were asked for."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _answering(self, moto))
        self._server.daemon_threads = True
        self.passwords = passwords
        self.serverless_user = serverless_user
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True, name="issuer"
        )
        self._thread.start()

    @property
    def url(self) -> str:
        """What clients give as the endpoint."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


def _answering(issuer: Issuer, moto: str) -> type[BaseHTTPRequestHandler]:
    class Answering(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            action = _action(self.headers.get("X-Amz-Target", ""), body)
            issuer.asked.append(action)
            if issuer.refuse:
                self._answer(400, _refusal(action, issuer.refuse), _media(action))
            elif action.startswith("RedshiftServerless"):
                self._answer(200, _serverless(issuer), _media(action))
            else:
                status, answer = _ask_moto(moto, dict(self.headers), body)
                _note(issuer.passwords, answer)
                self._answer(status, answer, "text/xml")

        def _answer(self, status: int, body: bytes, media: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", media)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            """Say nothing."""

    return Answering


def _action(target: str, body: bytes) -> str:
    return target or urllib.parse.parse_qs(body.decode()).get("Action", [""])[0]


def _media(action: str) -> str:
    return "application/x-amz-json-1.1" if "Serverless" in action else "text/xml"


def _serverless(issuer: Issuer) -> bytes:
    """The answer to redshift-serverless:GetCredentials."""
    user = issuer.serverless_user
    until = time.time() + _SECONDS
    told = {"dbUser": user, "dbPassword": issuer.passwords.issue(user), "expiration": until}
    return json.dumps(told).encode()


def _refusal(action: str, code: str) -> bytes:
    if "Serverless" in action:
        return json.dumps({"__type": code, "message": "refused by the test"}).encode()
    return (
        f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code>"
        "<Message>refused by the test</Message></Error></ErrorResponse>"
    ).encode()


def _ask_moto(moto: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
    place = urllib.parse.urlsplit(moto)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)
    try:
        connection.request("POST", "/", body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def _note(passwords: TemporaryPasswords, answer: bytes) -> None:
    """Keep the password that *answer* issues, if it does."""
    if b"DbPassword" not in answer:
        return
    found = {
        element.tag.rpartition("}")[2]: element.text for element in ET.fromstring(answer).iter()
    }
    passwords.note(found["DbUser"] or "", found["DbPassword"] or "")
