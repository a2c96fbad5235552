"""A conversation with ``orderpull`` on a terminal of its own."""

import os
import pty
import re
import select
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

PATIENCE = 60.0
"""Seconds after which a conversation has failed; nothing here takes nearly as long."""

_STYLE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Conversation:
    """The terminal of a process. :ivar shown: what it has shown so far, without colours."""

    def __init__(self, process: int, terminal: int) -> None:
        self.process = process
        self.shown = ""
        self._terminal = terminal
        self._looked = 0

    def waits_for(self, text: str) -> "Conversation":
        """Read until *text* is shown, after what was waited for before."""
        deadline = time.monotonic() + PATIENCE
        while (at := self.shown.find(text, self._looked)) < 0:
            if time.monotonic() > deadline or not self._read():
                raise AssertionError(f"{text!r} is not in {self.shown[self._looked :]!r}")
        self._looked = at + len(text)
        return self

    def types(self, line: str, end: str = "\r") -> "Conversation":
        """Type *line*."""
        os.write(self._terminal, (line + end).encode())
        return self

    def interrupts_a_question(self, text: str) -> "Conversation":
        """Press Ctrl-C until *text* is shown.

        Python loses the first one if it comes after the prompt, and before the read that follows.
        """
        deadline = time.monotonic() + PATIENCE
        while self.shown.find(text, self._looked) < 0:
            assert time.monotonic() < deadline, self.shown
            self.types("\x03", "")
            while select.select([self._terminal], [], [], 2.0)[0] and self._read():
                pass
        return self.waits_for(text)

    def ends(self) -> int:
        """Read to the end, and return the exit code."""
        while self._read():
            pass
        _, status = os.waitpid(self.process, 0)
        self.process = 0
        return os.waitstatus_to_exitcode(status)

    def _read(self) -> bool:
        if not select.select([self._terminal], [], [], PATIENCE)[0]:
            raise AssertionError(f"nothing more came after {self.shown!r}")
        try:
            read = os.read(self._terminal, 65_536)
        except OSError:  # Linux: the process has closed its side
            return False
        self.shown += _STYLE.sub("", read.decode(errors="replace")).replace("\r\n", "\n")
        return bool(read)


@contextmanager
def conversation(
    folder: Path, *arguments: str, env: Mapping[str, str] | None = None
) -> Iterator[Conversation]:
    """Start ``orderpull`` with *arguments* in *folder*; it is killed at the end if it still runs."""
    process, terminal = pty.fork()
    if process == 0:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # which a worker of tests may ignore
        os.chdir(folder)
        os.execve(
            sys.executable,
            [sys.executable, "-m", "orderpull", *arguments],
            {**os.environ, "COLUMNS": "80", "LINES": "40", "TERM": "xterm", **(env or {})},
        )
    talk = Conversation(process, terminal)
    try:
        yield talk
    finally:
        if talk.process:
            os.kill(talk.process, signal.SIGKILL)
            os.waitpid(talk.process, 0)
        os.close(terminal)
