"""Accounts of a list: those whose API file can be read, and the list read anew during a run."""

from orderpull.errors import UsageError
from orderpull.settings import Settings
from orderpull.settings.accounts import with_accounts, without
from orderpull.sources.spec.reader import read_api


def with_readable_apis(settings: Settings) -> Settings:
    """*settings* without those accounts of the list whose API file cannot be read."""
    reasons = dict[tuple[str, bool], str]()
    for name in settings.accounts.names:
        source = settings.sources[name]
        key = (source.api, source.billing_country)
        if key not in reasons:
            reasons[key] = _fault(settings, *key)
    refused = {
        name: f"Account {name!r} of [sources_from] is refused: {reason}"
        for name in sorted(settings.accounts.names)
        for source in [settings.sources[name]]
        if (reason := reasons[source.api, source.billing_country])
    }
    return without(settings, refused) if refused else settings


def accounts_read_again(settings: Settings) -> Settings:
    """*settings* with the accounts that the list has now; all else as it is.

    :raises SettingsError: the list cannot be read.
    """
    return with_readable_apis(with_accounts(settings))


def _fault(settings: Settings, api: str, billing_country: bool) -> str:  # noqa: FBT001 - a setting
    try:
        read_api(api, settings.folder, billing_country=billing_country)
    except UsageError as error:
        return error.message
    return ""
