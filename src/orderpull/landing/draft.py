"""A request in flight: kept on the disk from before it is sent until its answer is a page.

The file's first line is the request, the second the answer's status, the rest the body as far as
it has arrived. After a kill it shows what the process was waiting for, and what it had.
"""

import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec


@dataclass
class Draft:
    """One request in flight.

    :param path: its file.
    :param page: the page number that its answer will get.
    :param request: method and URL, secrets taken out.
    :param status: the answer's HTTP status; 0 until there is one.
    :param body: the bytes that had arrived, for a draft found after a kill.
    """

    path: Path
    page: int
    request: str
    status: int = 0
    body: bytes = b""
    _file: int = field(default=-1, repr=False)

    @classmethod
    def begin(cls, path: Path, request: str) -> "Draft":
        """Make the file durable, so that even a loss of power shows that a request was sent."""
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.write(file, msgspec.json.encode({"request": request}) + b"\n")
        os.fsync(file)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        os.fsync(folder)
        os.close(folder)
        return cls(path, int(path.stem), request, _file=file)

    def answered(self, status: int) -> None:
        """Note the answer's *status*; bytes of the body follow."""
        os.write(self._file, msgspec.json.encode({"status": status}) + b"\n")

    def write(self, chunk: bytes) -> None:
        """Keep *chunk* of the body as it arrives: it outlives the process from now on."""
        view = memoryview(chunk)
        while view:
            view = view[os.write(self._file, view) :]

    def discard(self) -> None:
        """Forget the request: its answer is a page now, or it took nothing."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        with suppress(FileNotFoundError):
            self.path.unlink()


def read_drafts(folder: Path) -> list[Draft]:
    """The drafts that a kill left in *folder*, oldest first."""
    if not folder.is_dir():
        return []
    return [_read(path) for path in sorted(folder.glob("*.part"))]


def _read(path: Path) -> Draft:
    request, _, rest = path.read_bytes().partition(b"\n")
    status, newline, body = rest.partition(b"\n")
    return Draft(
        path,
        int(path.stem),
        request=_field(request, "request", "?"),
        status=int(_field(status, "status", "0")) if newline else 0,
        body=body,
    )


def _field(line: bytes, key: str, default: str) -> str:
    """*key* of a line of JSON that a kill may have cut."""
    try:
        return str(msgspec.json.decode(line)[key])
    except (msgspec.DecodeError, KeyError, TypeError):
        return default
