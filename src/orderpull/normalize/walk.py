"""SQL that opens JSON container by container, after checking the kind of each.

DuckDB returns NULL without an error for a container of the wrong kind.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from orderpull.sources.spec.expression import EACH, Step
from orderpull.sqltext import literal

Steps = tuple[Step, ...]


class Values(Protocol):
    """The values at some paths."""

    def text(self, steps: Steps) -> str:
        """SQL of the text at *steps*."""

    def texts(self, steps: Steps, wheres: "Wheres" = ()) -> str:
        """SQL of the list of texts at *steps*, which go through all elements of a list.

        :param wheres: for each list the condition that its elements have to meet, if any.
        """


Where = Callable[[Values], str]
"""From the values of a list's element to the SQL of a condition."""

Wheres = Sequence[Where | None]


def shown_path(steps: Steps, start: str = "$") -> str:
    """*steps* as a JSON path."""
    return start + "".join(_shown(step) for step in steps)


def _shown(step: Step) -> str:
    if isinstance(step, int):
        return "[*]" if step == EACH else f"[{step}]"
    return f".{step}"


def elements(value: str, steps: Steps) -> str:
    """SQL of the JSON values at *steps* from each element of the JSON list *value*.

    Where something on the way is missing, or of the wrong kind, there is no value.
    """
    return f"json_extract({value}, {literal('$[*]' + _pattern(steps))})"


def element_texts(value: str, steps: Steps) -> str:
    """SQL of the texts of :func:`elements`."""
    return f"json_extract_string({value}, {literal('$[*]' + _pattern(steps))})"


def wrong_elements(value: str, steps: Steps) -> Iterator[tuple[str, str, Steps]]:
    """Each container from the JSON list *value* to *steps* of its elements.

    :return: SQL condition that one is of the wrong kind, the right kind, and its path.
    """
    yield f"{value} IS NOT NULL AND left(({value})::VARCHAR, 1) <> '['", "a list", ()
    for depth, step in enumerate(steps):
        mark, kind = ("[", "a list") if isinstance(step, int) else ("{", "an object")
        other = f"left(e::VARCHAR, 1) NOT IN ('{mark}', 'n')"
        values = elements(value, steps[:depth])
        yield f"len(list_filter({values}, lambda e: {other})) > 0", kind, (EACH, *steps[:depth])


def _pattern(steps: Steps) -> str:
    return "".join(_shown(step) if isinstance(step, int) else f'."{step}"' for step in steps)


def _filtered(value: str, steps: Steps, wheres: Wheres) -> str:
    """As :func:`element_texts`, of the elements that meet the condition of their list."""
    listed, rest = elements(value, ()), steps
    for depth, where in enumerate(wheres):
        name = f"e{depth}"
        if depth:
            inner, rest = _split(rest)
            next_list = f"json_extract({name}, {literal(f'${_pattern(inner)}[*]')})"
            listed = f"flatten(list_transform({listed}, lambda {name}: {next_list}))"
        if where is not None:
            listed = f"list_filter({listed}, lambda {name}: {where(_Element(name))})"
    text = f"json_extract_string(e, {literal('$' + _pattern(rest))})"
    return f"list_transform({listed}, lambda e: {text})"


@dataclass(frozen=True)
class _Element:
    """The values of a list's element. :param name: SQL of its JSON text."""

    name: str

    def text(self, steps: Steps) -> str:
        """SQL of the text at *steps*."""
        return f"json_text({self._value(steps)})"

    def texts(self, steps: Steps, wheres: Wheres = ()) -> str:
        """SQL of the texts at *steps*, which go through all elements of a list."""
        outer, inner = _split(steps)
        return _filtered(self._value(outer), inner, wheres or [None] * steps.count(EACH))

    def _value(self, steps: Steps) -> str:
        return f"json_extract({self.name}, {literal('$' + _pattern(steps))})"


@dataclass
class _Container:
    """A JSON object or list on the path to a field.

    :param name: SQL column of the opened container.
    :param source: SQL of its JSON text.
    """

    name: str
    source: str
    children: dict[Step, "_Container | None"] = field(default_factory=dict)

    def child(self, step: Step) -> str:
        """SQL of the JSON text under *step*."""
        if isinstance(step, int):
            return f"{self.name}[{step + 1}]"
        if step in self._alike:
            pointer = "/" + step.replace("~", "~0").replace("/", "~1")
            value = f"json_extract({self._guarded}, {literal(pointer)})"
            return f"CASE WHEN {value}::VARCHAR <> 'null' THEN {value} END"
        return f"struct_extract({self.name}, {literal(step)})"

    @property
    def opened(self) -> str:
        """SQL that opens the container if its kind is right."""
        keys = {str(step): "JSON" for step in self.children if step not in self._alike}
        structure = '["JSON"]' if self.is_list else json.dumps(keys)
        return f"from_json({self._guarded}, {literal(structure)})"

    @property
    def is_list(self) -> bool:
        """True for a list, whose steps are indexes."""
        return any(isinstance(step, int) for step in self.children)

    @property
    def mark(self) -> str:
        """First character of its JSON text."""
        return "[" if self.is_list else "{"

    @property
    def _guarded(self) -> str:
        return f"CASE WHEN left(({self.source})::VARCHAR, 1) = '{self.mark}' THEN {self.source} END"

    @property
    def _alike(self) -> set[Step]:
        """Keys that equal an earlier one but for case, which a struct of DuckDB cannot hold."""
        seen: set[str] = set()
        alike: set[Step] = set()
        for step in self.children:
            folded = str(step).casefold()
            if folded in seen:
                alike.add(step)
            seen.add(folded)
        return alike


