"""``orderpull.toml`` and the environment, as typed settings."""

from orderpull.settings.blocks import (
    DEFAULT_FILE,
    SOURCE_NAME,
    DestinationSettings,
    DigestSettings,
    LandingSettings,
    NotifySettings,
    ReportSettings,
    ScheduleSettings,
    Settings,
    SourceSettings,
    SourcesFromSettings,
    TableauSettings,
    VerifySettings,
    WebSettings,
)
from orderpull.settings.checks import PASSWORD_HASH, check_base_url
from orderpull.settings.display import SECRET_KEYS, masked, without_password
from orderpull.settings.reading import parse_settings, read_settings

__all__ = [
    "DEFAULT_FILE",
    "PASSWORD_HASH",
    "SECRET_KEYS",
    "SOURCE_NAME",
    "DestinationSettings",
    "DigestSettings",
    "LandingSettings",
    "NotifySettings",
    "ReportSettings",
    "ScheduleSettings",
    "Settings",
    "SourceSettings",
    "SourcesFromSettings",
    "TableauSettings",
    "VerifySettings",
    "WebSettings",
    "check_base_url",
    "masked",
    "parse_settings",
    "read_settings",
    "without_password",
]
