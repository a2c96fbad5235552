"""Sources from a list: one account in each row of a CSV file, a table or a query.

A wrong row is refused by its name and stops no other. Secrets are not in the list: a
row names the variable of the environment that holds one, as ``${NAME}``.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from orderpull.errors import SettingsError
from orderpull.settings.account_rows import is_file, rows_of
from orderpull.settings.blocks import (
    SOURCE_NAME,
    Accounts,
    Settings,
    SourceName,
    SourceSettings,
    SourcesFromSettings,
)
from orderpull.settings.checks import check_source
from orderpull.settings.conversion import VARIABLE, convert, from_environment

SECRETS = frozenset({"token", "password", "client_secret", "refresh_token"})
"""Columns that hold nothing but ``${NAME}``."""

FROM_ENVIRONMENT = SECRETS | {"user", "client_id"}
"""Columns in which ``${NAME}`` is read from the environment."""

_TRUTH = {"true": True, "false": False}


class _Name(msgspec.Struct):
    name: SourceName


class _Refused(Exception):
    """A row is refused. :param reason: as a sentence, without the row's place."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def check_list(block: SourcesFromSettings, where: str) -> None:
    """Check ``[sources_from]``. :raises SettingsError: keys are missing or contradict."""
    chosen = [key for key in ("table", "query") if getattr(block, key) is not None]
    if block.url is None:
        if chosen or block.password is not None or block.secret_prefix:
            raise SettingsError(
                f"{where}: [sources_from] needs url.",
                'For example url = "accounts.csv", or postgresql://USER@HOST:5432/DATABASE.',
            )
        return
    if is_file(block.url):
        if chosen:
            raise SettingsError(
                f"{where}: sources_from.{chosen[0]} is for a database, and url is a file.",
                f"Remove {chosen[0]}, or name the database in url.",
            )
    elif len(chosen) != 1:
        raise SettingsError(
            f"{where}: [sources_from] needs either table or query.",
            'For example table = "accounts".',
        )


def with_accounts(settings: Settings) -> Settings:
    """*settings* with the sources of the list, read anew; without a list as they are.

    :raises SettingsError: the list cannot be read, or has no column ``name``, ``api`` or
        ``base_url``, or an unknown one.
    """
    block = settings.sources_from
    if block.url is None:
        return settings
    rows = rows_of(block, settings.folder)
    _check_columns(rows, block)
    own = {
        name: source
        for name, source in settings.sources.items()
        if name not in settings.accounts.names
    }
    sources, refused = _sources_of(rows, block, own)
    accounts = Accounts(frozenset(sources), refused)
    return msgspec.structs.replace(settings, sources={**own, **sources}, accounts=accounts)


def without(settings: Settings, refused: Mapping[str, str]) -> Settings:
    """*settings* without those accounts of the list that are *refused*, each with its reason."""
    sources = {name: each for name, each in settings.sources.items() if name not in refused}
    accounts = Accounts(
        settings.accounts.names - refused.keys(), {**settings.accounts.refused, **refused}
    )
    return msgspec.structs.replace(settings, sources=sources, accounts=accounts)


def _check_columns(rows: Iterable[Mapping[str, Any]], block: SourcesFromSettings) -> None:
    columns = next((set(row) for row in rows), None)
    if columns is None:
        return
    known = {"name", *SourceSettings.__struct_fields__}
    for missing in sorted({"name", "api", "base_url"} - columns):
        raise SettingsError(
            f"The list of [sources_from] has no column {missing}.",
            "Each row needs name, api and base_url; the other columns are keys of [sources.NAME].",
        )
    for unknown in sorted(columns - known):
        hint = "Remove the column" if is_file(block.url or "") else "Choose the columns by query"
        raise SettingsError(
            f"The list of [sources_from] has the column {unknown}, which is no setting of a "
            "source.",
            f"{hint}; docs/settings.md names the settings.",
        )


def _sources_of(
    rows: Iterable[Mapping[str, Any]],
    block: SourcesFromSettings,
    own: Mapping[str, SourceSettings],
) -> tuple[dict[str, SourceSettings], dict[str, str]]:
    """The sources of *rows* by name, and the reason of each refused row by name."""
    distinct = {tuple(sorted((key, str(value)) for key, value in row.items())): row for row in rows}
    numbers = Counter(_name_of(row) for row in distinct.values())
    sources, refused = dict[str, SourceSettings](), dict[str, str]()
    for number, row in enumerate(distinct.values(), start=1):
        name = _name_of(row)
        try:
            _refuse_twice(name, numbers[name], own)
            sources[name] = _source_of(row, block)
        except _Refused as error:
            place = name or f"row {number}"
            refused[place] = f"Account {place!r} of [sources_from] is refused: {error.reason}"
    return sources, refused


def _refuse_twice(name: str, rows: int, own: Mapping[str, SourceSettings]) -> None:
    """Refuse a name of several *rows*, or of a block of the settings, *own*."""
    if name and rows > 1:
        raise _Refused("its rows differ, and one name is one account.")
    if name in own:
        raise _Refused("orderpull.toml has a source of this name, too.")


def _name_of(row: Mapping[str, Any]) -> str:
    return str(row.get("name") or "").strip()


def _source_of(row: Mapping[str, Any], block: SourcesFromSettings) -> SourceSettings:
    """The source in *row*. :raises _Refused: a value is wrong."""
    try:
        msgspec.convert({"name": _name_of(row)}, _Name)
    except msgspec.ValidationError:
        raise _Refused(f"its name does not match {SOURCE_NAME}.") from None
    values = {key: _value(key, value, block) for key, value in row.items() if key != "name"}
    present = {key: value for key, value in values.items() if value not in (None, "")}
    api = str(present.get("api", ""))
    if api.startswith("/") or ".." in api.split("/"):
        raise _Refused("its api is not a built-in one and no file below the settings' folder.")
    try:
        source = convert(present, SourceSettings, "its row", strict=False)
        check_source("its", source)
    except SettingsError as error:
        raise _Refused(f"{error.message[:1].lower()}{error.message[1:]}") from None
    return source


def _value(key: str, value: object, block: SourcesFromSettings) -> object:
    """The setting in column *key*, with a secret from the environment."""
    if not isinstance(value, str):
        return value
    value = value.strip()
    if key not in FROM_ENVIRONMENT:
        if VARIABLE.search(value):
            raise _Refused(f"{key} names a variable; only secrets, user and client_id may.")
        return _TRUTH.get(value.lower(), value)
    named = VARIABLE.fullmatch(value)
    if named is None and value and key in SECRETS:
        raise _Refused(f"{key} must name a variable as ${{NAME}}: secrets are not in the list.")
    for name in VARIABLE.findall(value):
        if not name.startswith(block.secret_prefix or ""):
            raise _Refused(
                f"{key} names a variable that does not begin with {block.secret_prefix} "
                "(secret_prefix)."
            )
    try:
        return from_environment(value, key)
    except SettingsError as error:
        raise _Refused(error.message) from None
