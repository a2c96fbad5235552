"""SQL that opens JSON container by container, after checking the kind of each.

DuckDB returns NULL without an error for a container of the wrong kind.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from orderpull.sources.spec.expression import Step
from orderpull.sqltext import literal

Steps = tuple[Step, ...]


def shown_path(steps: Steps, start: str = "$") -> str:
    """*steps* as a JSON path."""
    return start + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)


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
    :param texts: paths of values read as text.
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
        self._texts = dict.fromkeys(texts)
        for steps in dict.fromkeys([*self._texts, *values]):
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
