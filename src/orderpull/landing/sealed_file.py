"""A file of this process alone; for an encrypted landing, encrypted with a key in memory."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from orderpull.landing.encryption import Encryption, frame, frames_of


class SealedFile:
    """A file that is written from its beginning, and then read, perhaps twice.

    :param encryption: of the landing for which the content is meant.
    """

    def __init__(self, path: Path, encryption: Encryption) -> None:
        self.path = path
        self._encryption = encryption.throwaway()

    @contextmanager
    def writing(self) -> Iterator[Callable[[bytes], object]]:
        """A function that appends bytes; the file is empty at first."""
        encryption = self._encryption
        with self.path.open("wb") as file:
            if encryption.method is None:
                yield file.write
            else:
                yield lambda data: file.write(frame(encryption.seal(data)))

    def lines(self) -> Iterator[bytes]:
        """The lines, each with its line feed."""
        method = self._encryption.method
        with self.path.open("rb") as file:
            if method is None:
                yield from file
                return
            rest = b""
            for sealed in frames_of(file):
                piece = rest + self._encryption.unseal(method, sealed, str(self.path))
                *lines, rest = piece.split(b"\n")
                yield from (line + b"\n" for line in lines)
            if rest:
                yield rest
