"""Settings of a function, from its environment, Parameter Store, or Secrets Manager.

======================  =====================================================================
``ORDERPULL_SETTINGS``  text of ``orderpull.toml``, or its location: ``ssm:NAME`` or
                        ``secret:NAME``
``ORDERPULL_SECRETS``   optional: name of a secret, a JSON object with values for ``${NAME}``
======================  =====================================================================

Values from AWS are cached for five minutes. A changed secret is used after that.
"""

import json
import os
from pathlib import Path

from aws_lambda_powertools.utilities import parameters
from aws_lambda_powertools.utilities.parameters.exceptions import (
    GetParameterError,
    TransformParameterError,
)

from orderpull.errors import SettingsError
from orderpull.settings import DEFAULT_FILE, Settings, parse_settings

SETTINGS, SECRETS = "ORDERPULL_SETTINGS", "ORDERPULL_SECRETS"

_LABELS = {"ssm": "parameter", "secret": "secret"}

CACHE_SECONDS = 300
"""Seconds for which values from AWS are cached."""


def load_settings() -> Settings:
    """Load the settings of this function. Relative paths start at the folder of its code.

    :raises SettingsError: the settings are missing or wrong, or a URL names the function's own
        disk, which does not outlast it.
    """
    _export_secrets()
    folder = Path(os.environ.get("LAMBDA_TASK_ROOT", Path.cwd()))
    settings = parse_settings(_text(), folder / DEFAULT_FILE)
    if not settings.landing.url.startswith("s3://"):
        raise SettingsError(
            "landing.url is a folder. A function's folders are deleted when it ends, and the pages "
            "with them.",
            "Set landing.url to s3://BUCKET/PREFIX.",
        )
    if settings.destination.url.startswith("duckdb:"):
        raise SettingsError(
            "destination.url is a file. A function's files are deleted when it ends.",
            "Set it to a PostgreSQL or Redshift database.",
        )
    return settings


def _text() -> str:
    value = os.environ.get(SETTINGS, "")
    if not value.strip():
        raise SettingsError(
            f"The environment variable {SETTINGS} is not set.",
            "Set it to the text of orderpull.toml, or to ssm:NAME or secret:NAME.",
        )
    kind, _, name = value.partition(":")
    return _fetch(kind, name) if kind in {"ssm", "secret"} else value


def _export_secrets() -> None:
    """Copy the secret's values to the environment, where ``${NAME}`` is read from."""
    name = os.environ.get(SECRETS, "")
    if not name:
        return
    try:
        values = json.loads(_fetch("secret", name))
        os.environ.update({str(key): str(value) for key, value in values.items()})
    except (ValueError, AttributeError):
        raise SettingsError(
            f"The secret of {SECRETS} is not a JSON object of names and texts.",
            'For example {"SHOP_TOKEN": "…"}.',
        ) from None


def _fetch(kind: str, name: str) -> str:
    try:
        if kind == "secret":
            return str(parameters.get_secret(name, max_age=CACHE_SECONDS))
        return str(parameters.get_parameter(name, decrypt=True, max_age=CACHE_SECONDS))
    except (GetParameterError, TransformParameterError) as error:
        cause = getattr(error.__cause__ or error.__context__, "response", {})
        code = cause.get("Error", {}).get("Code", "no response")
        raise SettingsError(
            f"AWS does not return the {_LABELS[kind]} {name}: {code}.",
            "Check its name, and that the function's role may read it.",
        ) from None
