"""The certificate of an erasure: what was erased, where, when and by whom, without the person."""

import getpass
import json
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from textwrap import fill
from typing import Any

from orderpull import __version__, clock
from orderpull.errors import OrderpullError
from orderpull.landing.files import replace_file

KEPT = (
    "number, id, status, times, currency, total, channel and lines of each order",
    "country, state and city of each address",
    "what a page says of other orders",
)
NOT_REACHED = (
    "backups, snapshots that a reader still has open, and blocks that a disk has freed",
    "files written by orderpull export, sql and report, and copies made by other programs",
    "the shop itself",
)


WIDTH = 100
"""Longest line of order numbers in the text, in characters."""


@dataclass(frozen=True, slots=True)
class Line:
    """One kind of thing in one place. :param count: how many of it were erased."""

    thing: str
    where: str
    count: int


@dataclass(frozen=True, slots=True)
class Certificate:
    """A finished erasure.

    :param by: user and host of the command. :param began: UTC, as is *finished*.
    :param criteria: kinds of the criteria.
    :param orders: order numbers by source.
    :param left: a sentence for each copy that could not be erased.
    """

    by: str
    began: datetime
    finished: datetime
    criteria: str
    orders: Mapping[str, Sequence[str]]
    erased: Sequence[Line]
    left: Sequence[str]

    def as_json(self) -> dict[str, Any]:
        """Return the object that ``forget --json`` prints."""
        return {
            "certificate": "erasure of personal data",
            "tool": f"orderpull {__version__}",
            "by": self.by,
            "began": clock.iso(self.began),
            "finished": clock.iso(self.finished),
            "found_by": self.criteria,
            "orders": {source: list(numbers) for source, numbers in self.orders.items()},
            "erased": [
                {"what": line.thing, "where": line.where, "count": line.count}
                for line in self.erased
            ],
            "kept": list(KEPT),
            "not_reached": list(NOT_REACHED),
            "left": list(self.left),
        }

    def __str__(self) -> str:
        """The certificate as text."""
        orders = [
            fill(
                f"{source}: {', '.join(numbers) or 'without a number'}",
                WIDTH,
                initial_indent="  ",
                subsequent_indent="    ",
                break_on_hyphens=False,
            )
            for source, numbers in self.orders.items()
        ]
        erased = [f"  {line.count:6} {line.thing}, {line.where}" for line in self.erased]
        left = ["", "COULD NOT BE ERASED", *(f"  {each}" for each in self.left)]
        return "\n".join([
            "Certificate of erasure of personal data",
            "",
            f"Erased by orderpull {__version__}, command of {self.by},",
            f"from {clock.iso(self.began)} to {clock.iso(self.finished)}.",
            f"Orders were found by {self.criteria}:",
            *orders,
            "",
            "ERASED",
            *erased,
            "",
            "KEPT, so that the sales still count",
            *(f"  {each}" for each in KEPT),
            "",
            "NOT REACHED",
            *(f"  {each}" for each in NOT_REACHED),
            *(left if self.left else ()),
            "",
        ])  # fmt: skip

    def write(self, file: Path) -> None:
        """Write *file* as JSON, and a text beside it, durably.

        :raises OrderpullError: they cannot be written.
        """
        content = json.dumps(self.as_json(), ensure_ascii=False, indent=2) + "\n"
        try:
            for path, text in ((file, content), (file.with_suffix(".txt"), str(self))):
                replace_file(path, text.encode())
        except OSError as error:
            raise OrderpullError(
                f"The certificate {file} cannot be written: {error.strerror or error}.",
                "What it lists is erased. Make room or name another file with --certificate, then "
                "run `orderpull forget` again.",
            ) from error


def this_user() -> str:
    """User and host of this process."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # no name for this user id, as in a container
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
