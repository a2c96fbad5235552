"""How the normalizing SQL walks JSON: container by container, each asked for its kind first.

Opening a container of the wrong kind would give NULL without a word.
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
    """A JSON object or list on the way to a field.

    :param name: the SQL column that holds it once it is open.
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
            found = f"json_extract({self._guarded}, {literal(pointer)})"
            return f"CASE WHEN {found}::VARCHAR <> 'null' THEN {found} END"
        return f"struct_extract({self.name}, {literal(step)})"

    @property
    def opened(self) -> str:
        """SQL that opens the container, if it is of the right kind."""
        keys = {str(step): "JSON" for step in self.children if step not in self._alike}
        structure = '["JSON"]' if self.is_list else json.dumps(keys)
        return f"from_json({self._guarded}, {literal(structure)})"

    @property
    def is_list(self) -> bool:
        """Whether its steps are indexes."""
        return any(isinstance(step, int) for step in self.children)

    @property
    def mark(self) -> str:
        """The character that its JSON text begins with."""
        return "[" if self.is_list else "{"

    @property
    def _guarded(self) -> str:
        return f"CASE WHEN left(({self.source})::VARCHAR, 1) = '{self.mark}' THEN {self.source} END"

    @property
    def _alike(self) -> set[Step]:
        """Keys that differ from an earlier one in case alone: the engine's structs hold but one."""
        seen: set[str] = set()
        alike: set[Step] = set()
        for step in self.children:
            folded = str(step).casefold()
            if folded in seen:
                alike.add(step)
            seen.add(folded)
        return alike


class Walk:
    """Opens the containers that some paths lead through, one level of SQL for each level.

    :param root: SQL of the JSON text that the paths start at.
    :param prefix: prefix of the columns' names.
    :param texts: the ways to what is read as a text.
    :param values: the ways to what is read as JSON alone.
    """

    def __init__(
        self, root: str, prefix: str, texts: Iterable[Steps], values: Iterable[Steps]
    ) -> None:
        self.root = _Container(f"{prefix}0", root)
        self.levels: list[list[_Container]] = [[self.root]]
        self._prefix = prefix
        self._count = 0
        self._texts = dict.fromkeys(texts)
        self._values = dict.fromkeys([*self._texts, *values])
        for steps in self._values:
            self._add(steps)

    def _add(self, steps: Steps) -> None:
        at = self.root
        for depth, step in enumerate(steps[:-1], start=1):
            below = at.children.get(step)
            if below is None:
                self._count += 1
                at.children[step] = None
                below = _Container(f"{self._prefix}{self._count}", at.child(step))
                at.children[step] = below
                if depth == len(self.levels):
                    self.levels.append([])
                self.levels[depth].append(below)
            at = below
        at.children.setdefault(steps[-1], None)

    def value(self, steps: Steps) -> str:
        """The column of the JSON text that *steps* lead to."""
        return f"{self._prefix}v{list(self._values).index(steps)}"

    def text(self, steps: Steps) -> str:
        """The column of the text that *steps* lead to."""
        return f"{self._prefix}t{list(self._texts).index(steps)}"

    def opened(self, source: str) -> str:
        """*source*, with each container, value and text as a further column."""
        levels = [[f"{at.opened} AS {at.name}" for at in level] for level in self.levels]
        levels.append([f"{self._source(steps)} AS {self.value(steps)}" for steps in self._values])
        levels.append(
            [f"json_text({self.value(steps)}) AS {self.text(steps)}" for steps in self._texts]
        )
        for columns in levels:
            source = f"SELECT *, {', '.join(columns)} FROM ({source})"
        return source

    def _source(self, steps: Steps) -> str:
        """SQL of the JSON text that *steps* lead to, from the containers' columns."""
        at = self.root
        for step in steps[:-1]:
            below = at.children[step]
            assert below is not None  # noqa: S101 - _add made it
            at = below
        return at.child(steps[-1])

    def wrong_kinds(self) -> Iterator[tuple[str, str, Steps]]:
        """What can be wrong with each container below the root.

        SQL that is true if it is of another kind, the kind it should have, and its path.
        """

        def below(at: _Container, steps: Steps) -> Iterator[tuple[str, str, Steps]]:
            for step, child in at.children.items():
                if child is None:
                    continue
                first = f"left(({child.source})::VARCHAR, 1)"
                wrong = f"{child.source} IS NOT NULL AND {first} <> '{child.mark}'"
                yield wrong, "a list" if child.is_list else "an object", (*steps, step)
                yield from below(child, (*steps, step))

        yield from below(self.root, ())
