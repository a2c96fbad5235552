"""Places for a landing, as the tests of what holds in all of them need them."""

from pathlib import Path
from typing import Protocol

from orderpull.landing import local
from orderpull.landing.protocol import SourceLanding
from tests.landing.buckets import TestBucket


class Place(Protocol):
    """A place where a landing of one source is."""

    def open(self, name: str = "shop") -> SourceLanding:
        """The landing of source *name*, ready, as another process would open it."""
        ...

    @property
    def address(self) -> tuple[str, str]:
        """URL of the landing, and the store's endpoint; '' for a folder."""
        ...

    def get(self, name: str) -> bytes:
        """What lies at *name* below the landing of the source ``shop``."""
        ...

    def put(self, name: str, data: bytes) -> None:
        """Put *data* there, as somebody would who is no orderpull."""
        ...

    def names(self) -> list[str]:
        """What lies there, but for locks, in order."""
        ...

    def name_of(self, page: int) -> str:
        """Where landed page number *page* lies."""
        end = f"{page:012d}.json.zst"
        return next(name for name in self.names() if name.endswith(end))


class FolderPlace(Place):
    """A folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "landing"

    def open(self, name: str = "shop") -> SourceLanding:
        landing = local.LocalSourceLanding(self._folder / name, name)
        landing.prepare()
        return landing

    @property
    def address(self) -> tuple[str, str]:
        return str(self._folder), ""

    def get(self, name: str) -> bytes:
        return (self._folder / "shop" / name).read_bytes()

    def put(self, name: str, data: bytes) -> None:
        path = self._folder / "shop" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)

    def names(self) -> list[str]:
        top = self._folder / "shop"
        found = (path for path in top.rglob("*") if path.is_file() and path.name != ".lock")
        return sorted(str(path.relative_to(top)) for path in found)


class S3Place(Place):
    """A bucket."""

    def __init__(self, bucket: TestBucket) -> None:
        self._bucket = bucket

    def open(self, name: str = "shop") -> SourceLanding:
        landing = self._bucket.landing(name)
        landing.prepare()
        return landing

    @property
    def address(self) -> tuple[str, str]:
        return self._bucket.settings().url, self._bucket.url

    def get(self, name: str) -> bytes:
        return self._bucket.get(name)

    def put(self, name: str, data: bytes) -> None:
        self._bucket.put(name, data)

    def names(self) -> list[str]:
        return [name for name in self._bucket.keys() if name != ".lock"]  # noqa: SIM118 - no dict
