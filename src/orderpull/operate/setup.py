"""Write ``orderpull.toml``, and list every setting with its origin."""

import json
import os
import re
import tomllib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from orderpull import clock
from orderpull.errors import SettingsError, UsageError
from orderpull.settings import (
    SOURCE_NAME,
    Settings,
    SourceSettings,
    check_base_url,
    masked,
    parse_settings,
)
from orderpull.sources.http.auth import needed_settings
from orderpull.sources.pull import Source
from orderpull.sources.spec.api import Api
from orderpull.sources.spec.blocks import AuthSpec
from orderpull.sources.spec.reader import built_in, read_api
from orderpull.sources.spec.times import parse_time

TEMPLATE = """\
# orderpull's settings. `orderpull config` shows every value in force and where it comes from.

[destination]
# The warehouse: a DuckDB file beside this one.
url = {destination}
# Seconds to wait while another program holds it:
# lock_wait = 30

[landing]
# Raw answers are kept here: back this folder up.
url = "landing"

[report]
# Whose midnight begins the days of --since and --until.
timezone = {timezone}

[sources.{key}]
api = {api}
base_url = {base_url}
{own}{suggestions}# "ignore": the first version of an order stays.
# on_change = "update"
# Requests per second at most; 0.2 is one in five seconds.
# rate = 1
# Stop a run after so many pages.
# max_pages = 1000
"""


@dataclass(frozen=True, slots=True)
class NewSource:
    """A source that is to be written into the settings.

    :param spec: the API that *api* names.
    :param credentials: the environment variable of each setting that lets the source in.
    :param start: lower limit of the first run.
    """

    name: str
    api: str
    spec: Api
    base_url: str
    credentials: dict[str, str]
    start: str | None = None

    @property
    def needs_login(self) -> bool:
        """True if ``orderpull login`` has to fetch the token."""
        token = self.spec.auth.token
        by_code = token is not None and token.grant == "authorization_code"
        return by_code and "token" not in self.credentials


def ways_to_sign_in(auth: AuthSpec) -> list[tuple[str, ...]]:
    """The sets of settings of which each lets a source in; the usual one first."""
    ways = [tuple(needed_settings(auth))]
    if auth.token:
        ways.append(tuple(needed_settings(auth, with_token=True)))
    if auth.optional:
        ways.insert(0, ())
    return list(dict.fromkeys(ways))


def variables(source: str, keys: Iterable[str]) -> dict[str, str]:
    """Names of environment variables for the settings *keys* of *source*."""
    prefix = re.sub(r"[^A-Z0-9_]", "_", source.upper())
    prefix = prefix if prefix[0].isalpha() else f"_{prefix}"
    return {key: f"{prefix}_{key.upper()}" for key in keys}


