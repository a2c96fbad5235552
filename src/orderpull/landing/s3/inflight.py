"""Requests in flight of a landing in a bucket: each has a file on this machine and a bucket object.

The object shows every machine that a request was sent. The file holds the bytes received so far,
and only the machine that sent the request has it. File and object belong together if they name the
same pull. Every page names the pull that landed it, so that a file and its page can be matched.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from orderpull.errors import LandingBusy, LandingError
from orderpull.failpoints import failpoint
from orderpull.landing.encryption import Encryption
from orderpull.landing.inflight import (
    InFlightRequest,
    first_line,
    parse_request,
    part_name,
    read_requests,
)
from orderpull.landing.protocol import ONE_PULLER
from orderpull.s3 import Bucket, PreconditionFailed

FOLDER = "in-flight/"


class InFlightStore:
    """The requests in flight of one source.

    :param folder: folder on this machine for their files.
    :param pull: unique id of this pull.
    :param landed_by: returns the id of the pull that landed a page; None if the page is missing.
    :param encryption: how the responses are encrypted.
    """

    def __init__(
        self,
        bucket: Bucket,
        folder: Path,
        pull: str,
        landed_by: Callable[[int], str | None],
        encryption: Encryption,
    ) -> None:
        self._bucket = bucket
        self._folder = folder
        self._pull = pull
        self._landed_by = landed_by
        self._encryption = encryption
        self._requests: dict[int, InFlightRequest] = {}

    def begin(self, page: int, request: str, reserve: int) -> InFlightRequest:
        """Record that *request* is about to be sent, first in a file, then in the bucket.

        :param reserve: bytes of disk space to allocate for the response.
        :raises OSError: the file or the space is not available.
        :raises LandingBusy: another process has a request for *page* in flight.
        """
        path = self._folder / part_name(page)
        in_flight = InFlightRequest.begin(
            path, request, self._encryption, reserve=reserve, pull=self._pull
        )
        failpoint("noted-here")
        try:
            self._bucket.create(FOLDER + path.name, first_line(request, self._pull, None))
        except PreconditionFailed:
            in_flight.discard()
            raise LandingBusy(
                f"Another orderpull has page {page} of {self._bucket} in flight.", ONE_PULLER
            ) from None
        except LandingError:
            self._track(in_flight).discard()
            raise
        failpoint("noted")
        return self._track(in_flight)

    def recover(self, next_page: Callable[[], int]) -> list[InFlightRequest]:
        """Requests of a killed process by page number, with the bytes received on this machine.

        If another process has landed a page under the same number, the recovered response gets the
        next free number.

        :param next_page: returns the next page number; called only if this machine has bytes.
        """
        requests = {noted.page: noted for noted in self._objects()}
        pulls = {page: noted.pull for page, noted in requests.items()}
        for noted in requests.values():
            noted.pull = ""  # its bytes are missing, so that no response of that pull can follow
        # A file without a status holds no bytes; the bucket has the request if it was sent.
        local = [file for file in read_requests(self._folder, self._encryption) if file.status]
        new = next_page() if local else 0
        late: list[InFlightRequest] = []
        for file in local:
            same = pulls.get(file.page, file.pull) == file.pull
            if same and (file.page >= new or self._landed_by(file.page) == file.pull):
                requests[file.page] = file
            else:
                late.append(file)
        free = max([new, *(page + 1 for page in requests)])
        for number, file in enumerate(late, start=free):
            path = file.path.rename(file.path.with_name(part_name(number)))
            requests[number] = replace(file, path=path, page=number)
        return [self._track(requests[number]) for number in sorted(requests)]

    def pull_of(self, page: int) -> str:
        """Id of the pull whose response becomes *page*."""
        in_flight = self._requests.get(page)
        return in_flight.pull if in_flight and in_flight.pull else self._pull

    def discard(self, page: int) -> None:
        """Discard the request for *page*, if there is one."""
        if page in self._requests:
            self._requests[page].discard()

    def _objects(self) -> list[InFlightRequest]:
        """The requests in flight in the bucket, all without a response."""
        names = [name for name in self._bucket.names(FOLDER) if name.endswith(".part")]
        objects = ((name, self._bucket.get(FOLDER + name)) for name in names)
        return [
            parse_request(self._folder / name, each.data, self._encryption)
            for name, each in objects
            if each
        ]

    def _track(self, in_flight: InFlightRequest) -> InFlightRequest:
        """Return *in_flight*; discarding it now also deletes its object from the bucket."""

        def forget() -> None:
            self._requests.pop(in_flight.page, None)
            with suppress(LandingError):  # the next run deletes it again
                self._bucket.delete(FOLDER + part_name(in_flight.page))

        in_flight.on_discard = forget
        self._requests[in_flight.page] = in_flight
        return in_flight
