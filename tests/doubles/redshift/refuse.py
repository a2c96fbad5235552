"""What Redshift refuses, whatever PostgreSQL would say of it.

The rules read tokens, so that a word within a literal or a comment is no offence. They come from
Redshift's documentation; where that is silent the rule is strict, and marked "guess".
"""

from collections.abc import Callable, Sequence

from tests.doubles.redshift.functions import refuse_calls
from tests.doubles.redshift.tokens import (
    Token,
    items,
    names,
    syntax_error,
    unknown_here,
    unsupported,
    words,
)
from tests.doubles.redshift.wire import WireError

MOST_BYTES = 16 * 1024 * 1024
"""The longest statement, in bytes."""

_PHRASES: dict[tuple[str, ...], str] = {
    ("ON", "CONFLICT"): "ON CONFLICT",
    ("RETURNING",): "RETURNING",
    ("DISTINCT", "ON", "("): "DISTINCT ON",
    ("FILTER", "("): "FILTER",
    ("LATERAL",): "LATERAL",
    ("FOR", "UPDATE"): "FOR UPDATE",
    ("FOR", "SHARE"): "FOR SHARE",
    ("FOR", "NO", "KEY"): "FOR NO KEY UPDATE",
    ("FOR", "KEY"): "FOR KEY SHARE",
    ("COLLATE",): "COLLATE with a collation of PostgreSQL",
    ("TABLESAMPLE",): "TABLESAMPLE",
    ("FETCH", "FIRST"): "FETCH FIRST",  # guess
    ("FETCH", "NEXT", "ROWS"): "FETCH NEXT ROWS",  # guess
    ("FROM", "(", "VALUES"): "VALUES as a table",
    ("JOIN", "(", "VALUES"): "VALUES as a table",
    ("AS", "(", "VALUES"): "VALUES as a table",
    ("AS", "(", "INSERT"): "INSERT within WITH",
    ("AS", "(", "UPDATE"): "UPDATE within WITH",
    ("AS", "(", "DELETE"): "DELETE within WITH",
    ("AS", "MATERIALIZED"): "WITH … AS MATERIALIZED",
    ("AS", "NOT", "MATERIALIZED"): "WITH … AS NOT MATERIALIZED",
    ("IS", "DISTINCT", "FROM"): "IS DISTINCT FROM",  # guess
    ("IS", "NOT", "DISTINCT"): "IS NOT DISTINCT FROM",  # guess
    ("WITH", "ORDINALITY"): "WITH ORDINALITY",
    ("FROM", "ONLY"): "ONLY",
    ("ON", "COMMIT"): "ON COMMIT",
    ("OVERRIDING",): "OVERRIDING",
    ("SET", "("): "an UPDATE that sets several columns at once",
    ("WINDOW",): "WINDOW",  # guess
}
RESERVED = names(
    "AES128 AES256 ALLOWOVERWRITE ANALYSE ANALYZE AUTHORIZATION AZ64 BACKUP BINARY BLANKSASNULL "
    "BYTEDICT BZIP2 CREDENTIALS CURRENT_USER_ID DEFLATE DEFRAG DELTA DELTA32K DISABLE EMPTYASNULL "
    "ENABLE ENCODE ENCRYPT ENCRYPTION EXPLICIT FREEZE GLOBALDICT256 GLOBALDICT64K GZIP IDENTITY "
    "IGNORE ILIKE ISNULL LANGUAGE LUN LUNS LZO LZOP MINUS MOSTLY16 MOSTLY32 MOSTLY8 NEW NOTNULL "
    "NULLS OFF OFFLINE OID OLD OPEN OVERLAPS PARALLEL PERCENT PERMISSIONS PIVOT QUALIFY RAW "
    "READRATIO RECOVER REJECTLOG RESORT RESPECT RESTORE SIMILAR SNAPSHOT SYSDATE SYSTEM TAG TDES "
    "TEXT255 TEXT32K TOP TRUNCATECOLUMNS UNNEST UNPIVOT VERBOSE WALLET WITHOUT"
)
"""Words that PostgreSQL takes as names and Redshift takes only in quotes.
https://docs.aws.amazon.com/redshift/latest/dg/r_pg_keywords.html"""
_SIGNS = {"->", "->>", "#>", "#>>", "@>", "<@", "~*", "!~*", "[", "?", "@", "&&", "`"}
_CASTS = names(
    "SMALLINT INT2 INTEGER INT INT4 BIGINT INT8 DECIMAL NUMERIC REAL FLOAT4 FLOAT8 FLOAT "
    "DOUBLE BOOLEAN BOOL CHAR CHARACTER NCHAR BPCHAR VARCHAR NVARCHAR TEXT DATE TIMESTAMP "
    "TIMESTAMPTZ TIME TIMETZ OID NAME"
)
_LEADER_ONLY = {"NOW", "CURRENT_TIMESTAMP", "CURRENT_TIME", "LOCALTIME", "LOCALTIMESTAMP", "AGE"}
_LIKE_POSTGRES = {"SELECT", "(", "EXPLAIN", "DECLARE", "FETCH", "CLOSE", "GRANT", "REVOKE"}
_ENDS = {"BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT"}
_SETTINGS = names(
    "SEARCH_PATH STATEMENT_TIMEOUT DATESTYLE TIMEZONE EXTRA_FLOAT_DIGITS CLIENT_ENCODING "
    "APPLICATION_NAME QUERY_GROUP ENABLE_RESULT_CACHE_FOR_SESSION WLM_QUERY_SLOT_COUNT "
    "ENABLE_CASE_SENSITIVE_IDENTIFIER ANALYZE_THRESHOLD_PERCENT"
)
OURS = names(
    "QUERY_GROUP ENABLE_RESULT_CACHE_FOR_SESSION WLM_QUERY_SLOT_COUNT "
    "ENABLE_CASE_SENSITIVE_IDENTIFIER ANALYZE_THRESHOLD_PERCENT"
)
"""Settings that Redshift has and PostgreSQL has not."""
_SHOWN = _SETTINGS | {"TRANSACTION_ISOLATION", "SERVER_VERSION", "ALL"}