def settings_text(source: NewSource, *, destination: str, timezone: str) -> str:
    """The text of a commented ``orderpull.toml``."""
    lines = [f'{key} = "${{{name}}}"\n' for key, name in source.credentials.items()]
    if source.needs_login:
        lines.append(f"# Once, before the first run: orderpull login {source.name}\n")
    if source.start:
        lines.append("# The first run pulls orders changed since then.\n")
        lines.append(f"start = {quoted(source.start)}\n")
    return TEMPLATE.format(
        key=quoted(source.name) if "." in source.name else source.name,
        api=quoted(source.api), base_url=quoted(source.base_url), own="".join(lines),
        suggestions=_suggestions(source.spec), destination=quoted(destination),
        timezone=quoted(timezone),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """Options of a new source; None: absent.

    :raises SettingsError: an option is wrong.
    """

    source: str | None = None
    api: str | None = None
    base_url: str | None = None
    token_variable: str | None = None
    start: str | None = None

    def __post_init__(self) -> None:
        for value, check in (
            (self.source, check_name),
            (self.base_url, check_base_url),
            (self.token_variable, check_variable),
            (self.start, check_start),
        ):
            if value:
                check(value)


def new_source(options: SourceOptions, folder: Path) -> NewSource:
    """A new source from options.

    :param folder: folder to which the path of an API file is relative.
    :raises UsageError: an option is missing; all that are missing are in the message.
    :raises SettingsError: an option is wrong.
    """
    spec = read_api(options.api, folder) if options.api else None
    wanted = {"--api": options.api, "--base-url": options.base_url}
    if spec is None or spec.cursor is not None:
        wanted["--start"] = options.start
    missing = [flag for flag, value in wanted.items() if not value]
    message = f"Nobody can be asked here, and these options are missing: {', '.join(missing)}."
    if spec is None:
        known = ", ".join(built_in())
        raise UsageError(message, f"--api is one of {known}, or the path of a .toml.")
    if missing:
        raise UsageError(message, f"For example: {_examples(spec, missing)}")
    name = options.source or "shop"
    credentials = variables(name, ways_to_sign_in(spec.auth)[0])
    if options.token_variable:
        credentials = {"token": options.token_variable}
    return NewSource(
        name, options.api or "", spec, options.base_url or "", credentials, options.start or None
    )


def _examples(spec: Api, flags: Sequence[str]) -> str:
    url = spec.setup.base_url or "https://YOUR-SHOP.com"
    return " ".join({"--base-url": f"--base-url {url}"}.get(flag, "--start 2026-01-01")
                    for flag in flags)  # fmt: skip


def quoted(text: str) -> str:
    """*text* as a TOML string."""
    return json.dumps(text, ensure_ascii=False)


def check_name(text: str) -> str:
    """*text* as the name of a source. :raises SettingsError: it cannot be one."""
    if not re.fullmatch(SOURCE_NAME, text):
        raise SettingsError(
            f"{text!r} is no name of a source.",
            "Take letters, digits, dots, dashes and underscores, 63 at most; no blank.",
        )
    return text


def check_variable(text: str) -> str:
    """*text* as the name of an environment variable. :raises SettingsError: it cannot be one."""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", text):
        raise SettingsError(
            "--token-variable is no name of an environment variable.",  # may be the token itself
            "Name it like SHOP_TOKEN, and put the token into the variable.",
        )
    return text


def check_start(text: str) -> str:
    """*text* as the lower limit of the first run. :raises SettingsError: it is no day or time."""
    start = parse_time(text)
    if start is None:
        raise SettingsError(f"{text!r} is no day and no time.", "Write it like 2026-01-31.")
    if start > clock.now():
        raise SettingsError(f"{text} is in the future.", "The first run reads what changed since.")
    return text


def api_path_in(base_url: str, spec: Api) -> str | None:
    """*base_url* without the API's own path at its end; None: no such end."""
    url, path = base_url.rstrip("/"), spec.request.path
    steps = path.strip("/").split("/")
    for count in range(len(steps), 0, -1):
        own = "/" + "/".join(steps[:count])
        if url.partition("://")[2].endswith(own):
            return url.removesuffix(own)
    return None


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


def check_place(path: Path, *, force: bool) -> None:
    """Check that settings can be written to *path*, before anybody is asked.

    :raises SettingsError: there is a file, and *force* is false; or the folder cannot be written.
    """
    if path.exists() and not force:
        raise SettingsError(
            f"{path.name} exists already.",
            "Use --force to replace it. For one more shop, add a [sources.NAME] block to it.",
        )
    folder = path.absolute().parent
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        problem = "cannot be written" if folder.is_dir() else "does not exist"
        raise SettingsError(f"The folder {folder} {problem}.", "Take another one.")


def write_settings(path: Path, text: str, source: NewSource) -> None:
    """Write *text* with its one *source* to *path*.

    :raises SettingsError: *text* is wrong, or not what the source's API needs.
    """
    made_up = parse_settings(re.sub(r"\$\{\w+\}", "x", text), path)
    Source(source.name, made_up.sources[source.name], source.spec).client.close()
    new = path.with_name(f"{path.name}.new")
    try:
        new.write_text(text, encoding="utf-8")
        new.replace(path)  # so that old settings are there, whole, until the new ones are
    except OSError as error:
        with suppress(OSError):
            new.unlink(missing_ok=True)
        raise SettingsError(f"{path} cannot be written: {error.strerror}.") from None


def with_origins(settings: Settings) -> list[tuple[str, object, str]]:
    """List every setting: key, value (secrets masked), origin."""
    text = settings.file.read_text(encoding="utf-8") if settings.file else ""
    tables = tomllib.loads(text)
    rows: list[tuple[str, object, str]] = []
    for block in ("destination", "landing", "report", "web", "tableau", "schedule", "notify",
                  "sources_from"):  # fmt: skip
        rows += _block(getattr(settings, block), tables.get(block, {}), f"{block}.", {})
    for name, source in settings.sources.items():
        api = read_api(source.api, settings.folder)
        is_listed = name in settings.accounts.names
        table = tables.get("sources", {}).get(name, {})
        from_api: dict[str, object] = {
            "page_size": api.paging.size,
            "rate": api.limits.rate,
            "overlap": api.cursor.overlap if api.cursor else None,
            "full_reread_days": api.cursor.full_reread_days if api.cursor else None,
        }
        keys = _block(source, table, f"sources.{name}.", from_api)
        rows += map(_of_list, keys) if is_listed else keys
    return rows


def _of_list(row: tuple[str, object, str]) -> tuple[str, object, str]:
    """*row* of an account of the list; what is not a default stands there."""
    key, value, origin = row
    field = key.rsplit(".", 1)[1]
    default = getattr(SourceSettings(api="", base_url=""), field)
    return (key, value, "list of accounts" if value != default and origin == "default" else origin)


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
