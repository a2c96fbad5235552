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
from orderpull.sources.paging.json_extract import TellReader, Told
from orderpull.sources.spec.api import Api
from orderpull.sources.spec.blocks import ChildrenSpec, ErrorSpec
from orderpull.sources.spec.expression import paths
from orderpull.sources.spec.order import ListPath
from orderpull.sources.spec.times import parse_time
from orderpull.sources.spec.validation import HEADER

_BOM = b"\xef\xbb\xbf"
_CONTROL = re.compile(rb"[\x00-\x1f]")
_SURROGATE = re.compile(
    rb"(\\\\|\\u[dD][89abAB]..\\u[dD][c-fC-F]..)|\\u[dD][89a-fA-F]..", re.DOTALL
)
_LINK = re.compile(r"<([^>]*)>((?:\s*;[^,<]*(?:\"[^\"]*\")?)*)")
_RELATION = re.compile(r";\s*rel\s*=\s*(?:\"([^\"]*)\"|([^\s;,\"]+))", re.IGNORECASE)
_NO_NUMBER = re.compile(rb"\bNaN\b|-?\bInfinity\b")


@dataclass(frozen=True, slots=True)
class Wanted:
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
class Reading:
    """What one look at a page tells.

    :param state: as in :class:`orderpull.landing.page.PageMeta`.
    :param complete: whether it is one whole JSON text, whatever it holds.
    :param legible: whether it has a list of orders from first to last: what is not JSON in it, if
        anything, is inside single orders.
    :param orders: length of the list, where it is legible.
    :param problem: why it is not whole, in words.
    :param versions: for each order a hash of what tells this version from every other; for an API
        without cursor one hash of the page.
    :param stamps: for each order that has one, when it was changed.
    :param total: how many orders the API says there are.
    :param next: the cursor or URL of the next page.
    :param more: whether there is a next page, where the API says so.
    :param upper: how far the API says it looked.
    :param failure: the error that the answer is, though it may have status 200.
    :param words: the API's own words for it.
    :param cost: what the answer says of a budget of points: asked for, left, restored per second.
    :param wanted: lists that have to be asked for.
    :param asked: how many orders were asked for.
    :param moved: whether it was asked for by a position behind the first.
    """

    state: State
    complete: bool = False
    legible: bool = False
    orders: int = 0
    problem: str | None = None
    versions: list[int] = field(default_factory=list)
    stamps: list[datetime] = field(default_factory=list)
    total: int | None = None
    next: str | None = None
    more: bool | None = None
    upper: datetime | None = None
    failure: ErrorSpec | None = None
    words: str = ""
    cost: tuple[float, float, float] | None = None
    wanted: list[Wanted] = field(default_factory=list)
    asked: int | None = None
    moved: bool = False

    @property
    def newest(self) -> datetime | None:
        """The newest stamp."""
        return max(self.stamps, default=None)

    def sorted_from(self, lower: datetime) -> bool:
        """Whether the orders come sorted by their stamp, none before *lower*, none without."""
        ordered = all(a <= b for a, b in zip(self.stamps, self.stamps[1:], strict=False))
        complete = len(self.stamps) == self.orders
        return complete and ordered and (not self.stamps or self.stamps[0] >= lower)


