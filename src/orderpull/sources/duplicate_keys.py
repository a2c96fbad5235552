"""Find the same key twice on the path to the list of orders.

JSON readers differ in which of the two they return, so that a list of orders could be missed.
"""

import json
import re
from typing import Any

import msgspec

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_PLAIN = re.compile(r"[\w-]+", re.ASCII)

Pairs = list[tuple[str, Any]]


def has_duplicate_key(body: bytes, path: tuple[str, ...]) -> bool:
    """True if a key of *path* occurs twice in its object, with different values.

    :raises msgspec.DecodeError: *body* has no value at *path*.
    """
    if not path or _occur_once(body, path):
        return False
    value = body
    try:
        for key in path:
            last = bytes(_OBJECT.decode(value)[key])
            if _is_duplicated(value, key, last):
                return True
            value = last
    except RecursionError:
        pass
    except KeyError as error:
        raise msgspec.ValidationError(f"no {error}") from None
    return False


def _occur_once(body: bytes, path: tuple[str, ...]) -> bool:
    """True if no key of *path* can occur twice, by the text alone."""
    return b"\\u00" not in body and all(
        _PLAIN.fullmatch(key) and body.count(b'"%s"' % key.encode()) == 1 for key in path
    )


def _is_duplicated(value: bytes, key: str, last: bytes) -> bool:
    """True if *key* has another value in the object *value* than the *last*."""
    at = value.rindex(last)
    rest = value[:at] + b"null" + value[at + len(last) :]  # nothing before the last value changes
    values = [each for name, each in _pairs(rest) if name == key]
    return len(values) > 1 and any(each != _pairs(last) for each in values[:-1])


def _pairs(text: bytes) -> Any:  # noqa: ANN401 - JSON, each object as a list of its members
    return json.loads(text, object_pairs_hook=Pairs, parse_int=str, parse_float=str)
