"""Pages in a bucket by their numbers, found with few listings.

They lie in folders of months, in order: no page lies in a month before that of a lower number.
"""

import re
from collections.abc import Callable
from typing import TypeVar

from orderpull import clock
from orderpull.landing.page import SUFFIX
from orderpull.s3 import Bucket

_MONTH = re.compile(r"\d{4}-\d{2}")
_PAGE = re.compile(r"(\d{12})" + re.escape(SUFFIX))
_FEW_NAMES = 10

Found = TypeVar("Found")


class PageIndex:
    """The months of one source's pages. What was listed once is remembered as long as it helps."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._months: list[str] = []
        self._firsts: dict[str, int] = {}

    def pages(self, after: int) -> list[int]:
        """Numbers of the pages above *after*, ascending.

        Months are listed from the newest back, each for keys after that number, until no older
        page can be missing. The cost follows the number of new pages.
        """
        found: list[int] = []
        for month in reversed(self._read()):
            names = self._bucket.names(f"{month}/", f"{after:012d}{SUFFIX}" if after else "")
            numbers = [int(match[1]) for name in names if (match := _PAGE.fullmatch(name))]
            found[:0] = numbers
            nothing_new = not numbers and self._first(month) is not None
            if nothing_new or numbers[:1] == [after + 1]:
                break
        return found

    def key_of_new(self, page: int) -> str:
        """The key for a new page: in this month, but never in one before the newest."""
        now = clock.now().strftime("%Y-%m")
        months = self._months or self._read()
        month = max([now, *months[-1:]])
        if month not in months:
            months.append(month)
        return _key(month, page)

    def find(self, page: int, look: Callable[[str], Found | None]) -> Found | None:
        """What *look* finds at the key of *page*; months are listed anew before it is given up."""
        for listed in (False, True):
            if listed:
                self._read()
            month = self._month_of(page)
            found = look(_key(month, page)) if month else None
            if found is not None:
                return found
        return None

    def _month_of(self, page: int) -> str | None:
        """The month in which *page* lies, if anywhere: the last that begins no later."""
        begun = [month for month in self._months if (self._first(month) or page + 1) <= page]
        return begun[-1] if begun else None

    def _first(self, month: str) -> int | None:
        """The number of the first page in *month*; None if there is none."""
        if month not in self._firsts:
            names = self._bucket.names(f"{month}/", at_once=_FEW_NAMES)
            first = next((int(match[1]) for n in names if (match := _PAGE.fullmatch(n))), None)
            if first is None:
                return None
            self._firsts[month] = first
        return self._firsts[month]

    def _read(self) -> list[str]:
        """The months in which there are pages, oldest first."""
        self._months = [name for name in self._bucket.folders("") if _MONTH.fullmatch(name)]
        return self._months


def _key(month: str, page: int) -> str:
    return f"{month}/{page:012d}{SUFFIX}"
