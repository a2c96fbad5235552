"""A request in flight: kept on the disk from before it is sent until its answer is a page.

The file's first line is the request, the second the answer's status, the rest the body as far as
it has arrived. After a kill it shows what the process was waiting for, and what it had.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from orderpull.landing.files import sync_folder, write_all


@dataclass
class InFlightRequest:
    """One request in flight.

    :param path: its file.
    :param page: the page number that its answer will get.
    :param request: method and URL, secrets taken out.
    :param status: the answer's HTTP status; 0 until there is one.
    :param body: the bytes that had arrived, for a draft found after a kill.
    :param pull: by what a landing that is shared by machines knows the pull again.
    :param on_discard: what else is to go once the request is forgotten.
    """

    path: Path
    page: int
    request: str
    status: int = 0
    body: bytes = b""
    pull: str = ""
    on_discard: Callable[[], None] = field(default=lambda: None, repr=False)
    _file: int = field(default=-1, repr=False)

    @classmethod
    def begin(cls, path: Path, request: str, reserve: int = 0, pull: str = "") -> "InFlightRequest":
        """Make the file durable, so that even a loss of power shows that a request was sent.

        :param reserve: bytes to take from the disk before the request is sent, so that a disk that
            fills up meanwhile still has room for the answer.
        :raises OSError: the file cannot be made, or the room is not there; no file is left then.
        """
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            write_all(file, first_line(request, pull))
            _reserve(file, reserve)
            os.fsync(file)
            sync_folder(path.parent)
        except BaseException:
            os.close(file)
            path.unlink()
            raise
        return cls(path, int(path.stem), request, pull=pull, _file=file)

    def answered(self, status: int) -> None:
        """Note the answer's *status*; bytes of the body follow."""
        write_all(self._file, msgspec.json.encode({"status": status}) + b"\n")

    def write(self, chunk: bytes) -> None:
        """Keep *chunk* of the body as it arrives: it outlives the process from now on."""
        write_all(self._file, chunk)

    def mark_complete(self) -> None:
        """The body has ended: give back what is left of the reserve, the page needs it."""
        with suppress(OSError):  # what is left reads as zeros, and those are known
            os.ftruncate(self._file, os.lseek(self._file, 0, os.SEEK_CUR))

    def close(self) -> None:
        """Let go of the file; it stays, to be found by the next run."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def discard(self) -> None:
        """Forget the request: its answer is a page now, or it took nothing."""
        self.close()
        with suppress(OSError):  # the next run finds that out, too
            self.path.unlink()
        self.on_discard()


def read_requests(folder: Path) -> list[InFlightRequest]:
    """The drafts that a kill left in *folder*, oldest first."""
    if not folder.is_dir():
        return []
    return [parse_request(path, path.read_bytes()) for path in sorted(folder.glob("*.part"))]


def first_line(request: str, pull: str) -> bytes:
    """The line that says what is asked, and by which pull if that matters."""
    line = {"request": request} | ({"pull": pull} if pull else {})
    return msgspec.json.encode(line) + b"\n"


def parse_request(path: Path, data: bytes) -> InFlightRequest:
    """The draft that *path* holds as *data*; any end of it may be missing."""
    request, _, rest = data.rstrip(b"\0").partition(b"\n")
    status, newline, body = rest.partition(b"\n")
    return InFlightRequest(
        path,
        int(path.stem),
        request=_field(request, "request", "?"),
        status=int(_field(status, "status", "0")) if newline else 0,
        body=body,
        pull=_field(request, "pull", ""),
    )


def _reserve(file: int, reserve: int) -> None:
    """Take *reserve* bytes after those written; they read as zeros until they are written."""
    if reserve and hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, os.lseek(file, 0, os.SEEK_CUR), reserve)


def _field(line: bytes, key: str, default: str) -> str:
    """*key* of a line of JSON that a kill may have cut."""
    try:
        return str(msgspec.json.decode(line)[key])
    except (msgspec.DecodeError, KeyError, TypeError):
        return default
