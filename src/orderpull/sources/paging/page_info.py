"""Reading a page just enough to go on: is it whole, how many orders, changed when.

Each page is read once, without building its orders; their shaping is ``normalize``'s.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime

import msgspec
from msgspec import Raw

from orderpull.landing.page import State
from orderpull.sources.paging.json_extract import Extracted, JsonExtractor
from orderpull.sources.spec.api import Api
from orderpull.sources.spec.blocks import HEADER, ChildrenSpec, ErrorSpec
from orderpull.sources.spec.expression import paths
from orderpull.sources.spec.order import ListPath
from orderpull.sources.spec.times import parse_time

_BOM = b"\xef\xbb\xbf"
_CONTROL = re.compile(rb"[\x00-\x1f]")
_SURROGATE = re.compile(
    rb"(\\\\|\\u[dD][89abAB]..\\u[dD][c-fC-F]..)|\\u[dD][89a-fA-F]..", re.DOTALL
)
_LINK = re.compile(r"<([^>]*)>((?:\s*;[^,<]*(?:\"[^\"]*\")?)*)")
_RELATION = re.compile(r";\s*rel\s*=\s*(?:\"([^\"]*)\"|([^\s;,\"]+))", re.IGNORECASE)
_NO_NUMBER = re.compile(rb"\bNaN\b|-?\bInfinity\b")


@dataclass(frozen=True, slots=True)
class ChildRequest:
    """A list of children that has to be asked for.

    :param position: of its order in the page.
    :param children: number of the block ``[[children]]``.
    :param key: what tells the API which order is meant.
    :param next: the cursor at which the list goes on.
    """

    position: int
    children: int
    key: str
    next: str | None = None


@dataclass(slots=True)
class PageInfo:
    """Facts about one response that paging, retries and the landing need.

    :param state: as in :class:`orderpull.landing.page.PageMeta`.
    :param is_json: whether it is one whole JSON text, whatever it holds.
    :param has_records: whether it has a complete list of orders; text that is not JSON stands, if
        anywhere, inside single orders.
    :param orders: length of that list.
    :param problem: why it is not whole, in words.
    :param fingerprints: for each order a hash that identifies its version; one hash of the page
        for an API without cursor.
    :param modified_times: for each order that has one, when it was changed.
    :param total: how many orders the API says there are.
    :param next: the cursor or URL of the next page.
    :param more: whether there is a next page, where the API says so.
    :param server_upper: how far the API says it looked.
    :param error: the error that the answer is, though it may have status 200.
    :param error_message: the API's own words for it.
    :param cost: what the answer says of a budget of points: asked for, left, restored per second.
    :param child_requests: lists that have to be asked for.
    :param requested_size: how many orders were asked for.
    :param is_continuation: whether it was asked for by a position behind the first.
    """

    state: State
    is_json: bool = False
    has_records: bool = False
    orders: int = 0
    problem: str | None = None
    fingerprints: list[int] = field(default_factory=list)
    modified_times: list[datetime] = field(default_factory=list)
    total: int | None = None
    next: str | None = None
    more: bool | None = None
    server_upper: datetime | None = None
    error: ErrorSpec | None = None
    error_message: str = ""
    cost: tuple[float, float, float] | None = None
    child_requests: list[ChildRequest] = field(default_factory=list)
    requested_size: int | None = None
    is_continuation: bool = False

    @property
    def newest(self) -> datetime | None:
        """The newest stamp."""
        return max(self.modified_times, default=None)

    def sorted_from(self, lower: datetime) -> bool:
        """Whether the orders come sorted by their stamp, none before *lower*, none without."""
        ordered = all(
            a <= b for a, b in zip(self.modified_times, self.modified_times[1:], strict=False)
        )
        complete = len(self.modified_times) == self.orders
        return complete and ordered and (not self.modified_times or self.modified_times[0] >= lower)


class PageParser:
    """Reads the pages of one API.

    :param children: reads the pages of this block ``[[children]]`` instead.
    """

    def __init__(self, api: Api, children: ChildrenSpec | None = None) -> None:
        block = children or api
        self._hook = api.functions.page
        self._paging = block.paging
        records = ListPath.parse(block.records.path)
        self._records, self._inner = records.steps, records.inner
        self._times = (api.order.time_format, api.order.timezone)
        self._errors, self._cost = api.errors, api.limits.cost
        self._upper = None if children or not api.cursor else api.cursor.server_upper
        self._page_extractor = JsonExtractor(self._records, self._page_paths())
        self._cursor = None if children else api.cursor
        self._identity = _identity(api)
        self._children = [] if children else api.children
        self._order_extractor = JsonExtractor(None, self._order_paths())
        self._error_extractor = JsonExtractor(None, self._error_paths())

    def parse(self, body: bytes, headers: Mapping[str, str] | None = None) -> PageInfo:
        """Look at *body*, and at the *headers* that it came with."""
        try:
            body = self.json(body)
        except Exception as error:  # noqa: BLE001 - somebody else's function
            return PageInfo("damaged", problem=f"the hook's page failed ({type(error).__name__})")
        return self._parse_tolerant(body, headers)

    def json(self, body: bytes) -> bytes:
        """The JSON that *body* is, or that the API's hook makes of it."""
        return self._hook(body) if self._hook else body

    def _parse_tolerant(self, body: bytes, headers: Mapping[str, str] | None) -> PageInfo:
        if body.startswith(_BOM):
            return _with_bom(self._parse_tolerant(body.removeprefix(_BOM), headers))
        info = self._parse(body, headers or {})
        if info.state == "damaged" and (mended := _repaired(body)) != body:
            tolerant = self._parse(mended, headers or {})
            if tolerant.has_records:
                return replace(tolerant, state="damaged", is_json=False, problem=info.problem)
        return info

    def records(self, body: bytes) -> list[Raw]:
        """The list's elements of a whole page, each in its own text."""
        records = self._page_extractor.decode(body).records
        return records if records is not None else []

    def _page_paths(self) -> list[str]:
        """What is read of a page beside its orders."""
        paging = self._paging
        paths = [paging.next, paging.more, self._upper, *self._error_paths()]
        if not (paging.total or "").startswith(HEADER):
            paths.append(paging.total)
        return [path for path in paths if path]

    def _error_paths(self) -> list[str]:
        paths = [path for error in self._errors for path in (error.path, error.message)]
        if cost := self._cost:
            paths += [cost.requested, cost.available, cost.restore]
        return [path for path in paths if path]

    def _order_paths(self) -> list[str]:
        """What is read of each order."""
        paths = [self._cursor.path, self._identity] if self._cursor else []
        for children in self._children:
            paths += [p for p in (children.key, children.more, children.next) if p]
        return [".".join((*self._inner, path)) for path in paths]

    def _parse(self, body: bytes, headers: Mapping[str, str]) -> PageInfo:
        try:
            body.decode()
            page = self._page_extractor.decode(body)
        except UnicodeDecodeError as error:
            return PageInfo("damaged", problem=f"byte {error.start} is not UTF-8")
        except msgspec.ValidationError:
            return self._without_list(body)
        except (msgspec.DecodeError, RecursionError) as error:
            return PageInfo("damaged", problem=_not_json(body, error))
        if page.records is None:
            return self._without_list(body)
        records = page.records
        info = PageInfo("whole", is_json=True, has_records=True, orders=len(records))
        info.total = self._count(page, headers, len(records))
        self._read_next(page, headers, info)
        self._read_errors(page, info)
        self._read_cost(page, info)
        if self._order_extractor.paths:
            self._read_orders(records, info)
        if not self._cursor:
            info.fingerprints.append(hash(body))
        return info

    def _without_list(self, body: bytes) -> PageInfo:
        """What an answer is that has no list of orders where one should be."""
        info = _without_list(body, self._records)
        if info.is_json and self._errors:
            with suppress(msgspec.DecodeError):
                page = self._error_extractor.decode(body)
                self._read_errors(page, info)
                self._read_cost(page, info)
        return info

    def _count(self, page: Extracted, headers: Mapping[str, str], orders: int) -> int | None:
        """The total that the API tells, unless it is nonsense: fewer than the page holds."""
        where = self._paging.total
        if not where:
            return None
        if where.startswith(HEADER):
            text = headers.get(where.removeprefix(HEADER).lower(), "")
            total: object = int(text) if text.isdecimal() and text.isascii() else None
        else:
            total = page.get(where)
        return total if isinstance(total, int) and total >= orders else None

    def _read_next(self, page: Extracted, headers: Mapping[str, str], info: PageInfo) -> None:
        paging = self._paging
        if paging.kind == "link":
            info.next = next_link(headers.get("link", ""))
        elif paging.next:
            told = page.get(paging.next)
            known = isinstance(told, str | int) and not isinstance(told, bool)
            info.next = str(told) if known and str(told) else None
        if paging.more and (more := page.get(paging.more)) is not None:
            info.more = more not in (False, 0, "", "false")
        if self._upper:
            info.server_upper = parse_time(page.get(self._upper), *self._times)

    def _read_cost(self, page: Extracted, info: PageInfo) -> None:
        if self._cost is None:
            return
        cost = self._cost
        asked, left, back = (page.get(p) for p in (cost.requested, cost.available, cost.restore))
        if all(isinstance(number, int | float) for number in (asked, left, back)):
            info.cost = float(asked), float(left), float(back)

    def _read_errors(self, page: Extracted, info: PageInfo) -> None:
        for error in self._errors:
            found = page.get(error.path)
            if found is None or (error.values and str(found) not in error.values):
                continue
            info.error = error
            words = page.get(error.message) if error.message else None
            info.error_message = str(words) if isinstance(words, str) else ""
            break

    def _read_orders(self, records: list[Raw], info: PageInfo) -> None:
        """Read each order's stamp, and whether something of it has to be asked for."""
        cursor = self._cursor
        for position, raw in enumerate(records):
            try:
                order = self._order_extractor.decode(raw)
            except msgspec.DecodeError:
                info.fingerprints.append(hash(bytes(raw)))
                continue
            if cursor:
                text = order.get(self._from_element(cursor.path))
                stamp = parse_time(text, *self._times)
                identity = order.get(self._from_element(self._identity))
                info.fingerprints.append(hash((str(identity), str(text))))
                if stamp is not None:
                    info.modified_times.append(stamp)
            info.child_requests += self._child_requests(position, order)

    def _child_requests(self, position: int, order: Extracted) -> Iterator[ChildRequest]:
        for number, children in enumerate(self._children):
            key = order.get(self._from_element(children.key))
            more = children.more is None or order.get(self._from_element(children.more)) is True
            if more and isinstance(key, str | int):
                at = order.get(self._from_element(children.next)) if children.next else None
                yield ChildRequest(position, number, str(key), str(at) if at is not None else None)

    def _from_element(self, path: str) -> str:
        """A path from the order, as one from the list's element."""
        return ".".join((*self._inner, path))


