"""Find the links in an order, and join the records behind them into it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import msgspec
from msgspec import Raw

from orderpull.sources.spec.api import Api
from orderpull.sources.spec.blocks import ChildrenSpec
from orderpull.sources.spec.expression import Step

_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_LIST = msgspec.json.Decoder(list[Raw])


@dataclass(frozen=True, slots=True)
class ChildRequest:
    """A child list to fetch.

    :param position: position of its order in the page.
    :param children: index of the block ``[[children]]``.
    :param key: key that identifies the order to the API.
    :param next: cursor of the first page to fetch; None: the list's first page.
    :param place: index in each list of the order that the block's ``key`` goes through.
    """

    position: int
    children: int
    key: str
    next: str | None = None
    place: tuple[int, ...] = ()


def child_request(
    block: ChildrenSpec,
    position: int,
    number: int,
    get: Callable[[str], object],
    place: tuple[int, ...] = (),
) -> ChildRequest | None:
    """The request for the list of an order, or of an element of it; None if it needs none.

    :param number: index of *block*.
    :param get: returns the value at a path of the block.
    """
    key = get(block.key)
    if isinstance(key, bool) or not isinstance(key, str | int) or key == "":
        return None
    if block.more and not _has_more(get(block.more)):
        return None
    cursor = get(block.next) if block.next else None
    return ChildRequest(position, number, str(key), None if cursor is None else str(cursor), place)


def _has_more(value: object) -> bool:
    """True if *value* is true, or a list that is not empty."""
    return value is True or (isinstance(value, list) and bool(value))


def flat_children(api: Api) -> list[tuple[int, ChildrenSpec]]:
    """The blocks ``[[children]]`` whose key is in the order itself, with their index."""
    return [(number, block) for number, block in enumerate(api.children) if "[]" not in block.key]


def append_records(text: str, into: Sequence[Step], records: list[Raw]) -> str:
    """Append *records* to the list at *into* of the JSON of an order, creating a missing list.

    Other values keep their text. An order with a value of another kind at *into* stays unchanged.
    """
    try:
        return _appended(text.encode(), into, records).decode()
    except (msgspec.ValidationError, IndexError):
        return text


def _appended(text: bytes, into: Sequence[Step], records: list[Raw]) -> bytes:
    if not into:
        return msgspec.json.encode([*([] if text == b"null" else _LIST.decode(text)), *records])
    step, below = into[0], into[1:]
    if isinstance(step, int):
        elements = _LIST.decode(text)
        elements[step] = Raw(_appended(bytes(elements[step]), below, records))
        return msgspec.json.encode(elements)
    members = {} if text == b"null" else _OBJECT.decode(text)
    members[step] = Raw(_appended(bytes(members.get(step, b"null")), below, records))
    return msgspec.json.encode(members)


def at(value: object, keys: Sequence[str]) -> object:
    """The value at *keys* of decoded JSON; None if it is absent."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def elements(
    value: object, lists: Sequence[Sequence[str]]
) -> Iterator[tuple[tuple[int, ...], object]]:
    """Each element of the *lists*, one list within another, and its index in each of them."""
    if not lists:
        yield (), value
        return
    listed = at(value, lists[0])
    for index, each in enumerate(listed if isinstance(listed, list) else []):
        for place, element in elements(each, lists[1:]):
            yield (index, *place), element
