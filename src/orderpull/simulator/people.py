"""Names and streets in the languages of the simulated shop's customers, in their own scripts."""
# ruff: noqa: RUF001 - other scripts have letters that look like Latin ones

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple


class Language(NamedTuple):
    """First names, family names and streets, and how name and street are put together."""

    first: Sequence[str]
    last: Sequence[str]
    streets: Sequence[str]
    name: str = "{first} {last}"
    street: str = "{street} {house}"


_FILE = Path(__file__).with_suffix(".toml")

LANGUAGES = {
    code: Language(**fields)
    for code, fields in tomllib.loads(_FILE.read_text("utf-8"))["languages"].items()
}
"""The languages by code."""

ODD_NAMES = (
    "Ada L. ",
    "  Zoë",
    'Robert "Bob" Tables',
    "Marks &amp; Spencer",
    "<script>alert(1)</script>",
    "Love \u2764\ufe0f \U0001f1e9\U0001f1ea",
    "\u202eright to left",
    "Nul\u0000Byte",
    "tab\tand\nnewline",
    "C:\\new\\table",
    "Cafe\u0301 & Caf\u00e9",
    "NULL",
    "X",
    "Very " * 40 + "Long",
)
SECOND_LINES = (
    "Apt. 4B",
    "c/o O'Neil",
    "2. Stock, links",
    "Floor #3",
    "№ 7 ½",
    "بناية ٥",
    "3F",
    "Bât. C",
)