def next_link(header: str) -> str | None:
    """The URL that the header ``Link`` calls the next (RFC 8288); None if it calls none so."""
    for match in _LINK.finditer(header):
        relations = _RELATION.search(match[2])
        if relations and "next" in (relations[1] or relations[2]).lower().split():
            return match[1]
    return None


def _identity(api: Api) -> str:
    """Where an order says what it is: its id, else its number."""
    known = api.mapping.id or api.mapping.number
    first = next(paths(known))
    return "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in first.steps).lstrip(".")


def _with_bom(info: PageInfo) -> PageInfo:
    """What a page is that begins with a byte order mark: complete, but not for every reader."""
    if info.state == "whole":
        info.state = "damaged"
        info.problem = "it begins with a byte order mark"
    return info


def _repaired(body: bytes) -> bytes:
    """*body* with blanks and nulls where single values are not JSON: to be counted, never kept."""
    text = body.decode(errors="replace").encode()
    text = _CONTROL.sub(b" ", text)
    text = _SURROGATE.sub(lambda match: match[1] or rb"\ufffd", text)
    return _NO_NUMBER.sub(b"null", text)


def _without_list(body: bytes, steps: tuple[str, ...]) -> PageInfo:
    """A page that has no list of orders where one should be, at least as far as it goes."""
    try:
        msgspec.json.decode(body, type=Raw)
    except (msgspec.DecodeError, RecursionError) as error:
        return PageInfo("damaged", problem=_not_json(body, error))
    place = f"under {'.'.join(steps)!r}" if steps else "at its top"
    problem = f"it is JSON without a list of orders {place}"
    return PageInfo("unexpected", is_json=True, problem=problem)


def _not_json(body: bytes, error: Exception) -> str:
    start = body.lstrip()[:1]
    if not start:
        return "it is empty"
    if start == b"<":
        return "it is HTML, not JSON"
    return f"it is not whole JSON ({str(error).rstrip('.')})" if str(error) else "nested too deep"
