"""Filters: on fields that are there, shared where they look shared, and in the right order."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from xml.etree import ElementTree as ET

from orderpull.tableau.lint.workbook import Book, Finding, Sheet, plain, references

CLASSES = frozenset({"categorical", "quantitative", "relative-date", "hierarchical"})


def columns(book: Book) -> Iterator[Finding]:
    """Each filter is of a declared pill or a group, once, and in the sheet's slices."""
    for sheet in book.sheets:
        sliced = {each.text for each in sheet.element.iterfind("table/view/slices/column")}
        times = Counter(each.get("column", "") for each in sheet.filters)
        for each in sheet.filters:
            column = each.get("column", "")
            if each.get("class") not in CLASSES:
                yield Finding("filter-class", sheet.place, f"{each.get('class')!r} filters nothing")
            if not _there(book, sheet, column):
                yield Finding("filter-field", sheet.place, f"it is filtered by {column}, not there")
            elif column not in sliced:
                yield Finding("slices", sheet.place, f"{column} filters, and is in no slice")
        for column in sorted(str(each) for each in sliced - set(times)):
            yield Finding("slice-alone", sheet.place, f"{column} is a slice that no filter fills")
        for column, count in times.items():
            if count > 1:
                yield Finding("filter-twice", sheet.place, f"{column} filters {count} times")


def _there(book: Book, sheet: Sheet, column: str) -> bool:
    pairs = references(column)
    return bool(pairs) and all(
        sheet.declared.has(source, name)
        or (source in book.sources and name in book.sources[source].groups)
        or name == ":Measure Names"
        for source, name in pairs
    )


def levels(book: Book) -> Iterator[Finding]:
    """What a filter chooses from is the field that it filters."""
    for sheet in book.sheets:
        for each in sheet.filters:
            for _, name in references(each.get("column", "")):
                yield from _levels(book, sheet, each, name)


def _levels(book: Book, sheet: Sheet, each: ET.Element, name: str) -> Iterator[Finding]:
    group = next((s.groups[name] for s in book.sources.values() if name in s.groups), None)
    allowed = {name}
    if group is not None:
        allowed |= {plain(part.get("level", "")) for part in group.iter("groupfilter")}
    for part in each.iter("groupfilter"):
        level = part.get("level")
        if level and plain(level) not in allowed:
            sentence = f"the filter of [{name}] chooses from {level}"
            yield Finding("filter-level", sheet.place, sentence)


def ranges(book: Book) -> Iterator[Finding]:
    """A range has a lower end that is not above its upper end."""
    for sheet in book.sheets:
        for each in sheet.filters:
            if each.get("class") != "quantitative":
                continue
            low, high = each.findtext("min"), each.findtext("max")
            if low is None and high is None and each.get("included-values") == "in-range":
                yield Finding("range-open", sheet.place, f"{each.get('column')} has no range")
            if _reversed(low, high):
                sentence = f"{each.get('column')} goes from {low} to {high}"
                yield Finding("range", sheet.place, sentence)


def _reversed(low: str | None, high: str | None) -> bool:
    """Whether a range of numbers goes down; dates are left to Tableau."""
    try:
        return low is not None and high is not None and float(low) > float(high)
    except ValueError:
        return False


def tops(book: Book) -> Iterator[Finding]:
    """A Top N is computed before other filters, unless they are in the context."""
    for sheet in book.sheets:
        others = [
            each
            for each in sheet.filters
            if each.get("class") == "categorical"
            and each.get("context") != "true"
            and each.find(".//groupfilter[@function='end']") is None
        ]
        for each in sheet.filters:
            if each.find(".//groupfilter[@function='end']") is not None and others:
                sentence = "a Top N is cut before the other filters; they need context, or a rank"
                yield Finding("top-before-filter", sheet.place, sentence)


def shared(book: Book) -> Iterator[Finding]:
    """A filter on a dashboard that is shared by some of its sheets is shared by all."""
    for board in book.boards:
        on_it = [sheet for sheet in book.sheets if sheet.name in board.sheets]
        groups: dict[str, dict[str, str]] = defaultdict(dict)
        for sheet in on_it:
            for each in sheet.filters:
                number = each.get("filter-group")
                if number:
                    groups[each.get("column", "")][sheet.name] = number
        for column, numbers in groups.items():
            for sheet in on_it:
                if sheet.name not in numbers:
                    sentence = f"{column} filters other sheets of {board.name!r}, but not this one"
                    yield Finding("filter-missing", sheet.place, sentence)
            if len(set(numbers.values())) > 1:
                sentence = f"{column} is chosen apart for its sheets"
                yield Finding("filter-groups", board.place, sentence)


RULES = (columns, levels, ranges, tops, shared)
