r"""Shell: SQL typed at a terminal, over as many lines as it takes, each statement ended by ``;``.

``\d`` lists tables and answers, ``\d NAME`` the columns of one, ``\q`` or Ctrl-D ends, Ctrl-C
gives up the statement and nothing else. Each statement reads the warehouse as it is by then.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from orderpull.destinations.protocol import QueryResult
from orderpull.errors import OrderpullError, UsageError
from orderpull.operate.query import asking, columns_of, statements, tables
from orderpull.settings import Settings

PROMPT, MORE = "orderpull> ", "      ...> "
HELP = r"End a statement with ; - \d lists tables, \d NAME columns, \q ends."
KEPT = 1000
"""Lines of history."""

_ENDS = {"\\q", "exit", "quit", "exit;", "quit;"}


class Shell:
    """A dialogue.

    :param show: draws what a statement found. :param tell: tells what is wrong.
    :param say: prints a line. :param read: asks for a line, with a prompt.
    """

    def __init__(
        self,
        settings: Settings,
        show: Callable[[QueryResult], None],
        tell: Callable[[OrderpullError], None],
        say: Callable[[str], None],
        *,
        read: Callable[[str], str] = input,
    ) -> None:
        self.settings = settings
        self.show = show
        self.tell = tell
        self.say = say
        self.read = read
        self._begun = ""

    def talk(self) -> None:
        """Take lines until somebody ends it."""
        self.say(HELP)
        with history():
            while True:
                try:
                    line = self.read(MORE if self._begun else PROMPT)
                except EOFError:
                    self.say("")
                    return
                except KeyboardInterrupt:
                    self.say("")
                    self._begun = ""
                    continue
                if not self._begun and line.strip() in _ENDS:
                    return
                self._take(line)

    def _take(self, line: str) -> None:
        try:
            if not self._begun and line.lstrip().startswith("\\"):
                self._describe(line.split())
                return
            complete, self._begun = statements(f"{self._begun}{line}\n")
            for statement in complete:
                with asking(self.settings, statement) as answer:
                    self.show(answer)
        except OrderpullError as error:
            self.tell(error)
        except KeyboardInterrupt:
            self.say("\nCancelled.")

    def _describe(self, words: list[str]) -> None:
        command, *names = words
        if command != "\\d":
            raise UsageError(f"There is no command {command}.", HELP)
        if not names:
            self.show(QueryResult(("name", "is"), iter(tables())))
        for name in names:
            columns = columns_of(self.settings, name.rstrip(";"))
            self.show(QueryResult(("column", "holds", "meaning"), iter(columns)))


def history_file() -> Path:
    """Where typed lines are kept: below the XDG state folder."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "orderpull" / "sql_history"


@contextmanager
def history() -> Iterator[None]:
    """Remember the lines that are typed, where this Python can; nobody else may read them."""
    try:
        import readline
    except ModuleNotFoundError:
        yield
        return
    file = history_file()
    with suppress(OSError):
        readline.read_history_file(file)
    readline.set_history_length(KEPT)
    try:
        yield
    finally:
        with suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            file.touch(mode=0o600)
            readline.write_history_file(file)