def refuse(sql: str, tokens: Sequence[Token]) -> None:
    """Refuse what Redshift refuses.

    :raises WireError: it does.
    """
    if len(sql.encode()) > MOST_BYTES:
        raise WireError("54001", "statement is too large. The maximum is 16777216 bytes.")
    said = words(tokens)
    _refuse_literals(tokens)
    _refuse_signs(tokens)
    _refuse_phrases(said)
    _refuse_casts(said)
    _refuse_names(said)
    _refuse_leader_functions(said)
    rule = _RULES.get(said[0])
    if rule:
        rule(tokens)
    elif said[0] not in _LIKE_POSTGRES:
        raise _not_a_statement(said)
    if said[0] in {"SELECT", "(", "WITH", "INSERT", "UPDATE", "DELETE", "MERGE", "EXPLAIN"}:
        refuse_calls(tokens)
    elif said[0] == "CREATE" and "AS" in said:
        refuse_calls(tokens[said.index("AS") + 1 :])


def _not_a_statement(said: list[str]) -> WireError:
    if said[0] in {"LISTEN", "NOTIFY", "UNLISTEN", "DO", "REINDEX", "CLUSTER", "SECURITY", "LOAD"}:
        return unsupported(said[0])
    if said[0] in {"SAVEPOINT", "RELEASE"}:
        return unsupported("SAVEPOINT", "A transaction stands or falls as a whole.")
    if said[0] in {"UNLOAD", "CALL", "PREPARE", "EXECUTE", "DEALLOCATE", "REFRESH", "USE"}:
        return unknown_here(said[0])
    return syntax_error(said[0].lower() or "'")


def _refuse_literals(tokens: Sequence[Token]) -> None:
    """A backslash may be an escape or may be itself: nobody should have to know."""
    for token in tokens:
        if token.kind == "string" and "\\" in token.text and token.text[0] == "'":
            raise unknown_here(r"how Redshift reads the \ in a literal; bind the text instead")
        if token.kind == "string" and token.text[0] in "bBxXnN":
            raise unknown_here("literals of bits")


def _refuse_signs(tokens: Sequence[Token]) -> None:
    for token in tokens:
        if token.kind == "sign" and token.text in _SIGNS:
            raise WireError("42883", f"operator does not exist: {token.text}")
        if token.word == "ARRAY":
            raise unsupported("ARRAY")


def _refuse_phrases(said: list[str]) -> None:
    for phrase, name in _PHRASES.items():
        size = len(phrase)
        for at in range(len(said) - size + 1):
            if tuple(said[at : at + size]) == phrase:
                raise unsupported(name)


def _refuse_casts(said: list[str]) -> None:
    """Refuse ``::type`` and ``CAST(… AS type)`` of types that Redshift lacks."""
    for at, word in enumerate(said):
        if word == "::" and at + 1 < len(said):
            _refuse_type(said[at + 1])
    opened: list[bool] = []
    for at, word in enumerate(said):
        if word == "(":
            opened.append(at > 0 and said[at - 1] == "CAST")
        elif word == ")" and opened:
            opened.pop()
        elif word == "AS" and opened and opened[-1] and at + 1 < len(said):
            _refuse_type(said[at + 1])


def _refuse_names(said: list[str]) -> None:
    """Refuse reserved words as names behind a dot or AS."""
    for at, word in enumerate(said[1:], start=1):
        if word in RESERVED and said[at - 1] in {".", "AS"}:
            raise syntax_error(word.lower())


