"""``orderpull.toml`` and the environment, as typed settings.

Unknown keys are errors that name the nearest setting; ``${NAME}`` reads the environment.
"""

import difflib
import ipaddress
import os
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Meta, Struct

from orderpull import clock
from orderpull.errors import SettingsError, UsageError

DEFAULT_FILE = "orderpull.toml"
SECRET_KEYS = frozenset({
    "token", "password", "password_hash", "secret", "client_secret", "refresh_token",
    "urls", "identity",
})  # fmt: skip
"""Settings whose values are redacted."""

SOURCE_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$"
SourceName = Annotated[str, Meta(pattern=SOURCE_NAME)]
Positive = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=1)]
Block = TypeVar("Block", bound=Struct)


class DestinationSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[destination]``: the warehouse.

    :param url: ``duckdb:///FILE`` (three slashes: beside the settings file; four: absolute),
        ``postgresql://USER@HOST:5432/DATABASE`` or ``redshift://USER@HOST:5439/DATABASE``.
    :param lock_wait: seconds to wait for another process to release the warehouse.
    :param password: of the warehouse's user, best as ``${NAME}``.
    :param connect_timeout: timeout in seconds for the connection to a server.
    :param timeout: timeout in seconds for one statement on a server.
    :param stage: Redshift: ``s3://BUCKET/PREFIX`` for the files of ``COPY``.
    :param iam_role: Redshift: ARN of the role with which ``COPY`` reads them.
    :param auth: Redshift: ``password``, ``iam`` (temporary credentials) or ``secret`` (Secrets
        Manager).
    :param cluster: Redshift, ``iam``: the provisioned cluster's identifier.
    :param workgroup: Redshift, ``iam``: the Serverless workgroup's name.
    :param secret_arn: Redshift, ``secret``: the secret with user and password.
    :param region: Redshift: the AWS region; default: that of the AWS tools.
    :param endpoint: Redshift: address of an S3-compatible store.
    """

    url: str = "duckdb:///orders.duckdb"
    lock_wait: Annotated[float, Meta(ge=0)] = 30.0
    password: str | None = None
    connect_timeout: Annotated[float, Meta(ge=1)] = 10.0
    timeout: Positive = 600.0
    stage: str | None = None
    iam_role: str | None = None
    auth: Literal["password", "iam", "secret"] = "password"
    cluster: str | None = None
    workgroup: str | None = None
    secret_arn: str | None = None
    region: str | None = None
    endpoint: str | None = None


class LandingSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[landing]``: the store of raw pages.

    :param url: a folder, relative to the settings file, or ``s3://BUCKET/PREFIX``.
    :param endpoint: address of an S3-compatible store other than Amazon's.
    :param region: of the bucket; default: boto3's.
    :param sse: server-side encryption of new objects; default: the bucket's.
    :param kms_key: id or ARN of the key for ``aws:kms``; default: AWS's own key.
    :param encrypt: ``age:PUBLICKEY`` or ``kms:KEYID``: encrypt new pages before they are stored.
    :param identity: private key of age, which what reads pages needs; best as ``${NAME}``.
    :param keep_days: days after which loaded pages are deleted; default: never.
    """

    url: str = "landing"
    endpoint: str | None = None
    region: str | None = None
    sse: Literal["AES256", "aws:kms"] | None = None
    kms_key: str | None = None
    encrypt: str | None = None
    identity: str | None = None
    keep_days: Count | None = None


class ReportSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[report]``: the presentation of answers.

    :param timezone: IANA name; days of ``--since`` and ``--until`` begin at its midnight.
    """

    timezone: str = "UTC"


class WebSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[web]``: access to the pages.

    :param password_hash: hash of the login password; ``orderpull password`` creates it.
    :param token: bearer token for programs (``Authorization: Bearer``); 24 characters or more.
    :param trusted_proxy: addresses or networks of a reverse proxy. Its headers for the client's
        address and https are trusted.
    :param proxy_header: the proxy's header with the signed-in user; without it the proxy signs
        nobody in.
    :param hosts: allowed host names, besides this machine's.
    :param show_addresses: show names and addresses to signed-in people.
    :param tls_certificate: a PEM file; with it the pages are served over https.
    :param tls_key: the certificate's key, if it is in a separate file.
    """

    password_hash: str | None = None
    token: str | None = None
    trusted_proxy: list[str] = []
    proxy_header: str | None = None
    hosts: list[str] = []
    show_addresses: bool = False
    tls_certificate: str | None = None
    tls_key: str | None = None

    @property
    def signs_in(self) -> bool:
        """True if a login is required."""
        return bool(self.password_hash or self.token or self.proxy_header)


class TableauSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[tableau]``: Tableau Server or Cloud, and its access to the warehouse.

    :param server: its address, ``https://HOST``.
    :param site: the site's name in URLs; None: the default site.
    :param project: the workbook's project; ``/`` separates levels.
    :param workbook: the workbook's name.
    :param token_name: name of the personal access token for the login.
    :param token: its secret, best as ``${NAME}``.
    :param user: the warehouse user for Tableau; default: that of ``destination.url``.
    :param password: of that user; default: ``destination.password``.
    :param schema: schema of the tables on a server; default: that of the URL, else ``public``.
    :param timeout: timeout in seconds for one request to the server.
    """

    server: str | None = None
    site: str | None = None
    project: str = "default"
    workbook: str = "Orders"
    token_name: str | None = None
    token: str | None = None
    user: str | None = None
    password: str | None = None
    schema: str | None = None
    timeout: Positive = 300.0


class ScheduleSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[schedule]``: the times of runs.

    :param every: interval between runs: ``30s``, ``5m``, ``2h``, ``1d``.
    :param cron: instead of ``every``: a cron expression of five fields.
    :param timezone: IANA name, for ``cron``; default: that of ``[report]``.
    :param missed: ``once``: a single run makes up for all missed times; ``skip``: missed times are
        dropped.
    :param jitter: maximum random delay of a run, in seconds.
    :param folder: folder of the state file, relative to the settings file.
    """

    every: str | None = None
    cron: str | None = None
    timezone: str | None = None
    missed: Literal["once", "skip"] = "once"
    jitter: Annotated[float, Meta(ge=0)] = 30.0
    folder: str = ".orderpull"


class VerifySettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[verify]``: the times and the extent of verifications.

    :param cron: a cron expression of five fields; a schedule verifies at these times, in its
        timezone.
    :param since: the span of time that is compared: ``30d``.
    :param deep: compare everything, by every value.
    :param sources: names of sources; empty for all.
    :param shop: ask the shops, too.
    """

    cron: str | None = None
    since: str = "30d"
    deep: bool = False
    sources: list[str] = []
    shop: bool = True


class NotifySettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[notify]``: messages when an alert opens and when it closes.

    :param urls: recipients as apprise URLs, best as ``${NAME}``.
    :param name: name of this orderpull in messages.
    :param failures: number of failed runs in a row that opens an alert for a source.
    :param stale: time without a complete read after which a source is stale.
    :param rejects: share of a day's orders that may be rejected.
    """

    urls: list[str] = []
    name: str = "orderpull"
    failures: Count = 1
    stale: str = "26h"
    rejects: Annotated[float, Meta(ge=0, le=1)] = 0.05


class TelemetrySettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[telemetry]``: traces and metrics for a collector of OpenTelemetry.

    :param endpoint: its base URL, OTLP over HTTP; OpenTelemetry's own variables come first.
    :param timeout: seconds at the end of a run for sending what waits.
    """

    endpoint: str | None = None
    timeout: Positive = 3.0

    @property
    def collector(self) -> tuple[str | None, float]:
        """Endpoint and timeout."""
        return self.endpoint, self.timeout


class SourceSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[sources.NAME]``: one account at one orders API.

    :param api: a built-in API's name, or the path of a ``.toml``.
    :param base_url: scheme, host, port and prefix; the API file adds the path.
    :param token: the API's token, best as ``${NAME}``.
    :param user, password: for APIs with a token request by user and password.
    :param client_id, client_secret, refresh_token: for APIs with OAuth 2.0.
    :param auth_url: host of the token request; default: that of the API file.
    :param start: lower limit of an incremental API's first run (ISO date or time).
    :param on_change: ``update``: the newest version wins; ``ignore``: the first version stays.
    :param ordernumber: template of the order number, with ``{number}`` and ``{id}``.
    :param reject_limit: share of a batch of 100 orders or more that may be rejected.
    :param page_size: orders per request.
    :param max_pages: maximum number of pages per run.
    :param max_seconds: maximum duration of a pull per run.
    :param rate: maximum number of requests per second; 0.2 is one in five seconds.
    :param timeout: seconds for one request, from connecting to the last byte.
    :param overlap: seconds before the cursor that each run of an incremental API reads again.
    :param reconcile: interval between listings of all orders, which find deleted and missing ones:
        ``7d``.
    :param full_reread_days: interval in days between complete reads since ``start``.
    :param keep_address: a blank address does not replace the stored one.
    :param billing_country: an order without a country of delivery has that of its invoice.
    :param keep_names: keep names, street lines and postal codes in the tables; ``hash``: a keyed
        hash in place of each.
    """

    api: str
    base_url: str
    token: str | None = None
    user: str | None = None
    password: str | None = None
    client_id: str | None = None
    client_secret: str | None = None
    refresh_token: str | None = None
    auth_url: str | None = None
    start: str | None = None
    on_change: Literal["update", "ignore"] = "update"
    ordernumber: str = "{number}"
    reject_limit: Annotated[float, Meta(ge=0, le=1)] = 0.10
    page_size: Count | None = None
    max_pages: Count | None = None
    max_seconds: Positive | None = None
    rate: Positive | None = None
    timeout: Positive = 60.0
    overlap: Annotated[float, Meta(ge=0)] | None = None
    reconcile: str | None = None
    full_reread_days: Positive | None = None
    keep_address: bool = False
    billing_country: bool = False
    keep_names: bool | Literal["hash"] = True


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """All settings.

    :param file: their file; relative paths start at its folder.
    """

    destination: DestinationSettings = DestinationSettings()
    landing: LandingSettings = LandingSettings()
    report: ReportSettings = ReportSettings()
    web: WebSettings = WebSettings()
    tableau: TableauSettings = TableauSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    verify: VerifySettings = VerifySettings()
    notify: NotifySettings = NotifySettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    sources: dict[SourceName, SourceSettings] = {}
    file: Path | None = None

    @property
    def folder(self) -> Path:
        """Base folder of relative paths."""
        return self.file.parent if self.file else Path.cwd()

    def chosen(self, names: tuple[str, ...] = ()) -> dict[str, SourceSettings]:
        """The sources *names*, or all if *names* is empty.

        :raises SettingsError: no source is set, or a name is unknown.
        """
        if not self.sources:
            raise SettingsError(
                f"{self.file or DEFAULT_FILE} names no source.",
                "Add a [sources.NAME] block, or run `orderpull init`.",
            )
        for name in names:
            if name not in self.sources:
                raise SettingsError(
                    f"There is no source {name!r}.", f"Known: {', '.join(self.sources)}."
                )
        return {name: self.sources[name] for name in (names or self.sources)}


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
        _convert(source, SourceSettings, where, f"sources.{name}")
    settings = _convert(table, Settings, where)
    for name, source in settings.sources.items():
        _check_source(f"{where}: [sources.{name}]", source)
    _check_timezone(settings.report.timezone, where, "report")
    _check_timezone(settings.schedule.timezone or "UTC", where, "schedule")
    _check_length(settings.notify.stale, f"{where}: notify.stale")
    _check_collector(settings.telemetry.endpoint, where)
    _check_length(settings.verify.since, f"{where}: verify.since")
    _check_names(settings, f"{where}: verify.sources")
    _check_web(settings.web, f"{where}: [web]")
    return msgspec.structs.replace(settings, file=file)


def masked(key: str, value: object) -> object:
    """*value* for display, with secrets and passwords in URLs redacted to ``•••``."""
    if value not in (None, []) and key.rsplit(".", 1)[-1] in SECRET_KEYS:
        return "•••"
    return without_password(value) if isinstance(value, str) else value


def without_password(url: str) -> str:
    """*url* with a password in its authority replaced by ``•••``."""
    return re.sub(r"(://[^/:@\s]*):[^/@\s]*@", r"\1:•••@", url)


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

    def replace(match: re.Match[str]) -> str:
        name = match[1]
        if name not in os.environ:
            raise SettingsError(
                f"{where}: {'.'.join(key)} needs the environment variable {name}, "
                "and it is not set.",
                f"Set it: export {name}=…",
            )
        return os.environ[name]

    return re.sub(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}", replace, value)


def _refuse_unknown_keys(table: dict[str, Any], where: str) -> None:
    blocks = {f.name: f.type for f in msgspec.structs.fields(Settings) if f.name != "file"}
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


def _convert(table: object, type_: type[Block], where: str, prefix: str = "") -> Block:
    """Convert *table* to *type_*; the error names the key of an invalid value."""
    try:
        return msgspec.convert(table, type_)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        key = ".".join(part for part in (prefix, path.rstrip("`").lstrip(".")) if part)
        reason = f"{key or 'the file'}: {message[:1].lower()}{message[1:]}"
        raise SettingsError(f"{where}: {reason}.", "See docs/settings.md.") from None