class PageReader:
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
        self._page = TellReader(self._records, self._told())
        self._cursor = None if children else api.cursor
        self._identity = _identity(api)
        self._children = [] if children else api.children
        self._order = TellReader(None, self._told_by_orders())
        self._failures = TellReader(None, self._told_of_errors())

    def read(self, body: bytes, headers: Mapping[str, str] | None = None) -> Reading:
        """Look at *body*, and at the *headers* that it came with."""
        try:
            body = self.json(body)
        except Exception as error:  # noqa: BLE001 - somebody else's function
            return Reading("damaged", problem=f"the hook's page failed ({type(error).__name__})")
        return self._look_at(body, headers)

    def json(self, body: bytes) -> bytes:
        """The JSON that *body* is, or that the API's hook makes of it."""
        return self._hook(body) if self._hook else body

    def _look_at(self, body: bytes, headers: Mapping[str, str] | None) -> Reading:
        if body.startswith(_BOM):
            return _marked(self._look_at(body.removeprefix(_BOM), headers))
        reading = self._read(body, headers or {})
        if reading.state == "damaged" and (mended := _mended(body)) != body:
            tolerant = self._read(mended, headers or {})
            if tolerant.legible:
                return replace(tolerant, state="damaged", complete=False, problem=reading.problem)
        return reading

    def records(self, body: bytes) -> list[Raw]:
        """The list's elements of a whole page, each in its own text."""
        records = self._page.decode(body).records
        return records if records is not None else []

    def _told(self) -> list[str]:
        """What is read of a page beside its orders."""
        paging = self._paging
        paths = [paging.next, paging.more, self._upper, *self._told_of_errors()]
        if not (paging.total or "").startswith(HEADER):
            paths.append(paging.total)
        return [path for path in paths if path]

    def _told_of_errors(self) -> list[str]:
        paths = [path for error in self._errors for path in (error.path, error.message)]
        if cost := self._cost:
            paths += [cost.requested, cost.available, cost.restore]
        return [path for path in paths if path]

    def _told_by_orders(self) -> list[str]:
        """What is read of each order."""
        paths = [self._cursor.path, self._identity] if self._cursor else []
        for children in self._children:
            paths += [p for p in (children.key, children.more, children.next) if p]
        return [".".join((*self._inner, path)) for path in paths]

    def _read(self, body: bytes, headers: Mapping[str, str]) -> Reading:
        try:
            body.decode()
            page = self._page.decode(body)
        except UnicodeDecodeError as error:
            return Reading("damaged", problem=f"byte {error.start} is not UTF-8")
        except msgspec.ValidationError:
            return self._without_list(body)
        except (msgspec.DecodeError, RecursionError) as error:
            return Reading("damaged", problem=_not_json(body, error))
        if page.records is None:
            return self._without_list(body)
        records = page.records
        reading = Reading("whole", complete=True, legible=True, orders=len(records))
        reading.total = self._count(page, headers, len(records))
        self._look_for_more(page, headers, reading)
        self._look_for_errors(page, reading)
        self._look_for_cost(page, reading)
        if self._order.paths:
            self._look_into(records, reading)
        if not self._cursor:
            reading.versions.append(hash(body))
        return reading

    def _without_list(self, body: bytes) -> Reading:
        """What an answer is that has no list of orders where one should be."""
        reading = _without_list(body, self._records)
        if reading.complete and self._errors:
            with suppress(msgspec.DecodeError):
                page = self._failures.decode(body)
                self._look_for_errors(page, reading)
                self._look_for_cost(page, reading)
        return reading

    def _count(self, page: Told, headers: Mapping[str, str], orders: int) -> int | None:
        """The total that the API tells, unless it is nonsense: fewer than the page holds."""
        where = self._paging.total
        if not where:
            return None
        if where.startswith(HEADER):
            text = headers.get(where.removeprefix(HEADER).lower(), "")
            total: object = int(text) if text.isdecimal() and text.isascii() else None
        else:
            total = page.at(where)
        return total if isinstance(total, int) and total >= orders else None

    def _look_for_more(self, page: Told, headers: Mapping[str, str], reading: Reading) -> None:
        paging = self._paging
        if paging.kind == "link":
            reading.next = following_link(headers.get("link", ""))
        elif paging.next:
            told = page.at(paging.next)
            known = isinstance(told, str | int) and not isinstance(told, bool)
            reading.next = str(told) if known and str(told) else None
        if paging.more and (more := page.at(paging.more)) is not None:
            reading.more = more not in (False, 0, "", "false")
        if self._upper:
            reading.upper = parse_time(page.at(self._upper), *self._times)

    def _look_for_cost(self, page: Told, reading: Reading) -> None:
        if self._cost is None:
            return
        cost = self._cost
        asked, left, back = (page.at(p) for p in (cost.requested, cost.available, cost.restore))
        if all(isinstance(number, int | float) for number in (asked, left, back)):
            reading.cost = float(asked), float(left), float(back)

    def _look_for_errors(self, page: Told, reading: Reading) -> None:
        for error in self._errors:
            found = page.at(error.path)
            if found is None or (error.values and str(found) not in error.values):
                continue
            reading.failure = error
            words = page.at(error.message) if error.message else None
            reading.words = str(words) if isinstance(words, str) else ""
            break

    def _look_into(self, records: list[Raw], reading: Reading) -> None:
        """Read each order's stamp, and whether something of it has to be asked for."""
        cursor = self._cursor
        for position, raw in enumerate(records):
            try:
                order = self._order.decode(raw)
            except msgspec.DecodeError:
                reading.versions.append(hash(bytes(raw)))
                continue
            if cursor:
                text = order.at(self._own(cursor.path))
                stamp = parse_time(text, *self._times)
                identity = order.at(self._own(self._identity))
                reading.versions.append(hash((str(identity), str(text))))
                if stamp is not None:
                    reading.stamps.append(stamp)
            reading.wanted += self._wanted(position, order)

    def _wanted(self, position: int, order: Told) -> Iterator[Wanted]:
        for number, children in enumerate(self._children):
            key = order.at(self._own(children.key))
            more = children.more is None or order.at(self._own(children.more)) is True
            if more and isinstance(key, str | int):
                at = order.at(self._own(children.next)) if children.next else None
                yield Wanted(position, number, str(key), str(at) if at is not None else None)

    def _own(self, path: str) -> str:
        """A path from the order, as one from the list's element."""
        return ".".join((*self._inner, path))


def following_link(header: str) -> str | None:
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


def _marked(reading: Reading) -> Reading:
    """What a page is that begins with a byte order mark: complete, but not for every reader."""
    if reading.state == "whole":
        reading.state = "damaged"
        reading.problem = "it begins with a byte order mark"
    return reading


def _mended(body: bytes) -> bytes:
    """*body* with blanks and nulls where single values are not JSON: to be counted, never kept."""
    text = body.decode(errors="replace").encode()
    text = _CONTROL.sub(b" ", text)
    text = _SURROGATE.sub(lambda match: match[1] or rb"\ufffd", text)
    return _NO_NUMBER.sub(b"null", text)


def _without_list(body: bytes, steps: tuple[str, ...]) -> Reading:
    """A page that has no list of orders where one should be, at least as far as it goes."""
    try:
        msgspec.json.decode(body, type=Raw)
    except (msgspec.DecodeError, RecursionError) as error:
        return Reading("damaged", problem=_not_json(body, error))
    place = f"under {'.'.join(steps)!r}" if steps else "at its top"
    problem = f"it is JSON without a list of orders {place}"
    return Reading("unexpected", complete=True, problem=problem)


def _not_json(body: bytes, error: Exception) -> str:
    start = body.lstrip()[:1]
    if not start:
        return "it is empty"
    if start == b"<":
        return "it is HTML, not JSON"
    return f"it is not whole JSON ({str(error).rstrip('.')})" if str(error) else "nested too deep"
