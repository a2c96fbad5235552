"""Log in to Redshift: by a password, temporary IAM credentials, or a secret of Secrets Manager."""

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import boto3
from botocore import exceptions as boto
from botocore.config import Config

from orderpull.errors import DestinationError, SettingsError
from orderpull.settings import DestinationSettings

PORT = 5439
CREDENTIAL_SECONDS = 900
"""Lifetime of temporary credentials; the shortest that AWS offers."""

_TLS = ("verify-full", "verify-ca", "disable")


@dataclass(frozen=True, slots=True)
class Address:
    """The parts of ``redshift://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=…``.

    :param sslmode: ``verify-full``, ``verify-ca`` or ``disable``.
    """

    host: str
    port: int
    database: str
    user: str | None
    password: str | None
    sslmode: str

    @classmethod
    def parse(cls, url: str) -> "Address":
        """Read *url*. :raises SettingsError: something is missing or unknown."""
        try:
            parts = urlsplit(url)
            port = parts.port or PORT
        except ValueError:
            raise _wrong("its port is no number") from None
        query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        sslmode = query.pop("sslmode", _TLS[0])
        if not parts.hostname:
            raise _wrong("it names no host")
        if not parts.path.strip("/"):
            raise _wrong("it names no database")
        if query:
            raise _wrong(f"{next(iter(query))!r} is not known; sslmode is")
        if sslmode not in _TLS:
            raise _wrong(f"sslmode is one of {', '.join(_TLS)}")
        return cls(
            parts.hostname,
            port,
            unquote(parts.path.strip("/")),
            unquote(parts.username) if parts.username else None,
            unquote(parts.password) if parts.password else None,
            sslmode,
        )


@dataclass(frozen=True, slots=True)
class Login:
    """A user and its password."""

    user: str
    password: str


def login(address: Address, settings: DestinationSettings) -> Login:
    """The login that ``destination.auth`` chooses.

    :raises SettingsError: a setting that it needs is missing.
    :raises DestinationError: AWS refuses the credentials.
    """
    if settings.auth == "secret":
        return _from_secret(_required(settings, "secret_arn"), settings)
    if settings.auth == "iam":
        return _temporary(address, settings)
    password = settings.password or address.password
    if not address.user or password is None:
        raise SettingsError(
            "Redshift needs a user and a password.",
            "Name the user in destination.url and the password in destination.password, or set "
            'destination.auth to "iam" or "secret".',
        )
    return Login(address.user, password)


def _temporary(address: Address, settings: DestinationSettings) -> Login:
    """GetCredentials of Serverless, or GetClusterCredentials of a provisioned cluster."""
    if settings.workgroup:
        response = _call_aws(
            settings, "redshift-serverless", "get_credentials",
            workgroupName=settings.workgroup, dbName=address.database,
            durationSeconds=CREDENTIAL_SECONDS,
        )  # fmt: skip
        return Login(response["dbUser"], response["dbPassword"])
    if not address.user:
        raise _wrong("it names no user, and GetClusterCredentials asks for one")
    response = _call_aws(
        settings, "redshift", "get_cluster_credentials",
        ClusterIdentifier=_required(settings, "cluster"), DbUser=address.user,
        DbName=address.database, DurationSeconds=CREDENTIAL_SECONDS, AutoCreate=False,
    )  # fmt: skip
    return Login(response["DbUser"], response["DbPassword"])


def _from_secret(arn: str, settings: DestinationSettings) -> Login:
    """The login in a secret as Redshift makes it: JSON with username and password."""
    response = _call_aws(settings, "secretsmanager", "get_secret_value", SecretId=arn)
    try:
        secret = json.loads(response["SecretString"])
        return Login(str(secret["username"]), str(secret["password"]))
    except (KeyError, TypeError, ValueError):
        raise DestinationError(
            "The secret of destination.secret_arn is not JSON with username and password.",
            "Make it as Redshift's own secrets are made.",
        ) from None


def _call_aws(
    settings: DestinationSettings, service: str, action: str, **parameters: object
) -> Any:  # noqa: ANN401 - boto3 has no types
    seconds = settings.connect_timeout
    config = Config(
        connect_timeout=seconds, read_timeout=seconds, retries={"total_max_attempts": 3}
    )
    request = f"AWS was asked for the login ({service} {action.replace('_', ' ')})"
    try:
        session = boto3.Session(region_name=settings.region)
        return getattr(session.client(service, config=config), action)(**parameters)
    except boto.ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        raise DestinationError(
            f"{request} and refused: {code}.",
            "docs/redshift.md names the rights that it needs, and the settings.",
        ) from None
    except boto.BotoCoreError as error:
        raise DestinationError(
            f"{request} and there is no answer: {type(error).__name__}.",
            "Check region, credentials (as AWS's programs find them) and network.",
        ) from None


def _required(settings: DestinationSettings, key: str) -> str:
    value = getattr(settings, key)
    if not value:
        also = " or destination.workgroup" if key == "cluster" else ""
        raise SettingsError(
            f'destination.auth = "{settings.auth}" needs destination.{key}{also}.',
            "See docs/redshift.md.",
        )
    return str(value)


def _wrong(problem: str) -> SettingsError:
    return SettingsError(
        f"destination.url cannot be used: {problem}.",
        "For example redshift://user@cluster.abc.eu-west-1.redshift.amazonaws.com:5439/dev.",
    )
