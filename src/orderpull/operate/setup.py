"""Write ``orderpull.toml``, and list every setting with its origin."""

import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec

from orderpull.errors import SettingsError
from orderpull.settings import Settings, masked, parse_settings
from orderpull.sources.spec.api import Api
from orderpull.sources.spec.reader import read_api

TEMPLATE = """\
# orderpull's settings. `orderpull config` shows every value in force and where it comes from.

[destination]
# The warehouse: a DuckDB file beside this one.
url = "{destination}"
# Seconds to wait while another program holds it:
# lock_wait = 30

[landing]
# Raw answers are kept here: back this folder up.
url = "landing"

[report]
# Whose midnight begins the days of --since and --until.
timezone = "{timezone}"

[sources.{source}]
api = "{api}"
base_url = "{base_url}"
{token}{start}{suggestions}# "ignore": the first version of an order stays.
# on_change = "update"
# Requests per second at most; 0.2 is one in five seconds.
# rate = 1
# Stop a run after so many pages.
# max_pages = 1000
"""


def settings_text(
    *,
    source: str,
    api: str,
    base_url: str,
    token_variable: str | None,
    start: str | None,
    destination: str,
    timezone: str,
    folder: Path,
) -> str:
    """Return the text of a commented ``orderpull.toml``.

    :param token_variable: the environment variable that holds the token; None: no token.
    :param folder: the folder to which the path of an API file is relative.
    :raises ApiFileError: the API is unknown, or its file is wrong.
    """
    spec = read_api(api, folder)
    token = f'token = "${{{token_variable}}}"\n' if token_variable else _credentials(spec, source)
    first = (
        f'# The first run pulls orders changed since then.\nstart = "{start}"\n' if start else ""
    )
    return TEMPLATE.format(
        source=source, api=api, base_url=base_url, token=token, start=first,
        suggestions=_suggestions(spec), destination=destination, timezone=timezone,
    )  # fmt: skip


_NEEDED = {
    "login": ("user", "password"),
    "client_credentials": ("client_id", "client_secret"),
    "refresh_token": ("client_id", "client_secret", "refresh_token"),
    "authorization_code": ("client_id", "client_secret"),
}


def _credentials(api: Api, source: str) -> str:
    """Return the lines of the credentials, each read from an environment variable."""
    if api.auth.kind == "none" or api.auth.optional:
        return ""
    prefix = re.sub(r"[^A-Z0-9_]", "_", source.upper())
    prefix = prefix if prefix[0].isalpha() else f"_{prefix}"
    grant = api.auth.token.grant if api.auth.token else None
    needed = _NEEDED[grant] if grant else ("token",)
    lines = [f'{key} = "${{{prefix}_{key.upper()}}}"\n' for key in needed]
    if grant == "authorization_code":
        lines.append(f"# Once, before the first run: orderpull login {source}\n")
    return "".join(lines)


def _suggestions(api: Api) -> str:
    """Return commented lines of settings that are useful for *api*."""
    if api.cursor is None:
        return ""
    reconcile = '# Find deleted and missing orders by listing all this often.\n# reconcile = "7d"\n'
    days = api.cursor.full_reread_days
    reread = (
        "# This API does not show all changes, so all is read again after so many days.\n"
        f"full_reread_days = {days:g}\n"
        if days
        else "# Read all again after so many days, for changes that the API does not show.\n"
        "# full_reread_days = 30\n"
    )
    return (reconcile if api.reconcile else "") + reread


def write_settings(path: Path, text: str, *, force: bool) -> None:
    """Write *text* to *path*.

    :raises SettingsError: the file exists and *force* is false, or *text* is wrong.
    """
    parse_settings(re.sub(r"\$\{\w+\}", "x", text), path)
    if path.exists() and not force:
        raise SettingsError(f"{path.name} exists already.", "Use --force to replace it.")
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{path} cannot be written: {error.strerror}.") from None


def with_origins(settings: Settings) -> list[tuple[str, object, str]]:
    """List every setting: key, value (secrets masked), origin."""
    text = settings.file.read_text(encoding="utf-8") if settings.file else ""
    tables = tomllib.loads(text)
    rows: list[tuple[str, object, str]] = []
    for block in ("destination", "landing", "report", "web", "tableau", "schedule", "notify"):
        rows += _block(getattr(settings, block), tables.get(block, {}), f"{block}.", {})
    for name, source in settings.sources.items():
        api = read_api(source.api, settings.folder)
        table = tables.get("sources", {}).get(name, {})
        from_api: dict[str, object] = {
            "page_size": api.paging.size,
            "rate": api.limits.rate,
            "overlap": api.cursor.overlap if api.cursor else None,
            "full_reread_days": api.cursor.full_reread_days if api.cursor else None,
        }
        rows += _block(source, table, f"sources.{name}.", from_api)
    return rows


def _block(
    block: msgspec.Struct, table: dict[str, Any], prefix: str, defaults: dict[str, object]
) -> list[tuple[str, object, str]]:
    rows = []
    for key in block.__struct_fields__:
        value = getattr(block, key)
        if key in table:
            variables = _variables(table[key])
            origin = f"environment ({variables})" if variables else "orderpull.toml"
        elif value is None and defaults.get(key) is not None:
            value, origin = defaults[key], "api file"
        else:
            origin = "default"
        rows.append((prefix + key, masked(key, value), origin))
    return rows


def _variables(raw: object) -> str:
    """Return a text of the settings file that uses variables; of a list, the variables' names."""
    if isinstance(raw, str):
        return raw if "${" in raw else ""
    texts = raw if isinstance(raw, list) else []
    return ", ".join(name for each in texts for name in re.findall(r"\$\{\w+\}", str(each)))
