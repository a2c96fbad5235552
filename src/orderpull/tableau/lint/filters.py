"""Rules for filters: existing fields, shared groups, and the order of evaluation."""

from collections import Counter, defaultdict
from collections.abc import Iterator

from orderpull.tableau.lint.workbook import (
    Faults,
    Finding,
    Sheet,
    Workbook,
    levels,
    references,
    sheet_rule,
)

CLASSES = frozenset({"categorical", "quantitative", "relative-date", "hierarchical"})


@sheet_rule
def columns(workbook: Workbook, sheet: Sheet) -> Faults:
    """Check that each filter has one declared pill or group, which is also a slice."""
    slices = {each.text for each in sheet.element.iterfind("table/view/slices/column")}
    counts = Counter(each.get("column", "") for each in sheet.filters)
    for each in sheet.filters:
        column = each.get("column", "")
        if each.get("class") not in CLASSES:
            yield "filter-class", f"the filter class {each.get('class')!r} is unknown"
        if not _exists(workbook, sheet, column):
            yield "filter-field", f"it is filtered by {column}, which does not exist"
        elif column not in slices:
            yield "slices", f"{column} is filtered, but is not a slice"
    for column in sorted(str(each) for each in slices - set(counts)):
        yield "slice-alone", f"{column} is a slice without a filter"
    for column, count in counts.items():
        if count > 1:
            yield "filter-twice", f"{column} has {count} filters"


def _exists(workbook: Workbook, sheet: Sheet, column: str) -> bool:
    pairs = references(column)
    return bool(pairs) and all(
        sheet.dependencies.has((source, name))
        or (source in workbook.sources and name in workbook.sources[source].groups)
        or name == ":Measure Names"
        for source, name in pairs
    )


@sheet_rule
def selections(workbook: Workbook, sheet: Sheet) -> Faults:
    """Check that each filter selects from the field that it filters."""
    for each in sheet.filters:
        for _, name in references(each.get("column", "")):
            groups = (s.groups[name] for s in workbook.sources.values() if name in s.groups)
            group = next(groups, None)
            allowed = {name} | (levels(group) if group is not None else set())
            for level in sorted(levels(each) - allowed):
                yield "filter-level", f"the filter of [{name}] selects from [{level}]"


@sheet_rule
def ranges(_: Workbook, sheet: Sheet) -> Faults:
    """Check that each range has limits, the lower one first."""
    for each in sheet.filters:
        if each.get("class") != "quantitative":
            continue
        low, high = each.findtext("min"), each.findtext("max")
        if low is None and high is None and each.get("included-values") == "in-range":
            yield "range-open", f"the range of {each.get('column')} has no limits"
        if _is_reversed(low, high):
            yield "range", f"{each.get('column')} goes from {low} to {high}"


def _is_reversed(low: str | None, high: str | None) -> bool:
    """Return True if a range of numbers is reversed. Ranges of dates are not checked."""
    try:
        return low is not None and high is not None and float(low) > float(high)
    except ValueError:
        return False


@sheet_rule
def tops(_: Workbook, sheet: Sheet) -> Faults:
    """Check for a Top N filter, which Tableau evaluates before filters outside the context."""
    tops = [f for f in sheet.filters if f.find(".//groupfilter[@function='end']") is not None]
    others = [
        each
        for each in sheet.filters
        if each.get("class") == "categorical" and each.get("context") != "true" and each not in tops
    ]
    if others:
        message = "a Top N is evaluated before the other filters; use context filters or a rank"
        yield from (("top-before-filter", message) for _top in tops)


def shared(workbook: Workbook) -> Iterator[Finding]:
    """Check that a shared filter of a dashboard is shared by all its sheets."""
    for dashboard in workbook.dashboards:
        sheets = [sheet for sheet in workbook.sheets if sheet.name in dashboard.sheets]
        groups: dict[str, dict[str, str]] = defaultdict(dict)
        for sheet in sheets:
            for each in sheet.filters:
                if number := each.get("filter-group"):
                    groups[each.get("column", "")][sheet.name] = number
        for column, numbers in groups.items():
            for sheet in sheets:
                if sheet.name not in numbers:
                    message = f"{column} filters other sheets of {dashboard.name!r}, not this one"
                    yield Finding("filter-missing", sheet.location, message)
            if len(set(numbers.values())) > 1:
                message = f"the filter {column} of its sheets is in different groups"
                yield Finding("filter-groups", dashboard.location, message)


RULES = (columns, selections, ranges, tops, shared)
