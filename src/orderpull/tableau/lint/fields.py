"""Fields: each is stored or calculated, and each calculation means something."""

import re
from collections import Counter
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter

from orderpull.tableau.formula import FormulaError, fields, parse
from orderpull.tableau.formula_types import Meaning, Type, meaning
from orderpull.tableau.lint.workbook import Book, Finding, Source, plain

_MEANINGS: dict[str, Type] = {
    "string": "string",
    "integer": "number",
    "real": "number",
    "boolean": "boolean",
    "date": "datetime",
    "datetime": "datetime",
}
_FORMAT = re.compile(r'([ncp]["#,0.%$€;+\- ]*[#0][^<>]*|\*[^<>]+|[SLC]\S*)')


def declared(book: Book) -> Iterator[Finding]:
    """Each field has one declaration, leads somewhere, and is what it is stored as."""
    for source in book.stored:
        names = Counter(column.get("name") for column in source.element.findall("column"))
        for name, count in names.items():
            if count > 1:
                yield Finding("field-twice", source.place, f"{name} is declared {count} times")
        for name, column in source.columns.items():
            yield from _declared(source, name, column.get("datatype", ""))
            role, kind = column.get("role"), column.get("type")
            if role not in {"dimension", "measure"}:
                yield Finding("role", source.place, f"[{name}] is neither dimension nor measure")
            if column.get("datatype") == "string" and kind == "quantitative":
                yield Finding("field-kind", source.place, f"[{name}] is a text that is measured")
            shape = column.get("default-format")
            if shape and not _FORMAT.fullmatch(shape):
                yield Finding("format", source.place, f"{shape!r} formats no number")


def _declared(source: Source, name: str, data_type: str) -> Iterator[Finding]:
    if data_type == "table" or source.columns[name].find("calculation") is not None:
        return
    if name not in source.types:
        yield Finding("field-nowhere", source.place, f"[{name}] is neither stored nor calculated")
    elif source.types[name] != data_type:
        sentence = f"[{name}] is stored as {source.types[name]}, declared as {data_type}"
        yield Finding("field-type", source.place, sentence)


def calculations(book: Book) -> Iterator[Finding]:
    """Each formula can be read, names fields that are there, and gives what is declared."""
    for source in book.stored:
        trees = {}
        for name, formula in source.formulas.items():
            try:
                trees[name] = parse(formula)
            except FormulaError as error:
                yield Finding("formula", source.place, f"[{name}] cannot be read: {error}")
        try:
            order = [
                *TopologicalSorter({n: fields(tree) for n, tree in trees.items()}).static_order()
            ]
        except CycleError as error:
            circle = " → ".join(f"[{name}]" for name in error.args[1])
            yield Finding("circle", source.place, f"calculations name each other: {circle}")
            continue
        known = _stored(source) | _parameters(book)
        for name in order:
            if name not in trees:
                continue
            try:
                known[name] = meaning(trees[name], known)
            except FormulaError as error:
                yield Finding("calculation", source.place, f"[{name}]: {error}")
                known[name] = Meaning("unknown", "constant")
            else:
                yield from _fits(source, name, known[name])


def _stored(source: Source) -> dict[str, Meaning]:
    known = {name: _MEANINGS.get(kind, "unknown") for name, kind in source.types.items()}
    return {name: Meaning(kind, "row") for name, kind in known.items()}


def _parameters(book: Book) -> dict[str, Meaning]:
    """What a person sets, as formulas name it."""
    return {
        f"{name}].[{field}": Meaning(
            _MEANINGS.get(column.get("datatype", ""), "unknown"), "constant"
        )
        for name, source in book.sources.items()
        if source.connection is None
        for field, column in source.columns.items()
    }


def _fits(source: Source, name: str, gives: Meaning) -> Iterator[Finding]:
    column = source.columns[name]
    declared_as = _MEANINGS.get(column.get("datatype", ""), "unknown")
    if "unknown" not in {declared_as, gives.type} and declared_as != gives.type:
        sentence = f"[{name}] gives {gives.type}, declared is {column.get('datatype')}"
        yield Finding("calculation-type", source.place, sentence)
    along = column.find("calculation/table-calc")
    if gives.level == "sheet" and along is None:
        yield Finding("table-calculation", source.place, f"[{name}] runs along nothing")
    if gives.level in {"group", "sheet"} and column.get("role") == "dimension":
        yield Finding("aggregate-role", source.place, f"[{name}] is aggregated, and a dimension")


def groups(book: Book) -> Iterator[Finding]:
    """Each group is made of fields that are there."""
    for source in book.stored:
        for name, group in source.groups.items():
            for part in group.iter("groupfilter"):
                level = part.get("level")
                if level and not _known_level(source, plain(level)):
                    sentence = f"[{name}] is made of {level}; there is no such field"
                    yield Finding("group-field", source.place, sentence)


def _known_level(source: Source, level: str) -> bool:
    pills = {plain(each.get("name", "")) for each in source.element.findall("column-instance")}
    return source.has(level) or level in pills


RULES = (declared, calculations, groups)
