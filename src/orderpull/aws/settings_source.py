"""Where a function's settings come from: its environment, Parameter Store, or Secrets Manager.

======================  =====================================================================
``ORDERPULL_SETTINGS``  the text of ``orderpull.toml``; or where it is, ``ssm:NAME`` or
                        ``secret:NAME``
``ORDERPULL_SECRETS``   optional: a secret, a JSON object of names and texts for ``${NAME}``
======================  =====================================================================

What AWS keeps is asked for again after five minutes, so that a secret may be changed.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aws_lambda_powertools.utilities import parameters
from aws_lambda_powertools.utilities.parameters.exceptions import (
    GetParameterError,
    TransformParameterError,
)

from orderpull.errors import SettingsError
from orderpull.settings import DEFAULT_FILE, Settings, parse_settings

SETTINGS, SECRETS = "ORDERPULL_SETTINGS", "ORDERPULL_SECRETS"

KEPT_SECONDS = 300
"""How long what AWS said is taken for true."""


def settings_in_force() -> Settings:
    """The settings of this function; relative paths in them start where its code is.

    :raises SettingsError: they are missing or wrong, or name a place that does not outlast a
        function.
    """
    _bring_secrets()
    folder = Path(os.environ.get("LAMBDA_TASK_ROOT", Path.cwd()))
    settings = parse_settings(_text(), folder / DEFAULT_FILE)
    if not settings.landing.url.startswith("s3://"):
        raise SettingsError(
            "landing.url is a folder, and a function's folders go when it ends: pages would be "
            "lost with them.",
            "Set landing.url to s3://BUCKET/PREFIX.",
        )
    if settings.destination.url.startswith("duckdb:"):
        raise SettingsError(
            "destination.url is a file, and a function's files go when it ends.",
            "Name a PostgreSQL or a Redshift.",
        )
    return settings


def _text() -> str:
    given = os.environ.get(SETTINGS, "")
    if not given.strip():
        raise SettingsError(
            f"The environment variable {SETTINGS} is not set.",
            "Give it the text of orderpull.toml, or ssm:NAME or secret:NAME.",
        )
    kind, _, name = given.partition(":")
    if kind == "ssm":
        return _asked(f"parameter {name}", name, _parameter)
    if kind == "secret":
        return _asked(f"secret {name}", name, _secret)
    return given


def _bring_secrets() -> None:
    """Put the texts of the secret where ``${NAME}`` is read from: this process' environment."""
    name = os.environ.get(SECRETS, "")
    if not name:
        return
    try:
        texts = json.loads(_asked(f"secret {name}", name, _secret))
        os.environ.update({str(key): str(text) for key, text in texts.items()})
    except (ValueError, AttributeError):
        raise SettingsError(
            f"The secret of {SECRETS} is not a JSON object of names and texts.",
            'For example {"SHOP_TOKEN": "…"}.',
        ) from None


def _asked(what: str, name: str, ask: Callable[[str], Any]) -> str:
    try:
        return str(ask(name))
    except (GetParameterError, TransformParameterError) as error:
        cause = getattr(error.__cause__ or error.__context__, "response", {})
        code = cause.get("Error", {}).get("Code", "no answer")
        raise SettingsError(
            f"AWS does not give the {what}: {code}.",
            "Check its name, and that the function's role may read it.",
        ) from None


def _parameter(name: str) -> str:
    return str(parameters.get_parameter(name, decrypt=True, max_age=KEPT_SECONDS))


def _secret(name: str) -> str:
    return str(parameters.get_secret(name, max_age=KEPT_SECONDS))
