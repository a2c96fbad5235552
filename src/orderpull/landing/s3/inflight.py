"""Requests in flight to a landing in a bucket: noted on this machine and in the bucket.

The note in the bucket says that something was asked, to whoever looks. The bytes of the answer,
until they are a page, are on the machine that asked alone. The two belong together where both name
the same pull, and so do the bytes and a page: each page says which pull landed it.
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from orderpull.errors import LandingBusy, LandingError
from orderpull.failpoints import failpoint
from orderpull.landing.inflight import InFlightRequest, first_line, parse_request, read_requests
from orderpull.s3 import Bucket, PreconditionFailed

FOLDER = "in-flight/"


class InFlightStore:
    """One source's requests in flight.

    :param here: the folder of this machine for them.
    :param pull: a name for this pull, unlike that of every other.
    :param landed_by: tells which pull landed a page; None if that page is not there.
    """

    def __init__(
        self, bucket: Bucket, here: Path, pull: str, landed_by: Callable[[int], str | None]
    ) -> None:
        self._bucket = bucket
        self._here = here
        self._pull = pull
        self._landed_by = landed_by
        self._drafts: dict[int, InFlightRequest] = {}

    def begin(self, page: int, request: str, reserve: int) -> InFlightRequest:
        """Note that *request* is about to be sent: here, then in the bucket.

        :raises OSError: there is no *room* here.
        :raises LandingBusy: another process has such a request in flight.
        """
        draft = InFlightRequest.begin(self._here / _name(page), request, reserve, self._pull)
        failpoint("noted-here")
        try:
            self._bucket.create(FOLDER + _name(page), first_line(request, self._pull))
        except PreconditionFailed:
            draft.discard()
            raise LandingBusy(
                f"Another orderpull has page {page} of {self._bucket} in flight.",
                "Let it finish; one puller at a time keeps orders whole.",
            ) from None
        except LandingError:
            self._known(draft).discard()
            raise
        failpoint("noted")
        return self._known(draft)

    def found(self, next_page: Callable[[], int]) -> list[InFlightRequest]:
        """What a kill left, by page number; with the bytes that had arrived, if they are here.

        Bytes whose number somebody else has used meanwhile get one above all others.

        :param next_page: tells the number that the next page gets; is asked only for such bytes.
        """
        noted = {draft.page: draft for draft in self._noted()}
        pulls = {page: draft.pull for page, draft in noted.items()}
        for draft in noted.values():
            draft.pull = ""  # without its bytes it is no answer of that pull
        # Nothing came of one without status; the bucket knows whether it was sent.
        here = [draft for draft in read_requests(self._here) if draft.status]
        new = next_page() if here else 0
        late: list[InFlightRequest] = []
        for draft in here:
            same = pulls.get(draft.page, draft.pull) == draft.pull
            if same and (draft.page >= new or self._landed_by(draft.page) == draft.pull):
                noted[draft.page] = draft
            else:
                late.append(draft)
        free = max([new, *(page + 1 for page in noted)])
        moved = [_renumbered(draft, free + nth) for nth, draft in enumerate(late)]
        return [self._known(draft) for draft in [*(noted[page] for page in sorted(noted)), *moved]]

    def pull_of(self, page: int) -> str:
        """Which pull's answer becomes *page*."""
        draft = self._drafts.get(page)
        return draft.pull if draft and draft.pull else self._pull

    def discard(self, page: int) -> None:
        """Forget the request whose answer was to become *page*, if there is one."""
        if page in self._drafts:
            self._drafts[page].discard()

    def _noted(self) -> list[InFlightRequest]:
        """The requests in flight as the bucket knows them: without any answer."""
        names = [name for name in self._bucket.names(FOLDER) if name.endswith(".part")]
        found = ((name, self._bucket.get(FOLDER + name)) for name in names)
        return [parse_request(self._here / name, got.data) for name, got in found if got]

    def _known(self, draft: InFlightRequest) -> InFlightRequest:
        """*draft*; once it is discarded, its note in the bucket goes, too."""

        def forget() -> None:
            self._drafts.pop(draft.page, None)
            with suppress(LandingError):  # the next run finds that out, too
                self._bucket.delete(FOLDER + _name(draft.page))

        draft.on_discard = forget
        self._drafts[draft.page] = draft
        return draft


def _name(page: int) -> str:
    return f"{page:012d}.part"


def _renumbered(draft: InFlightRequest, page: int) -> InFlightRequest:
    """*draft* under another number, its file too."""
    path = draft.path.with_name(_name(page))
    draft.path.rename(path)
    draft.path, draft.page = path, page
    return draft
