"""Reading a page just enough to go on: is it whole, how many orders, changed when.

Each page is read once, without building its orders; their shaping is ``normalize``'s.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct

from orderpull.landing.page import State
from orderpull.sources.expression import paths
from orderpull.sources.spec import Api

_BOM = b"\xef\xbb\xbf"


@dataclass(slots=True)
class Reading:
    """What one look at a page tells.

    :param state: as in :class:`orderpull.landing.page.PageMeta`.
    :param orders: length of the list.
    :param problem: why it is not whole, in words.
    :param versions: for each order a hash of what tells this version from every other.
    :param stamps: for each order that has one, when it was changed.
    :param total: how many orders the API says there are.
    """

    state: State
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
        try:
            body.decode()
            page = self._page.decode(body)
        except UnicodeDecodeError as error:
            return Reading("damaged", problem=f"byte {error.start} is not UTF-8")
        except msgspec.ValidationError:
            return Reading("unexpected", problem=_expected(self._records))
        except (msgspec.DecodeError, RecursionError) as error:
            return Reading("damaged", problem=_not_json(body, error))
        records = _at(page, self._records)
        if not isinstance(records, list):
            return Reading("unexpected", problem=_expected(self._records))
        reading = Reading("whole", len(records), total=self._count(page))
        if self._wanted:
            self._stamps(records, reading)
        return reading

    def records(self, body: bytes) -> list[Raw]:
        """The list's elements of a whole page, each in its own text."""
        records = _at(self._page.decode(body), self._records)
        return records if isinstance(records, list) else []

    def _count(self, page: object) -> int | None:
        total = _at(page, self._total) if self._total else None
        return total if isinstance(total, int) else None

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


def is_whole(body: bytes) -> bool:
    """Whether *body* is one whole JSON text, whatever it holds; a byte order mark is let pass."""
    try:
        text = body.removeprefix(_BOM)
        text.decode()
        msgspec.json.decode(text, type=Raw)
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError):
        return False
    return True


def parse_time(value: object) -> datetime | None:
    """ISO 8601 text as UTC without zone; a time without zone is taken as UTC."""
    if not isinstance(value, str):
        return None
    try:
        time = datetime.fromisoformat(value.strip())
    except ValueError:
        return None
    return time.astimezone(UTC).replace(tzinfo=None) if time.tzinfo else time


def format_time(time: datetime, precision: str) -> str:
    """*time* as an API with that precision takes it, rounded down."""
    step = {"s": 1_000_000, "ms": 1000, "us": 1}[precision]
    time -= timedelta(microseconds=time.microsecond % step)
    unit = {"s": "seconds", "ms": "milliseconds", "us": "microseconds"}[precision]
    return time.isoformat(timespec=unit) + "Z"


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


def _expected(steps: tuple[str, ...]) -> str:
    place = f"under {'.'.join(steps)!r}" if steps else "at its top"
    return f"it is JSON, but without a list of orders {place}"


def _not_json(body: bytes, error: Exception) -> str:
    start = body.lstrip()[:1]
    if not start:
        return "it is empty"
    if start == b"<":
        return "it is HTML, not JSON"
    if body.startswith(_BOM):
        return "it begins with a byte order mark"
    return f"it is not whole JSON ({str(error).rstrip('.')})" if str(error) else "nested too deep"
