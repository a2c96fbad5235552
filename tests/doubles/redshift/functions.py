"""The functions that may be called, and those that Redshift lacks or restricts.

The list holds functions that Redshift documents *and* the PostgreSQL behind the double has, alone
or through :mod:`tests.doubles.redshift.catalog`. What is missing here is refused.
"""

from collections.abc import Sequence

from tests.doubles.redshift.tokens import Token, closing, names, unknown_here, unsupported, words
from tests.doubles.redshift.wire import WireError

AGGREGATES = names(
    "AVG COUNT MAX MIN SUM STDDEV STDDEV_SAMP STDDEV_POP VARIANCE VAR_SAMP VAR_POP BOOL_AND "
    "BOOL_OR BIT_AND BIT_OR"
)
_RANKING = names("ROW_NUMBER RANK DENSE_RANK PERCENT_RANK CUME_DIST NTILE LAG LEAD")
_FRAMED = AGGREGATES | {"FIRST_VALUE", "LAST_VALUE", "NTH_VALUE"}
KNOWN = names(
    "COALESCE NULLIF GREATEST LEAST NVL CAST EXTRACT LENGTH LEN CHAR_LENGTH CHARACTER_LENGTH "
    "OCTET_LENGTH LOWER UPPER TRIM LTRIM RTRIM BTRIM LEFT RIGHT LPAD RPAD SUBSTRING SUBSTR "
    "REPLACE REPEAT REVERSE POSITION STRPOS CONCAT TRANSLATE CHR ASCII INITCAP MD5 SHA2 "
    "SPLIT_PART REGEXP_REPLACE REGEXP_SUBSTR REGEXP_COUNT REGEXP_INSTR QUOTE_IDENT "
    "QUOTE_LITERAL TO_CHAR TO_NUMBER TO_DATE TO_TIMESTAMP TO_HEX ABS CEIL CEILING FLOOR ROUND "
    "TRUNC MOD POWER SQRT EXP LN LOG SIGN RANDOM DATE_TRUNC DATE_PART GETDATE DATEADD "
    "DATEDIFF JSON_EXTRACT_PATH_TEXT VERSION CURRENT_DATABASE CURRENT_SCHEMA PG_BACKEND_PID "
    "PG_LAST_COPY_COUNT PG_LAST_COPY_ID PG_LAST_QUERY_ID PG_CANCEL_BACKEND "
    "PG_TERMINATE_BACKEND HAS_TABLE_PRIVILEGE HAS_SCHEMA_PRIVILEGE HAS_DATABASE_PRIVILEGE "
    "CURRENT_SETTING SET_CONFIG FORMAT_TYPE PG_TABLE_IS_VISIBLE PG_GET_USERBYID"
)
_REDSHIFTS = names(
    "ADD_MONTHS ANY_VALUE APPROXIMATE ARRAY_CONCAT BPCHARCMP CHARINDEX CONVERT CONVERT_TIMEZONE "
    "CRC32 DATE_CMP DECODE DEXP DLOG1 FNV_HASH FUNC_SHA1 HLL IS_VALID_JSON IS_VALID_JSON_ARRAY "
    "ISNULL JSON_ARRAY_LENGTH JSON_EXTRACT_ARRAY_ELEMENT_TEXT JSON_PARSE JSON_SERIALIZE LAST_DAY "
    "LISTAGG MEDIAN MONTHS_BETWEEN NEXT_DAY NVL2 PERCENTILE_CONT PERCENTILE_DISC RATIO_TO_REPORT "
    "SHA SHA1 STRTOL TEXTLEN TO_TIMESTAMP_TZ TRY_CAST TIMEOFDAY"
)
"""Functions that Redshift has and the double has not."""
_ALLOWED = KNOWN | _FRAMED | _RANKING
_NOT_CALLS = names(
    "IN VALUES AS ON AND OR NOT EXISTS ANY ALL SOME OVER USING INSERT SELECT FROM WHERE BY "
    "WHEN THEN ELSE CASE WITH UNION INTERSECT EXCEPT MINUS HAVING LIMIT OFFSET JOIN IS LIKE "
    "ILIKE BETWEEN DISTINCT SETS ROLLUP CUBE SET INTO RETURN EXPLAIN"
)
_ALIASES = frozenset({"AS", "::", ")", "INTO"})


def refuse_calls(tokens: Sequence[Token]) -> None:
    """Refuse every call of a function that is not known.

    :raises WireError: there is one.
    """
    said = words(tokens)
    for at, word in enumerate(said[:-1]):
        if tokens[at].kind != "word" or tokens[at + 1].text != "(" or word in _NOT_CALLS:
            continue
        before = said[at - 1] if at else ""
        if before in _ALIASES or _names_a_target(said, at) or _names_a_cte(tokens, at):
            continue
        if word in _REDSHIFTS:
            raise unknown_here(f"the function {word}")
        if word not in _ALLOWED:
            raise WireError("42883", f"function {word.lower()}() does not exist")
        end = closing(tokens, at + 1)
        if word == "CONCAT" and said[at + 2 : end].count(",") > 1:
            raise unsupported("CONCAT of more than two texts", "Write a || b || c.")
        if end + 2 < len(said) and said[end + 1 : end + 3] == ["OVER", "("]:
            _refuse_window(word, said[at + 2 : end], said[end + 3 : closing(tokens, end + 2)])


def _refuse_window(function: str, arguments: list[str], window: list[str]) -> None:
    """Refuse what Redshift's window functions lack."""
    if "RANGE" in window or "GROUPS" in window:
        raise unsupported("a window frame of RANGE or GROUPS", "Use ROWS.")
    if function in _FRAMED and "ORDER" in window and "ROWS" not in window:
        raise WireError(
            "42601", "Aggregate window functions with an ORDER BY clause require a frame clause"
        )
    if arguments[:1] == ["DISTINCT"]:
        raise unsupported("DISTINCT in a window function")


def _names_a_target(said: list[str], at: int) -> bool:
    """Whether the word at *at* ends the name behind INSERT INTO."""
    while at >= 2 and said[at - 1] == ".":
        at -= 2
    return at >= 1 and said[at - 1] == "INTO"


def _names_a_cte(tokens: Sequence[Token], at: int) -> bool:
    """Whether this is ``name (columns) AS (``."""
    end = closing(tokens, at + 1)
    return words(tokens[end + 1 : end + 3]) == ["AS", "("]
