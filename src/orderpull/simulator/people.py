"""Names and streets in the languages of the simulated shop's customers, in their own scripts."""
# ruff: noqa: RUF001 - other scripts have letters that look like Latin ones

import tomllib
from pathlib import Path
from typing import Any, NamedTuple


class Language(NamedTuple):
    """First names, family names and streets, and how name and street are put together."""

    first: tuple[str, ...]
    last: tuple[str, ...]
    streets: tuple[str, ...]
    name: str = "{first} {last}"
    street: str = "{street} {house}"


def _read_languages() -> dict[str, Language]:
    text = Path(__file__).with_suffix(".toml").read_text("utf-8")
    return {
        code: Language(**{name: _frozen(value) for name, value in fields.items()})
        for code, fields in tomllib.loads(text)["languages"].items()
    }


def _frozen(value: Any) -> Any:  # noqa: ANN401 - a text, or a list of texts
    return tuple(value) if isinstance(value, list) else value


LANGUAGES = _read_languages()
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