def _refuse_type(name: str) -> None:
    if name and name not in _CASTS:
        raise WireError("42704", f'type "{name.lower()}" does not exist')


def _refuse_leader_functions(said: list[str]) -> None:
    for at, word in enumerate(said):
        called = word in {"NOW", "AGE"} and said[at + 1 : at + 2] == ["("]
        if called or (word in _LEADER_ONLY - {"NOW", "AGE"} and said[at - 1 : at] != ["."]):
            raise WireError(
                "0A000",
                f'Specified types or functions (one per INFO message) not supported on Redshift tables: "{word.lower()}".',
                hint="Use GETDATE() or SYSDATE.",
            )


def _with(tokens: Sequence[Token]) -> None:
    """Refuse WITH before INSERT and MERGE."""
    depth = 0
    for token in tokens:
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0 and token.word in {"INSERT", "MERGE"}:
            raise unsupported(f"WITH before {token.word}")


def _delete(tokens: Sequence[Token]) -> None:
    """DELETE [FROM] table [USING table, …] [WHERE …]: no alias, no subquery behind USING."""
    said = words(tokens)
    at = 2 if said[1:2] == ["FROM"] else 1
    while at + 1 < len(said) and said[at + 1] == ".":
        at += 2
    following = said[at + 1] if at + 1 < len(said) else ""
    if at + 1 < len(said) and following not in {"USING", "WHERE"}:
        raise syntax_error(tokens[at + 1].text)
    if following == "USING" and said[at + 2 : at + 3] == ["("]:
        raise unsupported("a subquery behind DELETE … USING")  # guess
    if "CURRENT" in said and "OF" in said:
        raise unsupported("WHERE CURRENT OF")


def _merge(tokens: Sequence[Token]) -> None:
    """MERGE INTO table USING table ON equality, one WHEN MATCHED and one WHEN NOT MATCHED."""
    said = words(tokens)
    if "REMOVE" in said:
        raise unknown_here("MERGE … REMOVE DUPLICATES")
    if "USING" not in said or "ON" not in said:
        raise syntax_error("end of input")
    using, on = said.index("USING"), said.index("ON")
    if said[using + 1] == "(":
        raise unsupported("MERGE from a subquery", "Fill a temporary table first.")
    target = [token.name for token in tokens[2:using]]
    if target == [token.name for token in tokens[using + 1 : using + 1 + len(target)]]:
        raise WireError("0A000", "MERGE source and target must be different tables.")
    if len(target) not in {1, 3}:
        raise syntax_error(tokens[using - 1].text)
    when = [at for at, word in enumerate(said) if word == "WHEN"]
    if set(said[on : when[0] if when else None]) & {"OR", "<", ">", "<=", ">=", "<>", "!=", "LIKE"}:
        raise WireError("0A000", "MERGE supports only equality conditions behind ON.")
    arms = [tuple(said[start + 1 : start + 5]) for start in when]
    matched = [arm for arm in arms if arm[:2] == ("MATCHED", "THEN")]
    missing = [arm for arm in arms if arm[:3] == ("NOT", "MATCHED", "THEN")]
    sound = len(arms) == 2 and len(matched) == 1 and len(missing) == 1
    if not sound or matched[0][2] not in {"UPDATE", "DELETE"} or missing[0][3] != "INSERT":
        raise WireError(
            "0A000",
            "MERGE needs exactly one WHEN MATCHED THEN UPDATE or DELETE "
            "and one WHEN NOT MATCHED THEN INSERT.",
        )


def _lock(tokens: Sequence[Token]) -> None:
    """LOCK [TABLE] name, …: whole tables, without a mode."""
    said = words(tokens)
    at = 2 if said[1:2] == ["TABLE"] else 1
    for item in items(tokens[at:]):
        if len(item) not in {1, 3} or (len(item) == 3 and item[1].text != "."):
            raise syntax_error(item[-1].text if item else "end of input")


def _transaction(tokens: Sequence[Token]) -> None:
    said = words(tokens)
    if said[0] in {"ROLLBACK", "ABORT"} and "TO" in said:
        raise unsupported("SAVEPOINT", "A transaction stands or falls as a whole.")
    if said[0] in {"COMMIT", "ROLLBACK"} and "PREPARED" in said:
        raise unsupported("two-phase commit")
    if "CHAIN" in said or "DEFERRABLE" in said:
        raise syntax_error(said[-1].lower())


