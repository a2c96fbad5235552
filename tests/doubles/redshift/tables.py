"""CREATE TABLE and ALTER TABLE as PostgreSQL can do them.

Distribution, sorting and encoding are read, checked and left out. So are keys: Redshift records
them and enforces none. What a column's type may be is checked, and its length in bytes enforced, by
a trigger of the database (:mod:`tests.doubles.redshift.catalog`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.doubles.redshift.refuse import RESERVED
from tests.doubles.redshift.tokens import (
    Token,
    closing,
    items,
    names,
    qualified,
    render,
    syntax_error,
    unknown_here,
    unsupported,
    words,
)
from tests.doubles.redshift.wire import WireError

_STYLES = {"AUTO", "EVEN", "KEY", "ALL"}
_ENCODINGS = names(
    "AUTO RAW AZ64 BYTEDICT DELTA DELTA32K LZO MOSTLY8 MOSTLY16 MOSTLY32 RUNLENGTH TEXT255 "
    "TEXT32K ZSTD"
)
_SERIALS = {"SERIAL", "BIGSERIAL", "SMALLSERIAL", "SERIAL2", "SERIAL4", "SERIAL8"}
_NOTHING = "SET redshift.ignored = '1'"


@dataclass
class _Columns:
    """What stands in the parentheses of a CREATE TABLE."""

    written: list[list[Token]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    key: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    """Columns that distribution and sorting name."""
    like: bool = False


def create_table(tokens: Sequence[Token]) -> str:
    """The statement for PostgreSQL.

    :raises WireError: Redshift has no such table.
    """
    said = words(tokens)
    head = said.index("TABLE") + 1
    if said[head : head + 3] == ["IF", "NOT", "EXISTS"]:
        head += 3
    name, at = qualified(tokens, head)
    start = " ".join(word for word in said[:head] if word)
    columns = _Columns()
    listed = at < len(tokens) and tokens[at].text == "("
    end = at
    if listed:
        end = closing(tokens, at) + 1
    query = _query(said, end)
    if query is not None:
        return _as_select(tokens, start, name, (at, end, query), listed=listed)
    if not listed:
        raise syntax_error(tokens[at].text if at < len(tokens) else "end of input")
    for item in items(tokens[at + 1 : end - 1]):
        _read_item(columns, item)
    columns.asked += _attributes(tokens[end:])
    _check_columns(columns)
    written = [
        render(item) + (" NOT NULL" if item[0].name in columns.key else "")
        for item in columns.written
    ]
    return f"{start} {name} ({', '.join(written)})"


def alter_table(tokens: Sequence[Token]) -> str:
    """The statement for PostgreSQL; keys and physical layout become nothing."""
    name, at = qualified(tokens, 2)
    action = words(tokens[at:])
    if action[:1] == ["ALTER"] and action[1:2] != ["COLUMN"]:
        return _NOTHING  # ALTER DISTKEY, DISTSTYLE, SORTKEY, ENCODE
    if action[:1] == ["ALTER"] and "ENCODE" in action:
        return _NOTHING
    if action[:1] == ["ADD"] and set(action[1:4]) & {"PRIMARY", "UNIQUE", "FOREIGN"}:
        return _NOTHING
    if action[:1] == ["ADD"]:
        columns = _Columns()
        _read_item(columns, list(tokens[at + (2 if action[1] == "COLUMN" else 1) :]))
        return f"ALTER TABLE {name} ADD COLUMN {render(columns.written[0])}"
    return f"ALTER TABLE {name} {render(tokens[at:])}"


def _query(said: list[str], at: int) -> int | None:
    """Where the SELECT of a CREATE TABLE … AS begins."""
    depth = 0
    for position in range(at, len(said)):
        depth += {"(": 1, ")": -1}.get(said[position], 0)
        if depth == 0 and said[position] == "AS":
            return position + 1
    return None


def _as_select(
    tokens: Sequence[Token], start: str, name: str, at: tuple[int, int, int], *, listed: bool
) -> str:
    opened, end, query = at
    if "EXISTS" in start:
        raise syntax_error("not")
    _attributes(tokens[end : query - 1])
    columns = render(tokens[opened:end]) if listed else ""
    return f"{start} {name} {columns} AS {render(tokens[query:])}"


def _read_item(columns: _Columns, item: list[Token]) -> None:
    """One column, LIKE or constraint."""
    if not item:
        raise syntax_error(")")
    said = words(item)
    if said[0] == "CONSTRAINT":
        item, said = item[2:], said[2:]
    if said[0] in {"CHECK", "EXCLUDE"}:
        raise unsupported(said[0])
    if said[0] in {"PRIMARY", "UNIQUE", "FOREIGN"}:
        listed = item[said.index("(") + 1 : said.index(")")]
        named = [token.name for token in listed if token.name]
        columns.asked += named
        columns.key += named if said[0] == "PRIMARY" else []
    elif said[0] == "LIKE":
        if set(said) & {"ALL", "INDEXES", "CONSTRAINTS", "IDENTITY", "STORAGE", "COMMENTS"}:
            raise syntax_error("including")
        columns.like = True
        columns.written.append(item)
    else:
        _read_column(columns, item)


def _read_column(columns: _Columns, item: list[Token]) -> None:
    """Name, type and attributes of one column."""
    said = words(item)
    name = item[0].name
    if not name or len(item) < 2 or said[0] in RESERVED:
        raise syntax_error(item[0].text)
    if said[1] in _SERIALS:
        raise WireError("42704", f'type "{said[1].lower()}" does not exist', hint="Use IDENTITY.")
    columns.names.append(name)
    kept: list[Token] = []
    at = 0
    while at < len(item):
        size = _ignored(columns, name, item, at) if at > 1 else 0
        if not size:
            kept.append(item[at])
        at += size or 1
    columns.written.append(kept)


def _ignored(columns: _Columns, name: str, item: list[Token], at: int) -> int:
    """How many tokens from *at* on say something that PostgreSQL need not hear."""
    said = words(item)
    word = said[at]
    if word in {"DISTKEY", "SORTKEY", "UNIQUE"}:
        return 1
    if word == "ENCODE":
        _check_encoding(said[at + 1] if at + 1 < len(said) else "")
        return 2
    if word == "PRIMARY":
        columns.key.append(name)
        return 2
    if word == "REFERENCES":
        _, end = qualified(item, at + 1)
        return (closing(item, end) + 1 if said[end : end + 1] == ["("] else end) - at
    if word in {"CHECK", "GENERATED", "CONSTRAINT"}:
        raise unsupported(word)
    if word == "IDENTITY":
        raise unknown_here("IDENTITY columns")
    return 0


def _attributes(tokens: Sequence[Token]) -> list[str]:
    """Read what stands behind the columns; the columns that it names."""
    named: list[str] = []
    said = words(tokens)
    at = 0
    while at < len(said):
        word = said[at]
        if word in {"COMPOUND", "INTERLEAVED"} and said[at + 1 : at + 2] == ["SORTKEY"]:
            at += 1
        elif (
            (word == "DISTSTYLE" and set(said[at + 1 : at + 2]) & _STYLES)
            or (word == "ENCODE" and said[at + 1 : at + 2] == ["AUTO"])
            or (word == "BACKUP" and set(said[at + 1 : at + 2]) & {"YES", "NO"})
            or (word == "SORTKEY" and said[at + 1 : at + 2] == ["AUTO"])
        ):
            at += 2
        elif word in {"DISTKEY", "SORTKEY"} and said[at + 1 : at + 2] == ["("]:
            end = closing(tokens, at + 1)
            found = [token.name for token in tokens[at + 2 : end] if token.name]
            if word == "DISTKEY" and len(found) != 1:
                raise WireError("42601", "only one column can be the DISTKEY")
            named += found
            at = end + 1
        elif word in {"INHERITS", "PARTITION", "TABLESPACE"}:
            raise unsupported(word)
        else:
            raise syntax_error(tokens[at].text)
    if "DISTKEY" in said and "DISTSTYLE" in said and "KEY" not in said:
        raise WireError("42601", "DISTKEY needs DISTSTYLE KEY")
    return named


def _check_columns(columns: _Columns) -> None:
    """Refuse keys of columns that the table does not have."""
    for name in columns.asked:
        if not columns.like and name not in columns.names:
            raise WireError("42703", f'column "{name}" named in key does not exist')


def _check_encoding(name: str) -> None:
    if name not in _ENCODINGS:
        raise WireError("42601", f'invalid encoding type "{name.lower()}"')
