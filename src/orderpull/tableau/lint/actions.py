"""Actions: what a click does, from a sheet that is there, to one, by a field that both have."""

from collections.abc import Iterator
from urllib.parse import unquote
from xml.etree import ElementTree as ET

from orderpull.tableau.lint.workbook import Book, Finding, Sheet, plain, references

COMMANDS = frozenset({"tsc:tsl-filter", "tsc:brush"})


def ends(book: Book) -> Iterator[Finding]:
    """Each action comes from a sheet on its dashboard and goes to one that is there."""
    boards = {board.name: board for board in book.boards}
    sheets = {sheet.name for sheet in book.sheets}
    for action in book.root.iterfind("actions/action"):
        if action.find("command") is None:
            continue  # it opens an address
        place = _place(action)
        source = action.find("source")
        board, sheet = (
            ("", "") if source is None else (source.get("dashboard"), source.get("worksheet"))
        )
        if board and board not in boards:
            yield Finding("action-board", place, f"there is no dashboard {board!r}")
        elif sheet and sheet not in sheets:
            yield Finding("action-sheet", place, f"there is no sheet {sheet!r}")
        elif board and sheet and sheet not in boards[board].sheets:
            yield Finding("action-place", place, f"{sheet!r} does not stand on {board!r}")
        elif not board and not sheet:
            yield Finding("action-source", place, "it begins nowhere")
        target = _parameter(action, "target")
        if target not in boards and target not in sheets:
            yield Finding("action-target", place, f"there is no {target!r} to filter")
        for name in filter(None, _parameter(action, "exclude").split(",")):
            if name not in sheets:
                yield Finding("action-exclude", place, f"it leaves out {name!r}; there is none")


def commands(book: Book) -> Iterator[Finding]:
    """Each action does something that Tableau knows, and a filter says by which field."""
    for action in book.root.iterfind("actions/action"):
        place = _place(action)
        command = action.find("command")
        name = command.get("command") if command is not None else None
        link = action.find("link")
        if name is None and link is None:
            yield Finding("action-empty", place, "it does nothing")
        elif name is not None and name not in COMMANDS:
            yield Finding("action-command", place, f"there is no command {name!r}")
        elif name == "tsc:tsl-filter" and link is None and not _parameter(action, "special-fields"):
            yield Finding("action-link", place, "it filters by no field")
        elif name == "tsc:tsl-filter" and link is not None:
            yield from _link(book, place, action, link.get("expression", ""))


def _link(book: Book, place: str, action: ET.Element, expression: str) -> Iterator[Finding]:
    """``tsl:TARGET?[source].[field]~s0=<[source].[field]~na>``, all but the last part quoted."""
    before, separator, after = expression.partition("?")
    into, equals, value = after.partition("~s0=")
    if not before.startswith("tsl:") or not separator or not equals:
        yield Finding("action-expression", place, f"{expression!r} maps no field")
        return
    if unquote(before.removeprefix("tsl:")) != _parameter(action, "target"):
        yield Finding("action-expression", place, "it names another target than its command")
    pairs = [*references(unquote(into)), *references(value)]
    if len(pairs) < 2:  # noqa: PLR2004 - the field there and the field here
        yield Finding("action-expression", place, f"{expression!r} maps no field")
    for source, name in pairs:
        if source not in book.sources or not book.sources[source].has(name):
            yield Finding("action-field", place, f"there is no field [{source}].[{name}]")
        else:
            yield from _shown(book, place, action, (source, name))


def _shown(book: Book, place: str, action: ET.Element, pair: tuple[str, str]) -> Iterator[Finding]:
    """The clicked sheet shows the field, and the filtered ones wait for it."""
    start = action.find("source")
    clicked = start.get("worksheet") if start is not None else None
    for sheet in book.sheets:
        if sheet.name == clicked and pair not in _fields(sheet):
            yield Finding("action-unseen", place, f"{clicked!r} does not show [{pair[1]}]")
    known = book.sources[pair[0]]
    waiting = [
        name
        for name, group in known.groups.items()
        if any(plain(part.get("level", "")) == pair[1] for part in group.iter("groupfilter"))
    ]
    if not waiting:
        yield Finding("action-group", place, f"nothing waits for a click on [{pair[1]}]")
        return
    excluded = _parameter(action, "exclude").split(",")
    for board in book.boards:
        if board.name != _parameter(action, "target"):
            continue
        for sheet in book.sheets:
            if sheet.name in board.sheets and sheet.name not in excluded:
                filtered = {
                    name for f in sheet.filters for _, name in references(f.get("column", ""))
                }
                if not filtered & set(waiting):
                    yield Finding("action-filter", sheet.place, "no click filters it")


def _fields(sheet: Sheet) -> set[tuple[str, str]]:
    return {
        (source, plain(sheet.declared.instances[source, pill].get("column", "")))
        for source, pill in sheet.shown
        if (source, pill) in sheet.declared.instances
    }


def declared(book: Book) -> Iterator[Finding]:
    """The fields that actions name are declared beside them."""
    actions = book.root.find("actions")
    if actions is None:
        return
    there = {
        (part.get("datasource", ""), plain(column.get("name", "")))
        for part in actions.findall("datasource-dependencies")
        for column in part.findall("column")
    }
    for action in actions.findall("action"):
        link = action.find("link")
        for pair in (
            references(link.get("expression", "").partition("~s0=")[2]) if link is not None else ()
        ):
            if pair not in there:
                yield Finding("action-declared", _place(action), f"[{pair[1]}] is not declared")


def _parameter(action: ET.Element, name: str) -> str:
    found = action.find(f"command/param[@name='{name}']")
    return found.get("value", "") if found is not None else ""


def _place(action: ET.Element) -> str:
    return f"action {action.get('caption') or action.get('name')!r}"


RULES = (ends, commands, declared)
