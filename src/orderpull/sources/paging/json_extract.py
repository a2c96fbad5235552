"""Reading some values out of a JSON text, without building the rest of it."""

from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct

from orderpull.sources.spec.expression import Step, parse_path

Keys = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Extracted:
    """What one JSON text told.

    :param records: the elements of its list, each in its own text; None if there is no list.
    """

    reader: "JsonExtractor"
    value: object
    records: list[Raw] | None

    def get(self, path: str) -> Any:  # noqa: ANN401 - JSON
        """What is at *path*, one of the reader's; None if nothing is."""
        keys, rest = self.reader.paths_by_name[path]
        value_there = _at(self.value, keys)
        for step in rest:
            if isinstance(step, int):
                value_there = (
                    value_there[step]
                    if isinstance(value_there, list) and step < len(value_there)
                    else None
                )
            else:
                value_there = value_there.get(step) if isinstance(value_there, dict) else None
        return None if value_there is UNSET else value_there


class JsonExtractor:
    """Reads JSON texts for what is at *paths*, and for the list at *records*.

    :param records: keys that lead to it, none where the text itself is the list; None: there is no
        list to look for.
    """

    def __init__(self, records: Keys | None, paths: list[str]) -> None:
        self.paths = paths
        self._records = records
        leaves: dict[Keys, Any] = {records: list[Raw]} if records else {}
        steps = {path: parse_path(path).steps for path in paths}
        keys = {path: _leading_keys(each) for path, each in steps.items()}
        for each in keys.values():
            leaves.setdefault(each, Any)
        outer = {k for k in leaves if not any(k[: len(o)] == o for o in leaves if o != k)}
        self.paths_by_name: dict[str, tuple[Keys, tuple[Step, ...]]] = {}
        for path, each in keys.items():
            way = next(o for o in outer if each[: len(o)] == o)
            self.paths_by_name[path] = way, steps[path][len(way) :]
        listed = records == ()
        type_: Any = list[Raw] if listed else _tree({k: leaves[k] for k in leaves if k in outer})
        self._decoder = msgspec.json.Decoder(type_)

    def decode(self, text: bytes | Raw) -> Extracted:
        """What *text* tells. :raises msgspec.DecodeError: it is no such JSON."""
        value = self._decoder.decode(text)
        records = value if isinstance(value, list) else _at(value, self._records or ("",))
        return Extracted(self, value, records if isinstance(records, list) else None)


def _leading_keys(steps: tuple[Step, ...]) -> Keys:
    """The keys of *steps* before the first index."""
    keys: list[str] = []
    for step in steps:
        if isinstance(step, int):
            break
        keys.append(step)
    return tuple(keys)


def _tree(leaves: dict[Keys, Any]) -> type[Struct]:
    """A type that decodes just the given paths, absent ones as UNSET."""
    children: dict[str, dict[Keys, Any]] = {}
    for steps, leaf in leaves.items():
        children.setdefault(steps[0], {})[steps[1:]] = leaf
    fields: list[Any] = []
    for index, (_, below) in enumerate(children.items()):
        type_ = below[()] if () in below else _tree(below)
        optional = Any if type_ is Any else type_ | None | msgspec.UnsetType
        fields.append((f"f{index}", optional, UNSET))
    names = {f"f{index}": key for index, key in enumerate(children)}
    return msgspec.defstruct("Tree", fields, rename=names)


def _at(value: object, steps: Keys) -> Any:  # noqa: ANN401 - JSON
    for step in steps:
        if not isinstance(value, Struct):
            return None
        names = dict(zip(value.__struct_encode_fields__, value.__struct_fields__, strict=True))
        value = getattr(value, names[step]) if step in names else None
    return value
