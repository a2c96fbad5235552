"""The blocks of ``orderpull.toml``, with their defaults."""

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

from orderpull.errors import SettingsError

DEFAULT_FILE = "orderpull.toml"

SOURCE_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$"
SourceName = Annotated[str, Meta(pattern=SOURCE_NAME)]
Positive = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=1)]


class DestinationSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[destination]``: the warehouse.

    :param url: ``duckdb:///FILE`` (three slashes: beside the settings file; four: absolute),
        ``postgresql://USER@HOST:5432/DATABASE``, ``redshift://USER@HOST:5439/DATABASE``,
        ``iceberg:///FOLDER``, ``iceberg:s3://BUCKET/PREFIX`` or ``iceberg://NAMESPACE``.
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
    :param region: Redshift, Iceberg: the AWS region; default: that of the AWS tools.
    :param endpoint: Redshift, Iceberg: address of an S3-compatible store.
    :param catalog: Iceberg: properties of the catalog, which pyiceberg gets as they are.
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
    catalog: dict[str, str] = {}


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
    :param compact_cron: a cron expression of five fields; a schedule compacts loaded pages then,
        in its timezone.
    """

    url: str = "landing"
    endpoint: str | None = None
    region: str | None = None
    sse: Literal["AES256", "aws:kms"] | None = None
    kms_key: str | None = None
    encrypt: str | None = None
    identity: str | None = None
    keep_days: Count | None = None
    compact_cron: str | None = None


class ReportSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[report]``: the presentation of answers.

    :param timezone: IANA name; days of ``--since`` and ``--until`` begin at its midnight.
    :param currency: convert amounts to this currency, an ISO 4217 code; needs ``rates``.
    :param rates: file of exchange rates, relative to the settings file; needs ``currency``.
    """

    timezone: str = "UTC"
    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$")] | None = None
    rates: str | None = None


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


class DigestSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[digest]``: a message with the numbers of a day or a week.

    :param cron: a cron expression of five fields; a schedule sends it then, in its timezone.
    :param period: ``week``: the last finished one, Monday to Sunday; ``day``: yesterday.
    :param urls: recipients as apprise URLs, best as ``${NAME}``; empty for those of ``[notify]``.
    """

    cron: str | None = None
    period: Literal["day", "week"] = "week"
    urls: list[str] = []


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


class SourcesFromSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[sources_from]``: a list with one account in each row, beside ``[sources.NAME]``.

    :param url: a CSV file, relative to the settings file; ``postgresql://USER@HOST:5432/DATABASE``
        or ``duckdb:///FILE``.
    :param table: the table in that database.
    :param query: instead of ``table``: a ``SELECT``.
    :param password: of the database's user, best as ``${NAME}``.
    :param secret_prefix: the beginning that each variable named in a row must have.
    """

    url: str | None = None
    table: str | None = None
    query: str | None = None
    password: str | None = None
    secret_prefix: str | None = None


class Accounts(Struct, frozen=True):
    """The result of reading the list of ``[sources_from]``.

    :param names: of the sources that are from the list.
    :param refused: reason for each refused row, by its name.
    """

    names: frozenset[str] = frozenset()
    refused: dict[str, str] = {}


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """All settings.

    :param sources: those of the file, and those of the list that ``[sources_from]`` names.
    :param file: their file; relative paths start at its folder.
    :param accounts: which sources are from the list, and which rows of it are refused.
    """

    destination: DestinationSettings = DestinationSettings()
    landing: LandingSettings = LandingSettings()
    report: ReportSettings = ReportSettings()
    web: WebSettings = WebSettings()
    tableau: TableauSettings = TableauSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    verify: VerifySettings = VerifySettings()
    notify: NotifySettings = NotifySettings()
    digest: DigestSettings = DigestSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    sources_from: SourcesFromSettings = SourcesFromSettings()
    sources: dict[SourceName, SourceSettings] = {}
    file: Path | None = None
    accounts: Accounts = Accounts()

    @property
    def folder(self) -> Path:
        """Base folder of relative paths."""
        return self.file.parent if self.file else Path.cwd()

    def chosen(self, names: tuple[str, ...] = ()) -> dict[str, SourceSettings]:
        """The sources *names*, or all if *names* is empty.

        :raises SettingsError: no source is set, or a name is unknown.
        """
        if not self.sources and self.sources_from.url:
            reasons = "".join(f" {reason}" for reason in list(self.accounts.refused.values())[:3])
            raise SettingsError(
                f"The list of [sources_from] gives no source.{reasons}", "Mend the list."
            )
        if not self.sources:
            raise SettingsError(
                f"{self.file or DEFAULT_FILE} names no source.",
                "Add a [sources.NAME] block, or run `orderpull init`.",
            )
        for name in names:
            if name in self.accounts.refused:
                raise SettingsError(self.accounts.refused[name], "Mend that row.")
            if name not in self.sources:
                raise SettingsError(
                    f"There is no source {name!r}.", f"Known: {', '.join(self.sources)}."
                )
        return {name: self.sources[name] for name in (names or self.sources)}
