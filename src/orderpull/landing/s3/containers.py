"""The containers of a source in a bucket."""

from collections.abc import Callable, Iterator, Sequence

from orderpull.failpoints import failpoint
from orderpull.landing.container import FOLDER, Container
from orderpull.landing.containers import ContainerStore, unlike
from orderpull.s3 import Bucket, PreconditionFailed


class BucketContainers(ContainerStore):
    """The containers in *bucket*.

    :param check: proves that this process still has the right to rewrite pages.
    """

    def __init__(self, bucket: Bucket, check: Callable[[], None]) -> None:
        self._bucket = bucket
        self._check = check

    def __str__(self) -> str:
        return str(self._bucket)

    def sizes(self) -> Iterator[tuple[str, int]]:
        """Names of the objects in the folder, in order, and their sizes in bytes."""
        return self._bucket.sizes(f"{FOLDER}/")

    def read(self, container: Container, start: int, size: int) -> bytes | None:
        """At most *size* bytes from *start* on; the last *size* bytes if *start* is negative."""
        span = f"-{size}" if start < 0 else f"{start}-{start + size - 1}"
        stored = self._bucket.get(container.key, span)
        return stored.data if stored else None

    def write(
        self,
        container: Container,
        parts: Sequence[bytes],
        is_whole: Callable[[ContainerStore], bool],
    ) -> None:
        """Put *parts*, and delete them again if *is_whole* reads back other bytes."""
        self._check()
        failpoint("container-written")
        try:
            self._bucket.create(container.key, b"".join(parts))
        except PreconditionFailed:
            raise self._bucket.error(f"{container.key} is there already", "Run again.") from None
        failpoint("container-stored")
        if not is_whole(self):
            self.delete(container)
            raise unlike(f"{self}/{container.key}")

    def delete(self, container: Container) -> None:
        """Delete *container*; one that is missing already is no error."""
        self._check()
        self._bucket.delete(container.key)
