"""Checks of values that their types do not express."""

import ipaddress
import re
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from orderpull import clock
from orderpull.errors import SettingsError, UsageError
from orderpull.settings.blocks import ReportSettings, Settings, SourceSettings, WebSettings
from orderpull.settings.display import without_password

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


def check_source(where: str, source: SourceSettings) -> None:
    """Check a source. :raises SettingsError: a value is wrong; *where* is its block."""
    check_base_url(source.base_url, where)
    if source.auth_url is not None and not re.match(r"^https?://[^/\s?#@]+$", source.auth_url):
        raise SettingsError(
            f"{where} auth_url is {without_password(source.auth_url)!r}: expected http:// or "
            "https:// and a host, and nothing else.",
            "The API file adds the path.",
        )
    if source.reconcile is not None:
        check_length(source.reconcile, f"{where} reconcile")
    unknown = set(re.findall(r"\{([^}]*)\}", source.ordernumber)) - {"number", "id"}
    if unknown or "{" not in source.ordernumber:
        raise SettingsError(
            f"{where} ordernumber is {source.ordernumber!r}: it is made of {{number}} and {{id}}.",
            'For example "{number}~{id}".',
        )


def check_names(settings: Settings, where: str) -> None:
    """Check that ``verify.sources`` exist. :raises SettingsError: one does not."""
    for name in settings.verify.sources:
        if name not in settings.sources:
            raise SettingsError(
                f"{where} names {name!r}, and there is no such source.",
                f"Known: {', '.join(settings.sources)}.",
            )


def check_length(text: str, where: str) -> None:
    """Check a length of time. :raises SettingsError: *text* is wrong; *where* is its setting."""
    try:
        clock.duration(text)
    except UsageError as error:
        raise SettingsError(f"{where}: {error.message}", error.hint) from None


def check_collector(endpoint: str | None, where: str) -> None:
    """Check the address of a collector. :raises SettingsError: it is wrong."""
    if endpoint is not None and not re.fullmatch(r"https?://[^\s?#]+", endpoint):
        raise SettingsError(
            f"{where}: telemetry.endpoint is not http:// or https:// with a host.",
            "For example http://127.0.0.1:4318: OTLP over HTTP, without /v1/traces.",
        )


def check_timezone(name: str, where: str, block: str) -> None:
    """Check the time zone of *block*. :raises SettingsError: *name* is unknown."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise SettingsError(
            f"{where}: {block}.timezone {name!r} is not an IANA time zone.",
            "For example Europe/Berlin.",
        ) from None


def check_conversion(report: ReportSettings, where: str) -> None:
    """Check ``[report]``. :raises SettingsError: of currency and rates only one is set."""
    if (report.currency is None) != (report.rates is None):
        one, other = ("currency", "rates") if report.rates is None else ("rates", "currency")
        raise SettingsError(
            f"{where}: report.{one} needs report.{other}.",
            'For example currency = "EUR" and rates = "eurofxref-hist.csv".',
        )


def check_web(web: WebSettings, where: str) -> None:
    """Check ``[web]``. :raises SettingsError: a value is wrong, or lacks another one."""
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
