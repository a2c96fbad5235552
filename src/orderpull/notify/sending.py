"""Sending of messages by mail, chat, webhook and many other ways, with apprise."""

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orderpull.errors import SettingsError
from orderpull.settings import SECRET_KEYS, Settings, without_password

if TYPE_CHECKING:
    import apprise

REDACTED = "•••"


@dataclass(frozen=True, slots=True)
class Message:
    """A message. :param good: True for good news."""

    title: str
    body: str
    good: bool = False


def send_each(settings: Settings, message: Message) -> list[tuple[str, bool]]:
    """Send *message* to all addresses.

    :returns: for each address apprise's name of its kind, and True if the message was taken.
    :raises SettingsError: apprise is not installed.
    """
    addresses = addresses_of(settings)
    from apprise import NotifyFormat, NotifyType

    kind = NotifyType.SUCCESS if message.good else NotifyType.WARNING
    title, body = (redact(text, settings) for text in (message.title, message.body))
    sent = []
    for address in addresses:
        try:
            done = address is not None and address.notify(
                body=body, title=title, notify_type=kind, body_format=NotifyFormat.TEXT
            )
        except Exception:  # noqa: BLE001 - the other addresses still get the message
            done = False
        sent.append((str(address.service_name) if address else "invalid address", bool(done)))
    return sent


def check(settings: Settings) -> None:
    """Check that apprise can parse all addresses; send nothing.

    :raises SettingsError: an address is invalid, or apprise is not installed.
    """
    addresses = addresses_of(settings)
    if None in addresses:
        number = addresses.index(None) + 1
        raise SettingsError(
            f"notify.urls: apprise cannot parse address {number} of {len(addresses)}.",
            "docs/schedule.md shows the format of addresses.",
        )


def addresses_of(settings: Settings) -> "list[apprise.NotifyBase | None]":
    """Return the addresses; None for each one that apprise cannot parse.

    :raises SettingsError: apprise is not installed.
    """
    try:
        import apprise
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"Notifications need the Python package {error.name}, which is not installed.",
            "Run: pip install 'orderpull[notify]'.",
        ) from None
    _silence_apprise()
    return [apprise.Apprise.instantiate(url) for url in settings.notify.urls]


def redact(text: str, settings: Settings) -> str:
    """Return *text* without the secrets of the settings."""
    secrets: list[str] = list(settings.notify.urls)
    blocks: list[Any] = [
        settings.destination, settings.web, settings.tableau, *settings.sources.values()
    ]  # fmt: skip
    for block in blocks:
        secrets += [getattr(block, key) for key in SECRET_KEYS & {*block.__struct_fields__}]
    for secret in filter(None, secrets):
        text = text.replace(secret, REDACTED)
    return without_password(text)


def _silence_apprise() -> None:
    """Turn apprise's log off, because it contains hosts and responses of servers."""
    logger = logging.getLogger("apprise")
    logger.handlers[:] = [logging.NullHandler()]
    logger.propagate = False
