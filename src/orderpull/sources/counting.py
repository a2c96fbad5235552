"""Count the orders that an API holds in a period, by the request of ``[count]``."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import msgspec
from msgspec.structs import replace

from orderpull.sources.endpoint import Endpoint
from orderpull.sources.http.messages import Request
from orderpull.sources.paging.doubts import Doubts
from orderpull.sources.paging.flows import Pager, PageRequest
from orderpull.sources.paging.json_extract import JsonExtractor
from orderpull.sources.paging.page_info import PageInfo
from orderpull.sources.paging.page_parser import PageParser
from orderpull.sources.paging.window import Window
from orderpull.sources.spec.api import Api
from orderpull.sources.spec.blocks import HEADER, ChildrenSpec, CountSpec, CursorSpec


@dataclass(frozen=True, slots=True)
class Count:
    """A number of orders. :param exact: false if the API says that there may be more."""

    orders: int
    exact: bool = True


class CountParser(PageParser):
    """Parses responses of ``[count]``; a response without a number is not a whole one.

    :ivar last: the number in the last response that had one.
    """

    def __init__(self, api: Api, spec: CountSpec) -> None:
        # Errors and costs are those of a response that is a single record.
        super().__init__(api, ChildrenSpec(into="_", key="_", request=spec.request, one=True))
        self._spec = spec
        header = spec.total.startswith(HEADER)
        paths = [path for path in (None if header else spec.total, spec.exact) if path]
        self._numbers = JsonExtractor(None, paths)
        self.last = Count(0)

    def parse(self, body: bytes, headers: Mapping[str, str] | None = None) -> PageInfo:
        """Parse a response; without a number its problem says so."""
        info = super().parse(body, headers)
        count = self._count_in(body, headers or {})
        if count is None or info.error is not None:
            if info.error is None and info.is_json:
                info.has_records = False
                info.problem = f"it tells no number of orders at {self._spec.total!r}"
            return info
        self.last = count
        return PageInfo("whole", is_json=True, has_records=True, total=count.orders, cost=info.cost)

    def _count_in(self, body: bytes, headers: Mapping[str, str]) -> Count | None:
        """The number in a response, if there is one."""
        spec, exact = self._spec, True
        number: object = headers.get(spec.total.removeprefix(HEADER).lower(), "")
        if self._numbers.paths:
            with suppress(msgspec.DecodeError, RecursionError):
                values = self._numbers.decode(body)
                if spec.exact:
                    exact = values.get(spec.exact) == spec.exact_value
                if not spec.total.startswith(HEADER):
                    number = values.get(spec.total)
        if isinstance(number, str) and number.isascii() and number.isdecimal():
            number = int(number)
        if isinstance(number, bool) or not isinstance(number, int) or number < 0:
            return None
        return Count(number, exact)


def count_request(
    endpoint: Endpoint, spec: CountSpec, cursor: CursorSpec, since: datetime, until: datetime
) -> Request:
    """The request that counts the orders changed from *since* to *until*.

    Orders changed exactly at *until* may be in the number or not, as the API reads its bounds.
    """
    window = Window(Pager(endpoint.api.paging), bounded(cursor, spec), since, until, Doubts())
    return endpoint.request(PageRequest(window.params(since)), spec.request)


def bounded(cursor: CursorSpec, spec: CountSpec | None) -> CursorSpec:
    """*cursor* with the upper bound that only ``[count]`` names."""
    return replace(cursor, upper=spec.upper) if spec and spec.upper else cursor
