"""Index of the pages in a bucket, read with few listings.

Pages lie in folders named by month, in order: a page is never in a month before that of a lower
number.
"""

from collections.abc import Callable
from typing import TypeVar

from orderpull import clock
from orderpull.landing.container import FOLDER
from orderpull.landing.page import MONTH, file_name, page_numbers
from orderpull.s3 import Bucket

_FEW_NAMES = 10

Result = TypeVar("Result")


class PageIndex:
    """The pages with an object of their own. Lists of months and first pages are cached.

    :ivar has_containers: there are containers, too, as of the last list of months.
    """

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._months: list[str] = []
        self._firsts: dict[str, int] = {}
        self.has_containers = False

    def pages(self, after: int) -> list[int]:
        """Numbers of the pages above *after*, ascending.

        The months are listed from the newest back, each from *after* on, until no older month can
        hold a newer page. The cost grows with the number of new pages.
        """
        newer: list[int] = []
        for month in reversed(self._read()):
            numbers = list(page_numbers(self._bucket.names(f"{month}/", file_name(after))))
            newer[:0] = numbers
            nothing_new = not numbers and self._first(month) is not None
            if nothing_new or numbers[:1] == [after + 1]:
                break
        return newer

    def key_of_new(self, page: int) -> str:
        """The key for a new page: in this month, or in the newest month if that is later."""
        now = clock.now().strftime("%Y-%m")
        months = self._months or self._read()
        month = max([now, *months[-1:]])
        if month not in months:
            months.append(month)
        return f"{month}/{file_name(page)}"

    def find(self, page: int, look: Callable[[str], Result | None]) -> Result | None:
        """The result of *look* for the key of *page*; the months are listed again before None."""
        for list_again in (False, True):
            if list_again:
                self._read()
            month = self._month_of(page)
            result = look(f"{month}/{file_name(page)}") if month else None
            if result is not None:
                return result
        return None

    def forget_firsts(self) -> None:
        """Read anew where each month begins: pages were deleted."""
        self._firsts.clear()

    def months(self) -> list[str]:
        """List the months that have pages with an object of their own, oldest first."""
        return self._read()

    def _month_of(self, page: int) -> str | None:
        """The month that holds *page* if any does: the last whose first page is not above it."""
        begun = [month for month in self._months if (self._first(month) or page + 1) <= page]
        return begun[-1] if begun else None

    def _first(self, month: str) -> int | None:
        """The number of the first page in *month*; None if the month has no page."""
        if month not in self._firsts:
            names = self._bucket.names(f"{month}/", page_size=_FEW_NAMES)
            first = next(page_numbers(names), None)
            if first is None:
                return None
            self._firsts[month] = first
        return self._firsts[month]

    def _read(self) -> list[str]:
        """List the months that have pages, oldest first."""
        folders = self._bucket.folders()
        self.has_containers = FOLDER in folders
        self._months = [name for name in folders if MONTH.fullmatch(name)]
        return self._months