def _set(tokens: Sequence[Token]) -> None:
    said = words(tokens)
    at = 2 if said[1:2] in (["LOCAL"], ["SESSION"]) else 1
    name = said[at] if at < len(said) else ""
    if name not in _SETTINGS and name not in {"AUTHORIZATION", "SEED"}:
        raise WireError("42704", f'unrecognized configuration parameter "{name.lower()}"')
    if name == "ENABLE_CASE_SENSITIVE_IDENTIFIER" and said[-1] not in {"FALSE", "OFF"}:
        raise unknown_here("case sensitive identifiers")


def _show(tokens: Sequence[Token]) -> None:
    name = tokens[-1].word
    if name not in _SHOWN:
        raise WireError("42704", f'unrecognized configuration parameter "{name.lower()}"')


def _insert(tokens: Sequence[Token]) -> None:
    if words(tokens)[1:2] != ["INTO"]:
        raise syntax_error(tokens[1].text if len(tokens) > 1 else "end of input")


def _alter(tokens: Sequence[Token]) -> None:
    said = words(tokens)
    if said[1:2] in (["USER"], ["SCHEMA"], ["DATABASE"], ["GROUP"]):
        return
    if said[1:3] == ["DEFAULT", "PRIVILEGES"]:
        return
    if said[1:2] != ["TABLE"]:
        raise unsupported(" ".join(said[:2]))
    _, at = _table_name(tokens, 2)
    if len(items(tokens[at:])) > 1:
        raise unsupported("an ALTER TABLE that does several things", "Write one for each.")
    action = said[at:]
    if action[:1] == ["ADD"] and "IF" in action:
        raise syntax_error("if")
    if action[:1] == ["ADD"] and "CHECK" in action:
        raise unsupported("CHECK")
    if action[:1] == ["ADD"] and "NOT" in action and "DEFAULT" not in action:
        raise WireError(
            "0A000",
            "ALTER TABLE ADD COLUMN defined as NOT NULL must have a non-null default expression",
        )
    if action[:2] in (["ALTER", "COLUMN"], ["ALTER", "DISTKEY"]) and "NULL" in action:
        raise unsupported("ALTER COLUMN … NOT NULL")
    allowed = {"ADD", "DROP", "RENAME", "OWNER", "ALTER"}
    if not action or action[0] not in allowed or set(action) & {"TRIGGER", "RULE", "INHERIT"}:
        raise syntax_error(action[0].lower() if action else "end of input")


def _table_name(tokens: Sequence[Token], at: int) -> tuple[str, int]:
    from tests.doubles.redshift.tokens import qualified

    return qualified(tokens, at)


def _create(tokens: Sequence[Token]) -> None:
    """Only what Redshift has; tables themselves are read in :mod:`.tables`."""
    said = [word for word in words(tokens)[1:] if word not in {"OR", "REPLACE"}]
    kind = said[0] if said else ""
    if kind == "LOCAL":
        kind = said[1]
    if kind in {"TEMP", "TEMPORARY"}:
        kind = "TABLE" if "TABLE" in said[:3] else "TEMPORARY " + said[1]
    if kind == "UNIQUE":
        kind = "INDEX"
    if kind in {"MATERIALIZED", "EXTERNAL", "PROCEDURE", "FUNCTION", "LIBRARY", "MODEL", "ROLE"}:
        raise unknown_here(f"CREATE {kind}")
    if kind not in {"TABLE", "VIEW", "SCHEMA", "USER", "GROUP", "DATABASE"}:
        raise unsupported(f"CREATE {kind}")
    exists = "IF" in said[:2]
    if exists and kind not in {"TABLE", "SCHEMA"}:
        raise syntax_error("if")
    if kind == "USER" and "PASSWORD" not in said:
        raise syntax_error("end of input")


def _drop(tokens: Sequence[Token]) -> None:
    said = words(tokens)
    if said[1:2] and said[1] not in {"TABLE", "VIEW", "SCHEMA", "USER", "GROUP", "DATABASE"}:
        raise unsupported(f"DROP {said[1]}")


def _truncate(tokens: Sequence[Token]) -> None:
    said = words(tokens)
    if "," in said or set(said) & {"CASCADE", "RESTART", "RESTRICT", "ONLY"}:
        raise syntax_error(said[-1].lower())


def _anything(_: Sequence[Token]) -> None:
    """The statement has no rules beyond the general ones."""


_RULES: dict[str, Callable[[Sequence[Token]], None]] = {
    "WITH": _with,
    "INSERT": _insert,
    "UPDATE": _anything,
    "DELETE": _delete,
    "MERGE": _merge,
    "COPY": _anything,  # copy_statement.py
    "LOCK": _lock,
    "SET": _set,
    "RESET": _show,
    "SHOW": _show,
    "CREATE": _create,
    "ALTER": _alter,
    "DROP": _drop,
    "TRUNCATE": _truncate,
    "ANALYZE": _anything,
    "VACUUM": _anything,
    "COMMENT": _anything,
    **dict.fromkeys(_ENDS, _transaction),
}