class Walk:
    """Opens the containers on some paths, with one nested SELECT for each depth.

    :param root: SQL of the JSON text at which the paths start.
    :param prefix: prefix of column names.
    :param texts: paths of values read as text. Of a path through all elements of a list, the list
        is read as JSON.
    :param values: paths of values read only as JSON.
    """

    def __init__(
        self, root: str, prefix: str, texts: Iterable[Steps], values: Iterable[Steps]
    ) -> None:
        self.root = _Container(f"{prefix}0", root)
        self.levels: list[list[_Container]] = [[self.root]]
        self._prefix = prefix
        self._count = 0
        self._parents: dict[Steps, _Container] = {}
        distinct = dict.fromkeys(texts)
        self._many = [steps for steps in distinct if EACH in steps]
        self._texts = dict.fromkeys(steps for steps in distinct if EACH not in steps)
        lists = [_split(steps)[0] for steps in self._many]
        for steps in dict.fromkeys([*self._texts, *values, *lists]):
            self._add(steps)

    def _add(self, steps: Steps) -> None:
        parent = self.root
        for depth, step in enumerate(steps[:-1], start=1):
            child = parent.children.get(step)
            if child is None:
                self._count += 1
                parent.children[step] = None
                child = _Container(f"{self._prefix}{self._count}", parent.child(step))
                parent.children[step] = child
                if depth == len(self.levels):
                    self.levels.append([])
                self.levels[depth].append(child)
            parent = child
        parent.children.setdefault(steps[-1], None)
        self._parents[steps] = parent

    def value(self, steps: Steps) -> str:
        """Column of the JSON text at *steps*."""
        return f"{self._prefix}v{list(self._parents).index(steps)}"

    def text(self, steps: Steps) -> str:
        """Column of the text at *steps*."""
        return f"{self._prefix}t{list(self._texts).index(steps)}"

    def texts(self, steps: Steps, wheres: Wheres = ()) -> str:
        """The texts at *steps*, which go through all elements of a list.

        :param wheres: for each list the condition that its elements have to meet, if any.
        """
        outer, inner = _split(steps)
        if any(wheres):
            return _filtered(self.value(outer), inner, wheres)
        return element_texts(self.value(outer), inner)

    def wrong_lists(self) -> Iterator[tuple[str, str, Steps]]:
        """As :meth:`wrong_kinds`, of the paths through all elements of a list."""
        yield from dict.fromkeys(
            (wrong, kind, (*outer, *within))
            for outer, inner in map(_split, self._many)
            for wrong, kind, within in wrong_elements(self.value(outer), inner)
        )

    def opened(self, source: str) -> str:
        """SQL of *source* with further columns for each container, value and text."""
        levels = [[f"{each.opened} AS {each.name}" for each in level] for level in self.levels]
        parents = self._parents.items()
        values = [f"{parent.child(steps[-1])} AS {self.value(steps)}" for steps, parent in parents]
        texts = [f"json_text({self.value(steps)}) AS {self.text(steps)}" for steps in self._texts]
        for columns in (*levels, values, texts):
            source = f"SELECT *, {', '.join(columns)} FROM ({source})"
        return source

    def wrong_kinds(self) -> Iterator[tuple[str, str, Steps]]:
        """Each container below the root: SQL condition of a wrong kind, right kind, path."""

        def below(parent: _Container, steps: Steps) -> Iterator[tuple[str, str, Steps]]:
            for step, child in parent.children.items():
                if child is None:
                    continue
                first = f"left(({child.source})::VARCHAR, 1)"
                wrong = f"{child.source} IS NOT NULL AND {first} <> '{child.mark}'"
                if not child.is_list:  # PHP writes an empty object as an empty list
                    wrong += f" AND ({child.source})::VARCHAR <> '[]'"
                yield wrong, "a list" if child.is_list else "an object", (*steps, step)
                yield from below(child, (*steps, step))

        yield from below(self.root, ())


def _split(steps: Steps) -> tuple[Steps, Steps]:
    """The path of the first list that *steps* go through, and the path in its elements."""
    at = steps.index(EACH)
    return steps[:at], steps[at + 1 :]
