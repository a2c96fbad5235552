r"""An SQL shell: statements over any number of lines, each ended by ``;``.

``\d`` lists tables and answers, ``\d NAME`` the columns of one, ``\q`` or Ctrl-D ends, Ctrl-C
cancels the statement. Each statement reads the current state of the warehouse.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from orderpull.destinations.protocol import QueryResult
from orderpull.errors import OrderpullError, UsageError
from orderpull.operate.query import describe, run_query, statements, tables
from orderpull.settings import Settings

PROMPT, MORE = "orderpull> ", "      ...> "
HELP = r"End a statement with ; - \d lists tables, \d NAME columns, \q ends."
HISTORY_LINES = 1000
"""Lines kept in the history file."""

_ENDS = {"\\q", "exit", "quit", "exit;", "quit;"}


@dataclass
class Shell:
    """A session of the shell.

    :param show: prints a result. :param print_error: prints an error.
    :param echo: prints a line. :param read: reads a line after a prompt.
    """

    settings: Settings
    show: Callable[[QueryResult], None]
    print_error: Callable[[OrderpullError], None]
    echo: Callable[[str], None]
    read: Callable[[str], str] = input
    _begun: str = field(default="", init=False)

    def run(self) -> None:
        """Read and execute lines until the user ends the session."""
        self.echo(HELP)
        with history():
            while True:
                try:
                    line = self.read(MORE if self._begun else PROMPT)
                except EOFError:
                    self.echo("")
                    return
                except KeyboardInterrupt:
                    self.echo("")
                    self._begun = ""
                    continue
                if not self._begun and line.strip() in _ENDS:
                    return
                self._execute(line)

    def _execute(self, line: str) -> None:
        try:
            if not self._begun and line.lstrip().startswith("\\"):
                self._run_command(line.split())
                return
            complete, self._begun = statements(f"{self._begun}{line}\n")
            for statement in complete:
                with run_query(self.settings, statement) as answer:
                    self.show(answer)
        except OrderpullError as error:
            self.print_error(error)
        except KeyboardInterrupt:
            self.echo("\nCancelled.")

    def _run_command(self, parts: list[str]) -> None:
        command, *names = parts
        if command != "\\d":
            raise UsageError(f"There is no command {command}.", HELP)
        if not names:
            self.show(QueryResult(("name", "is"), iter(tables())))
        for name in names:
            columns = describe(self.settings, name.rstrip(";"))
            self.show(QueryResult(("column", "holds", "meaning"), iter(columns)))


def history_file() -> Path:
    """Return the history file, in the XDG state folder."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "orderpull" / "sql_history"


@contextmanager
def history() -> Iterator[None]:
    """Load and save typed lines, if Python has readline; only the user can read the file."""
    try:
        import readline
    except ModuleNotFoundError:
        yield
        return
    file = history_file()
    with suppress(OSError):
        readline.read_history_file(file)
    readline.set_history_length(HISTORY_LINES)
    try:
        yield
    finally:
        with suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            file.touch(mode=0o600)
            readline.write_history_file(file)