def check_base_url(url: str, where: str = "") -> None:
    """Check a source's base URL. :raises SettingsError: it is wrong; *where* is its place."""
    where = f"{where} base_url".lstrip()
    if not re.match(r"^https?://[^/\s?#]+[^\s?#]*$", url):
        raise SettingsError(
            f"{where} is {without_password(url)!r}: expected http:// or "
            "https://, a host, and at most a path.",
            "The API file adds path and query.",
        )
    if "@" in url.split("://", 1)[1].split("/", 1)[0]:
        raise SettingsError(f"{where} holds a user or password.", 'Use token = "${NAME}" instead.')


def _check_source(where: str, source: SourceSettings) -> None:
    check_base_url(source.base_url, where)
    if source.auth_url is not None and not re.match(r"^https?://[^/\s?#@]+$", source.auth_url):
        raise SettingsError(
            f"{where} auth_url is {without_password(source.auth_url)!r}: expected http:// or "
            "https:// and a host, and nothing else.",
            "The API file adds the path.",
        )
    if source.reconcile is not None:
        _check_length(source.reconcile, f"{where} reconcile")
    unknown = set(re.findall(r"\{([^}]*)\}", source.ordernumber)) - {"number", "id"}
    if unknown or "{" not in source.ordernumber:
        raise SettingsError(
            f"{where} ordernumber is {source.ordernumber!r}: it is made of {{number}} and {{id}}.",
            'For example "{number}~{id}".',
        )


def _check_names(settings: Settings, where: str) -> None:
    for name in settings.verify.sources:
        if name not in settings.sources:
            raise SettingsError(
                f"{where} names {name!r}, and there is no such source.",
                f"Known: {', '.join(settings.sources)}.",
            )


def _check_length(text: str, where: str) -> None:
    try:
        clock.duration(text)
    except UsageError as error:
        raise SettingsError(f"{where}: {error.message}", error.hint) from None


def _check_collector(endpoint: str | None, where: str) -> None:
    if endpoint is not None and not re.fullmatch(r"https?://[^\s?#]+", endpoint):
        raise SettingsError(
            f"{where}: telemetry.endpoint is not http:// or https:// with a host.",
            "For example http://127.0.0.1:4318: OTLP over HTTP, without /v1/traces.",
        )


def _check_timezone(name: str, where: str, block: str) -> None:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise SettingsError(
            f"{where}: {block}.timezone {name!r} is not an IANA time zone.",
            "For example Europe/Berlin.",
        ) from None


PASSWORD_HASH = re.compile(
    r"\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([\w+/]{22,})\$([\w+/]{43})"
)
"""Pattern of a scrypt hash in PHC format: parameters, salt, hash."""

MIN_TOKEN_LENGTH = 24
_COMMON_HEADERS = frozenset({
    "accept", "accept-encoding", "accept-language", "authorization", "connection", "cookie",
    "forwarded", "host", "origin", "referer", "user-agent", "via", "x-forwarded-for",
    "x-forwarded-host", "x-forwarded-port", "x-forwarded-proto", "x-real-ip",
})  # fmt: skip
"""Headers that browsers and proxies always send; they cannot name the signed-in user."""


def _check_web(web: WebSettings, where: str) -> None:
    if web.password_hash and not PASSWORD_HASH.fullmatch(web.password_hash):
        raise SettingsError(
            f"{where} password_hash is no hash of a password.",
            "Make one with `orderpull password`.",
        )
    if web.token is not None and len(web.token) < MIN_TOKEN_LENGTH:
        raise SettingsError(
            f"{where} token has fewer than {MIN_TOKEN_LENGTH} characters: it can be guessed.",
            "Make one with `openssl rand -hex 32`.",
        )
    for text in web.trusted_proxy:
        _check_proxy(text, where)
    header = (web.proxy_header or "x-user").lower()
    if header in _COMMON_HEADERS or not re.fullmatch(r"[a-z0-9-]+", header):
        raise SettingsError(
            f"{where} proxy_header {web.proxy_header!r} is no header that only a proxy would send.",
            "For example X-Forwarded-User.",
        )
    if web.proxy_header and not web.trusted_proxy:
        raise SettingsError(
            f"{where} proxy_header needs trusted_proxy: anybody could send that header.",
            'Name the proxy\'s address: trusted_proxy = ["127.0.0.1"].',
        )
    if web.tls_key and not web.tls_certificate:
        raise SettingsError(f"{where} tls_key needs tls_certificate.", "Name both files.")


def _check_proxy(text: str, where: str) -> None:
    try:
        network = ipaddress.ip_network(text)
    except ValueError:
        network = None
    if network is None or network.prefixlen == 0:
        raise SettingsError(
            f"{where} trusted_proxy {text!r} is no address and no network of a proxy.",
            "For example 127.0.0.1 or 10.0.0.0/24.",
        )
