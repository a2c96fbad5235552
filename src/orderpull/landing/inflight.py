"""A request in flight: a file that exists from before the request until its response is a page.

Line 1 is the request, line 2 the response's status, and the rest is the body received so far; in
an encrypted landing, each piece of it is a frame. After a kill the next run reads from the file
which request was sent and how much of the response arrived.
"""

import logging
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import msgspec

from orderpull.failpoints import failpoint
from orderpull.landing.encryption import METHODS, PLAIN, Encryption, Method, frame, frames_of
from orderpull.landing.files import sync, write_all

log = logging.getLogger("orderpull.pull")


class ResponseSink:
    """Receives a response while it arrives; this base class ignores it."""

    def answered(self, status: int) -> None:
        """Receive the status after the headers have arrived."""

    def write(self, chunk: bytes) -> None:
        """Receive a piece of the body as sent, possibly compressed."""


@dataclass
class InFlightRequest(ResponseSink):
    """One request in flight.

    :param path: its file.
    :param page: page number for the response.
    :param request: method and URL, secrets redacted.
    :param status: HTTP status of the response; 0 before it arrives.
    :param received: the rest of the file, after a kill.
    :param pull: id of the pull, in a landing that several machines share.
    :param encrypted: how *received* is encrypted; None: it is not.
    :param encryption: of the landing.
    :param on_discard: called after the file is deleted.
    """

    path: Path
    page: int
    request: str
    status: int = 0
    received: bytes = b""
    pull: str = ""
    encrypted: Method | None = None
    encryption: Encryption = field(default=PLAIN, repr=False)
    on_discard: Callable[[], None] = field(default=lambda: None, repr=False)
    _file: int = field(default=-1, repr=False)
    _full: bool = field(default=False, repr=False)

    @classmethod
    def begin(
        cls,
        path: Path,
        request: str,
        encryption: Encryption = PLAIN,
        *,
        reserve: int = 0,
        pull: str = "",
    ) -> "InFlightRequest":
        """Create the file durably, so that even after a power loss it shows the request.

        :param reserve: bytes of disk space to allocate for the response before the request is sent.
        :raises OSError: the file or the space is not available; no file is left.
        """
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            write_all(file, first_line(request, pull, encryption.method))
            if reserve and hasattr(os, "posix_fallocate"):  # the bytes read as zeros until written
                os.posix_fallocate(file, os.lseek(file, 0, os.SEEK_CUR), reserve)
            os.fsync(file)
            sync(path.parent)
        except BaseException:
            os.close(file)
            path.unlink()
            raise
        return cls(
            path,
            int(path.stem),
            request,
            pull=pull,
            encrypted=encryption.method,
            encryption=encryption,
            _file=file,
        )

    @property
    def body(self) -> bytes:
        """The bytes of the body that were received before a kill.

        :raises KeyMissing: they are encrypted, and this machine has no key for them.
        """
        if self.encrypted is None:
            return self.received.rstrip(b"\0")  # of a reserve that was not used
        pieces, where = frames_of(BytesIO(self.received)), f"The response in {self.path}"
        return b"".join(self.encryption.unseal(self.encrypted, each, where) for each in pieces)

    def answered(self, status: int) -> None:
        """Write the response's *status*; the body follows."""
        failpoint("request-sent")
        self._append(msgspec.json.encode({"status": status}) + b"\n")

    def write(self, chunk: bytes) -> None:
        """Append *chunk* of the body, encrypted if need be; after that it outlives the process."""
        self._append(frame(self.encryption.seal(chunk)) if self.encrypted else chunk)

    def _append(self, data: bytes) -> None:
        """Append *data*.

        If the disk is full, the file ends at that byte. The rest of the response is still received,
        because the landing may have space for the page later.
        """
        try:
            if not self._full:
                write_all(self._file, data)
        except OSError as error:
            log.warning("page=%d in flight cannot be written: %s", self.page, error.strerror)
            self._full = True

    def mark_complete(self) -> None:
        """Free the unused part of the reserve at the end of the body: the page needs the space."""
        with suppress(OSError):  # whoever reads the file ignores the zeros of an unused reserve
            os.ftruncate(self._file, os.lseek(self._file, 0, os.SEEK_CUR))

    def close(self) -> None:
        """Close the file; it stays for the next run."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def discard(self) -> None:
        """Delete the file, because the response is a page or the request had no effect."""
        self.close()
        with suppress(OSError):  # the next run discards it again
            self.path.unlink()
        self.on_discard()


def part_name(page: int) -> str:
    """File name of the request whose response becomes *page*."""
    return f"{page:012d}.part"


def read_requests(folder: Path, encryption: Encryption = PLAIN) -> list[InFlightRequest]:
    """The requests in flight in *folder*, oldest first."""
    if not folder.is_dir():
        return []
    return [
        parse_request(path, path.read_bytes(), encryption) for path in sorted(folder.glob("*.part"))
    ]


def first_line(request: str, pull: str, encrypted: Method | None) -> bytes:
    """Line 1 of the file: the request, and the pull's id unless it is ''."""
    line = {"request": request, "pull": pull, "encrypted": encrypted or ""}
    return msgspec.json.encode({key: value for key, value in line.items() if value}) + b"\n"


def parse_request(path: Path, data: bytes, encryption: Encryption = PLAIN) -> InFlightRequest:
    """The request in the content *data* of *path*, which may be cut off anywhere."""
    request, _, rest = data.partition(b"\n")
    status, newline, received = rest.partition(b"\n")
    encrypted = _field(request.rstrip(b"\0"), "encrypted", "")
    return InFlightRequest(
        path,
        int(path.stem),
        request=_field(request, "request", "?"),
        status=int(_field(status, "status", "0")) if newline else 0,
        received=received,
        pull=_field(request, "pull", ""),
        encrypted=next((each for each in METHODS if each == encrypted), None),
        encryption=encryption,
    )


def _field(line: bytes, key: str, default: str) -> str:
    """The value of *key* in a line of JSON; *default* if the line is cut off."""
    try:
        return str(msgspec.json.decode(line)[key])
    except (msgspec.DecodeError, KeyError, TypeError):
        return default
