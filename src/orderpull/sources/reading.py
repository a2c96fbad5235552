"""Reading a page just enough to go on: is it whole, how many orders, changed when.

Each page is read once, without building its orders; their shaping is ``normalize``'s.
"""

import re
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct

from orderpull.landing.page import State
from orderpull.sources.expression import paths
from orderpull.sources.spec import Api
from orderpull.sources.times import parse_time

_BOM = b"\xef\xbb\xbf"
_CONTROL = re.compile(rb"[\x00-\x1f]")
_SURROGATE = re.compile(
    rb"(\\\\|\\u[dD][89abAB]..\\u[dD][c-fC-F]..)|\\u[dD][89a-fA-F]..", re.DOTALL
)
_NO_NUMBER = re.compile(rb"\bNaN\b|-?\bInfinity\b")


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
    """

    state: State
    complete: bool = False
    legible: bool = False
    orders: int = 0
    problem: str | None = None
    versions: list[int] = field(default_factory=list)
    stamps: list[datetime] = field(default_factory=list)
    total: int | None = None

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
    """Reads the pages of one API."""

    def __init__(self, api: Api) -> None:
        leaves: dict[tuple[str, ...], Any] = {}
        self._total = tuple((api.paging.total or "").split(".")) if api.paging.total else None
        if self._total:
            leaves[self._total] = Any
        self._records = api.record_path.steps
        if self._records:
            leaves[self._records] = list[Raw]
            self._page = msgspec.json.Decoder(_tree(leaves))
        else:
            self._page = msgspec.json.Decoder(list[Raw])
        self._wanted = api.cursor is not None
        self._inner = api.record_path.inner
        if api.cursor:
            self._stamp = (*self._inner, *api.cursor.path.split("."))
            self._id = (*self._inner, *_identity(api))
            self._order = msgspec.json.Decoder(_tree({self._stamp: Any, self._id: Any}))

    def read(self, body: bytes) -> Reading:
        """Look at *body*."""
        if body.startswith(_BOM):
            return _marked(self.read(body.removeprefix(_BOM)))
        reading = self._read(body)
        if reading.state == "damaged" and (mended := _mended(body)) != body:
            tolerant = self._read(mended)
            if tolerant.legible:
                return replace(tolerant, state="damaged", complete=False, problem=reading.problem)
        return reading

    def _read(self, body: bytes) -> Reading:
        try:
            body.decode()
            page = self._page.decode(body)
        except UnicodeDecodeError as error:
            return Reading("damaged", problem=f"byte {error.start} is not UTF-8")
        except msgspec.ValidationError:
            return _without_list(body, self._records)
        except (msgspec.DecodeError, RecursionError) as error:
            return Reading("damaged", problem=_not_json(body, error))
        records = _at(page, self._records)
        if not isinstance(records, list):
            return _without_list(body, self._records)
        reading = Reading("whole", complete=True, legible=True, orders=len(records))
        reading.total = self._count(page, len(records))
        if self._wanted:
            self._stamps(records, reading)
        else:
            reading.versions.append(hash(body))
        return reading

    def records(self, body: bytes) -> list[Raw]:
        """The list's elements of a whole page, each in its own text."""
        records = _at(self._page.decode(body), self._records)
        return records if isinstance(records, list) else []

    def _count(self, page: object, orders: int) -> int | None:
        """The total that the API tells, unless it is nonsense: fewer than the page holds."""
        total = _at(page, self._total) if self._total else None
        return total if isinstance(total, int) and total >= orders else None

    def _stamps(self, records: list[Raw], reading: Reading) -> None:
        for raw in records:
            try:
                order = self._order.decode(raw)
            except msgspec.DecodeError:
                reading.versions.append(hash(bytes(raw)))
                continue
            text, stamp = _at(order, self._stamp), parse_time(_at(order, self._stamp))
            reading.versions.append(hash((str(_at(order, self._id)), str(text))))
            if stamp is not None:
                reading.stamps.append(stamp)


def _identity(api: Api) -> tuple[str, ...]:
    """Where an order says what it is: its id, else its number."""
    known = api.mapping.id or api.mapping.number
    first = next(paths(known))
    return tuple(str(step) for step in first.steps)


def _tree(leaves: dict[tuple[str, ...], Any]) -> type[Struct]:
    """A type that decodes just the given paths, absent ones as UNSET."""
    children: dict[str, dict[tuple[str, ...], Any]] = {}
    for steps, leaf in leaves.items():
        children.setdefault(steps[0], {})[steps[1:]] = leaf
    fields: list[Any] = []
    for index, (_, below) in enumerate(children.items()):
        type_ = below[()] if () in below else _tree(below)
        fields.append((f"f{index}", type_ | msgspec.UnsetType if type_ is not Any else Any, UNSET))
    names = {f"f{index}": key for index, key in enumerate(children)}
    return msgspec.defstruct("Tree", fields, rename=names)


def _at(value: object, steps: tuple[str, ...]) -> object:
    for step in steps:
        if not isinstance(value, Struct):
            return None
        names = dict(zip(value.__struct_encode_fields__, value.__struct_fields__, strict=True))
        value = getattr(value, names[step])
    return value


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
