"""Convert tables of TOML and rows of a list to typed settings, with texts from the environment."""

import os
import re
from typing import TypeVar

import msgspec
from msgspec import Struct

from orderpull.errors import SettingsError

Block = TypeVar("Block", bound=Struct)

VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
"""Pattern of a reference to a variable of the environment."""


def from_environment(text: str, where: str) -> str:
    """*text* with each ``${NAME}`` replaced from the environment.

    :param where: the setting, for messages.
    :raises SettingsError: a variable is not set.
    """

    def replace(match: re.Match[str]) -> str:
        name = match[1]
        if name not in os.environ:
            raise SettingsError(
                f"{where} needs the environment variable {name}, and it is not set.",
                f"Set it: export {name}=…",
            )
        return os.environ[name]

    return VARIABLE.sub(replace, text)


def convert(
    table: object, type_: type[Block], where: str, prefix: str = "", *, strict: bool = True
) -> Block:
    """Convert *table* to *type_*; the error names the key of an invalid value.

    :param strict: take no text for a number or a truth value.
    :raises SettingsError: a value is invalid.
    """
    try:
        return msgspec.convert(table, type_, strict=strict)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        key = ".".join(part for part in (prefix, path.rstrip("`").lstrip(".")) if part)
        reason = f"{key or 'the file'}: {message[:1].lower()}{message[1:]}"
        raise SettingsError(f"{where}: {reason}.", "See docs/settings.md.") from None
