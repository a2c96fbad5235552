"""SQL as tokens: enough to see what a statement is, and to change single words of it."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.doubles.redshift.wire import WireError

_TOKEN = re.compile(
    r"""
    (?P<space>\s+|--[^\n]*|/\*.*?\*/)
  | (?P<string>[eEbBxXnN]?'(?:[^']|'')*')
  | (?P<quoted>"(?:[^"]|"")+")
  | (?P<dollar>\$[A-Za-z_]*\$)
  | (?P<parameter>\$\d+)
  | (?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+)
  | (?P<word>[^\W\d]\w*)
  | (?P<sign>::|[<>!=]=|<>|\|\||->>|->|\#>>|\#>|@>|<@|!~\*|!~|~\*|[^\w\s'"])
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class Token:
    """One token of a statement."""

    kind: str
    text: str
    gap: str
    """The blanks and comments before it."""

    @property
    def word(self) -> str:
        """The keyword or bare name in capitals, the sign as it is; '' for anything else."""
        return self.text.upper() if self.kind in {"word", "sign"} else ""

    @property
    def name(self) -> str:
        """The identifier that it is, in lower case as Redshift folds it; '' for anything else."""
        if self.kind == "word":
            return self.text.lower()
        return self.text[1:-1].replace('""', '"').lower() if self.kind == "quoted" else ""

    @property
    def value(self) -> str:
        """What a string literal says."""
        return self.text[1:-1].replace("''", "'")


def tokens_of(sql: str) -> list[Token]:
    """The tokens of one statement, without the semicolon at its end.

    :raises WireError: there are several statements, or something that is no SQL.
    """
    found: list[Token] = []
    at, gap = 0, ""
    while at < len(sql):
        match = _TOKEN.match(sql, at)
        if match is None or match.lastgroup == "dollar":
            raise syntax_error(sql[at : at + 20])
        at = match.end()
        if match.lastgroup == "space":
            gap += match[0]
        else:
            found.append(Token(str(match.lastgroup), match[0], gap))
            gap = ""
    while found and found[-1].text == ";":
        found.pop()
    if any(token.text == ";" for token in found):
        raise WireError("42601", "cannot insert multiple commands into a prepared statement")
    return found


def render(tokens: Iterable[Token]) -> str:
    """Tokens as SQL again, just as it was but for quoted names, which are in lower case."""
    parts: list[str] = []
    for token in tokens:
        parts.append(token.gap)
        parts.append(
            '"' + token.name.replace('"', '""') + '"' if token.kind == "quoted" else token.text
        )
    return "".join(parts)


def names(listed: str) -> frozenset[str]:
    """The names in *listed*, which blanks part."""
    return frozenset(listed.split())


def words(tokens: Sequence[Token]) -> list[str]:
    """Each token's :attr:`Token.word`."""
    return [token.word for token in tokens]


def closing(tokens: Sequence[Token], opening: int) -> int:
    """Where the parenthesis that opens at *opening* closes."""
    depth = 0
    for at in range(opening, len(tokens)):
        depth += {"(": 1, ")": -1}.get(tokens[at].text, 0)
        if depth == 0:
            return at
    raise syntax_error("end of input")


def items(tokens: Sequence[Token]) -> list[list[Token]]:
    """What commas part, those within parentheses aside."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if token.text == "," and depth == 0:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def qualified(tokens: Sequence[Token], at: int) -> tuple[str, int]:
    """The name of a table at *at*, quoted for PostgreSQL, and the position behind it.

    :raises WireError: there is none.
    """
    if at >= len(tokens) or not tokens[at].name:
        raise syntax_error(tokens[at].text if at < len(tokens) else "end of input")
    parts = [tokens[at].name]
    at += 1
    while at + 1 < len(tokens) and tokens[at].text == "." and tokens[at + 1].name:
        parts.append(tokens[at + 1].name)
        at += 2
    return ".".join('"' + name.replace('"', '""') + '"' for name in parts), at


def syntax_error(near: str) -> WireError:
    """What the server says of text that it cannot parse."""
    return WireError("42601", f'syntax error at or near "{near}"')


def unsupported(what: str, why: str = "") -> WireError:
    """What the server says of what PostgreSQL has and it has not."""
    return WireError("0A000", f"{what} is not supported by Amazon Redshift.", hint=why)


def unknown_here(what: str) -> WireError:
    """What the double says of what Redshift may well do, and the double does not."""
    return WireError("0A000", f"The Redshift of these tests does not know {what}.")
