"""The values at some paths of a JSON text, as a type that decodes nothing else."""

from collections.abc import Iterable
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from orderpull.sources.spec.expression import Step
from orderpull.sqltext import identifier

Kind = frozenset[type]
"""Further types of a value, beside text, whole number and null: ``bool``, ``float``."""

_INTEGER: Any = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
_ELEMENT = ""
"""Stands for each element of a list; no key of a path is empty."""


class NoCommonType(ValueError):
    """The values at the paths cannot be decoded by one type."""


class ValueTree:
    """The values at some paths, without the text in between.

    A whole number has at most 64 bits. The elements of a list share one type, whatever the index.

    :ivar children: the tree or the kind below each key.
    :ivar names: attribute of each key in the type.
    :ivar lists_scalars: a list has elements that are values.
    """

    def __init__(self) -> None:
        self.lists_scalars = False
        self.children: dict[str, ValueTree | Kind] = {}
        self.names: dict[str, str] = {}

    def add(self, steps: tuple[Step, ...], kind: Kind) -> None:
        """Add the value at *steps*. :raises NoCommonType: it cannot be added."""
        if isinstance(steps[-1], int):
            self.lists_scalars = True
        parent = self._parent(steps)
        key = _key(steps[-1])
        known = parent.children.setdefault(key, kind)
        if isinstance(known, ValueTree):
            raise NoCommonType(f"{key!r} is both a value and a container")
        parent.children[key] = known & kind

    def _parent(self, steps: tuple[Step, ...]) -> "ValueTree":
        tree = self
        for step in steps[:-1]:
            child = tree.children.setdefault(_key(step), ValueTree())
            if not isinstance(child, ValueTree):
                raise NoCommonType(f"{step!r} is both a value and a container")
            tree = child
        return tree

    def order_type(self, own: dict[str, str]) -> Any:  # noqa: ANN401 - a type
        """A type that decodes an object; *own*: further attributes, and the JSON key of each."""
        folded = [key.casefold() for key in (*self.children, *own.values())]
        if len({*folded}) < len(folded):  # a STRUCT of DuckDB takes such keys for one
            raise NoCommonType("keys differ only in case")
        self.names = {key: f"f{n}" for n, key in enumerate(self.children)}
        fields: list[tuple[str, Any, Any]] = [(name, int, 0) for name in own]
        fields += [
            (self.names[key], _type(child) | None, None) for key, child in self.children.items()
        ]
        rename = {name: key for key, name in self.names.items()} | own
        return msgspec.defstruct("Kept", fields, rename=rename, omit_defaults=True, gc=False)

    @property
    def is_list(self) -> bool:
        """True for a list. :raises NoCommonType: it is read as an object, too."""
        if _ELEMENT in self.children and len(self.children) > 1:
            raise NoCommonType("a container is read as a list and as an object")
        return _ELEMENT in self.children

    @property
    def element(self) -> "ValueTree | Kind":
        """The tree or the kind of each element of a list."""
        return self.children[_ELEMENT]

    def sql_columns(self) -> dict[str, str]:
        """SQL type of each child."""
        return {key: _sql_type(child) for key, child in self.children.items()}

    def values(self, roots: Iterable[Any], steps: tuple[Step, ...]) -> list[Any]:
        """The value at *steps* of each of *roots*; None if it is absent."""
        values, tree = list(roots), self
        for step in steps:
            if isinstance(step, int):
                values = [v[step] if v is not None and step < len(v) else None for v in values]
            else:
                name = tree.names[step]
                values = [None if v is None else getattr(v, name) for v in values]
            child = tree.children[_key(step)]
            tree = child if isinstance(child, ValueTree) else ValueTree()
        return values


def _key(step: Step) -> str:
    return _ELEMENT if isinstance(step, int) else step


def _type(child: ValueTree | Kind) -> Any:  # noqa: ANN401 - a type
    if not isinstance(child, ValueTree):
        type_: Any = str | _INTEGER
        for further in child:
            type_ |= further
        return type_
    if child.is_list:
        element: Any = _type(child.element) | None
        return list[element]
    return child.order_type({})


def _sql_type(child: ValueTree | Kind) -> str:
    if not isinstance(child, ValueTree):
        return "VARCHAR"
    if child.is_list:
        return f"{_sql_type(child.element)}[]"
    fields = (f"{identifier(key)} {type_}" for key, type_ in child.sql_columns().items())
    return f"STRUCT({', '.join(fields)})"
