"""Read ``orderpull.toml`` and the environment.

Unknown keys are errors that name the nearest setting; ``${NAME}`` reads the environment.
"""

import difflib
import tomllib
from pathlib import Path
from typing import Any

import msgspec

from orderpull.errors import SettingsError
from orderpull.settings.accounts import check_list, with_accounts
from orderpull.settings.blocks import DEFAULT_FILE, Settings, SourceSettings
from orderpull.settings.checks import (
    check_collector,
    check_conversion,
    check_length,
    check_names,
    check_source,
    check_timezone,
    check_web,
)
from orderpull.settings.conversion import convert, from_environment

_NOT_SET = ("file", "accounts")
"""Fields of the settings that are no keys of the file."""


def read_settings(file: str | Path | None = None) -> Settings:
    """Read *file* (default: ``orderpull.toml`` in the working folder).

    :raises SettingsError: the file is missing, is not TOML, or a value is wrong; the message names
        file, key and reason.
    """
    path = Path(file or DEFAULT_FILE).absolute()
    return parse_settings(_read_text(path), path)


def parse_settings(text: str, file: Path | None = None) -> Settings:
    """Settings from TOML *text*, as if read from *file*. Errors as :func:`read_settings`."""
    where = file.name if file else DEFAULT_FILE
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{where} is not TOML: {error}.", "Mend that line.") from None
    table = _with_environment(table, where, ())
    _refuse_unknown_keys(table, where)
    sources = table.get("sources")
    for name, source in sources.items() if isinstance(sources, dict) else ():
        convert(source, SourceSettings, where, f"sources.{name}")
    settings = convert(table, Settings, where)
    for name, source in settings.sources.items():
        check_source(f"{where}: [sources.{name}]", source)
    check_timezone(settings.report.timezone, where, "report")
    check_conversion(settings.report, where)
    check_timezone(settings.schedule.timezone or "UTC", where, "schedule")
    check_length(settings.notify.stale, f"{where}: notify.stale")
    check_collector(settings.telemetry.endpoint, where)
    check_length(settings.verify.since, f"{where}: verify.since")
    check_web(settings.web, f"{where}: [web]")
    check_list(settings.sources_from, where)
    settings = with_accounts(msgspec.structs.replace(settings, file=file))
    if not settings.sources_from.url:  # an account may go from the list at any time
        check_names(settings, f"{where}: verify.sources")
    return settings


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SettingsError(
            f"There is no {path.name} in {path.parent}.",
            "Run `orderpull init` to write one, or name yours with --config FILE.",
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}.") from None


def _with_environment(value: Any, where: str, key: tuple[str, ...]) -> Any:  # noqa: ANN401 - TOML
    """*value* with each ``${NAME}`` replaced from the environment."""
    if isinstance(value, dict):
        return {k: _with_environment(v, where, (*key, k)) for k, v in value.items()}
    if isinstance(value, list):
        return [_with_environment(each, where, key) for each in value]
    if not isinstance(value, str):
        return value
    return from_environment(value, f"{where}: {'.'.join(key)}")


def _refuse_unknown_keys(table: dict[str, Any], where: str) -> None:
    blocks = {f.name: f.type for f in msgspec.structs.fields(Settings) if f.name not in _NOT_SET}
    tables: list[tuple[str, Any, tuple[str, ...]]] = [("", table, tuple(blocks))]
    for block, type_ in blocks.items():
        value = table.get(block)
        if block != "sources":
            tables.append((f"{block}.", value, type_.__struct_fields__))
        elif isinstance(value, dict):
            fields = SourceSettings.__struct_fields__
            tables += [(f"sources.{name}.", source, fields) for name, source in value.items()]
    for prefix, keys, known in tables:
        for key in keys if isinstance(keys, dict) else ():
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
                raise SettingsError(
                    f"{where}: there is no setting {prefix}{key}.",
                    f"Did you mean {prefix}{near[0]}?" if near else f"Known: {', '.join(known)}.",
                )
