"""A statement for Redshift, judged and put into PostgreSQL's words."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from tests.doubles.redshift.copy_statement import CopyStatement, read_copy
from tests.doubles.redshift.refuse import OURS, refuse
from tests.doubles.redshift.tables import alter_table, create_table
from tests.doubles.redshift.tokens import Token, qualified, render, tokens_of, unknown_here, words

_NO_SNAPSHOT = {
    *("BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT"),
    *("LOCK", "SET", "RESET", "SHOW", "VACUUM", "TRUNCATE"),
    *("GRANT", "REVOKE", "COMMENT", "FETCH", "CLOSE"),
}
_STAND_IN = "SET redshift.copying = '1'"
_SYSDATE = "(transaction_timestamp() AT TIME ZONE 'UTC')"


@dataclass(frozen=True)
class Statement:
    """One statement that Redshift would take."""

    text: str
    """As the client sent it."""
    kind: str
    """Its first word, in capitals; '' if there is none."""
    sql: str
    """What PostgreSQL is told; for a COPY, something without effect."""
    reads: bool = False
    """Whether it fixes the transaction's snapshot, if nothing before it did."""
    writes: str = ""
    """The table that it must lock against other UPDATEs and DELETEs."""
    copy: CopyStatement | None = None
    asks_last: bool = False
    """Whether it asks for the last COPY or query."""


@lru_cache(maxsize=1024)
def translate(text: str) -> Statement:
    """What *text* is.

    :raises WireError: Redshift would refuse it, or the double does not know it.
    """
    tokens = tokens_of(text)
    if not tokens:
        return Statement(text, "", "")
    refuse(text, tokens)
    kind = tokens[0].word
    asks_last = any(token.name.startswith("pg_last_") for token in tokens)
    reads = kind not in _NO_SNAPSHOT
    if kind == "COPY":
        return Statement(text, kind, _STAND_IN, reads, copy=read_copy(tokens))
    sql = _in_postgres(kind, tokens)
    return Statement(text, kind, sql, reads, _written(kind, tokens), asks_last=asks_last)


def _in_postgres(kind: str, tokens: Sequence[Token]) -> str:
    said = words(tokens)
    if kind == "CREATE" and "TABLE" in said[:4]:
        return create_table(_functions(tokens))
    if kind == "ALTER" and said[1] == "TABLE":
        return alter_table(tokens)
    plain = {
        "BEGIN": _begin,
        "START": _begin,
        "SET": _setting,
        "SHOW": _setting,
        "RESET": _setting,
        "VACUUM": _vacuum,
        "ANALYZE": _analyze,
    }
    if kind in plain:
        return plain[kind](tokens)
    if kind in {"CREATE", "ALTER"} and said[1] == "USER" and said[-2:] == ["PASSWORD", "DISABLE"]:
        return render([*tokens[:-1], Token("word", "NULL", " ")])
    if said[-4:] == ["WITH", "NO", "SCHEMA", "BINDING"]:
        tokens = tokens[:-4]
    return render(_functions(tokens))


def _begin(tokens: Sequence[Token]) -> str:
    """Whatever isolation level it asks for: the cluster's applies."""
    return "BEGIN READ ONLY" if "ONLY" in words(tokens) else "BEGIN"


def _analyze(tokens: Sequence[Token]) -> str:
    return "ANALYZE" if len(tokens) == 1 else f"ANALYZE {qualified(tokens, 1)[0]}"


def _functions(tokens: Sequence[Token]) -> list[Token]:
    """Redshift's own ways to write dates, in PostgreSQL's."""
    found = list(tokens)
    for at, token in enumerate(found):
        if token.word == "SYSDATE":
            found[at] = Token("sign", _SYSDATE, token.gap)
        elif token.word in {"DATEADD", "DATEDIFF"} and at + 2 < len(found):
            part = found[at + 2]
            if found[at + 1].text == "(" and part.kind == "word":
                found[at + 2] = Token("string", f"'{part.name}'", part.gap)
        elif token.word == "NVARCHAR":
            found[at] = Token("word", "varchar", token.gap)
    return found


def _setting(tokens: Sequence[Token]) -> str:
    """Settings that PostgreSQL has not live in a room of their own."""
    return render(
        Token("word", f"redshift.{token.name}", token.gap) if token.word in OURS else token
        for token in tokens
    )


def _vacuum(tokens: Sequence[Token]) -> str:
    """VACUUM [FULL | SORT ONLY | DELETE ONLY | REINDEX | RECLUSTER] [table [TO n PERCENT]]."""
    at = 1
    while at < len(tokens) and tokens[at].word in {
        *("FULL", "SORT", "DELETE", "ONLY", "REINDEX", "RECLUSTER"),
    }:
        at += 1
    if at == len(tokens):
        return "VACUUM"
    table, end = qualified(tokens, at)
    rest = words(tokens[end:])
    if rest and (rest[0] not in {"TO", "BOOST"} or rest[-1] not in {"PERCENT", "BOOST"}):
        raise unknown_here("this VACUUM")
    return f"VACUUM {table}"


def _written(kind: str, tokens: Sequence[Token]) -> str:
    """The table that an UPDATE, DELETE or MERGE writes."""
    said = words(tokens)
    if kind == "WITH":
        for at, word in enumerate(said):
            if word in {"UPDATE", "DELETE"} and said[:at].count("(") == said[:at].count(")"):
                return _written(word, tokens[at:])
        return ""
    if kind == "UPDATE":
        return qualified(tokens, 1)[0]
    if kind == "DELETE":
        return qualified(tokens, 2 if said[1:2] == ["FROM"] else 1)[0]
    if kind == "MERGE":
        return qualified(tokens, 2)[0]
    return ""
