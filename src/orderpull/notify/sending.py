"""Sending of messages by mail, chat, webhook and many other ways, with apprise."""

import logging
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal

from orderpull.errors import SettingsError
from orderpull.settings import SECRET_KEYS, Settings, without_password

if TYPE_CHECKING:
    import apprise

REDACTED = "•••"

MAIL = frozenset({
    "mailto", "mailtos", "azure", "o365", "brevo", "groundmail", "mailersend", "mailgun",
    "postmark", "resend", "sendgrid", "sendpulse", "ses", "smtp2go", "sparkpost",
})  # fmt: skip
"""Schemes of apprise's URLs for mail, which can show a whole HTML document."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message.

    :param html: the same as an HTML document, for mail; empty: mail gets the text.
    """

    title: str
    body: str
    kind: Literal["info", "success", "warning"] = "warning"
    html: str = ""


@dataclass(frozen=True, slots=True)
class Recipient:
    """An address of messages.

    :param plugin: apprise's; None if it cannot parse the address.
    :param is_mail: the address is one of mail.
    :param key: its place in the settings, with a few digits that change with the address. They are
        too few to try out passwords with.
    """

    plugin: "apprise.NotifyBase | None"
    is_mail: bool
    key: str

    @property
    def name(self) -> str:
        """Return apprise's name of its kind; the address itself is secret."""
        return str(self.plugin.service_name) if self.plugin else "invalid address"

    def send(self, settings: Settings, message: Message) -> bool:
        """Send *message* without the secrets of *settings*; return True if it was taken."""
        from apprise import NotifyFormat, NotifyType

        if self.plugin is None:
            return False
        html = NotifyFormat.HTML
        shows_html = self.is_mail and self.plugin.resolve_format(html) is html
        as_html = bool(message.html) and shows_html
        try:
            sent = self.plugin.notify(
                body=redact(message.html if as_html else message.body, settings),
                title=redact(message.title, settings),
                notify_type=NotifyType(message.kind),
                body_format=html if as_html else NotifyFormat.TEXT,
            )
        except Exception:  # noqa: BLE001 - the other addresses still get the message
            return False
        return bool(sent)


def send_each(settings: Settings, message: Message) -> list[tuple[str, bool]]:
    """Send *message* to all addresses of ``[notify]``.

    :returns: for each address apprise's name of its kind, and True if the message was taken.
    :raises SettingsError: apprise is not installed.
    """
    recipients = recipients_of(settings.notify.urls)
    return [(each.name, each.send(settings, message)) for each in recipients]


def check(settings: Settings) -> None:
    """Check that apprise can parse all addresses; send nothing.

    :raises SettingsError: an address is invalid, or apprise is not installed.
    """
    for block, urls in (("notify", settings.notify.urls), ("digest", settings.digest.urls)):
        for number, each in enumerate(recipients_of(urls) if urls else (), start=1):
            if each.plugin is None:
                raise SettingsError(
                    f"{block}.urls: apprise cannot parse address {number} of {len(urls)}.",
                    "docs/schedule.md shows the format of addresses.",
                )


def recipients_of(urls: list[str]) -> list[Recipient]:
    """Return the recipients at *urls*.

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
    return [
        Recipient(
            plugin=apprise.Apprise.instantiate(url),
            is_mail=url.partition("://")[0].lower() in MAIL,
            key=f"{number}-{sha256(url.encode()).hexdigest()[:4]}",
        )
        for number, url in enumerate(urls, start=1)
    ]


def redact(text: str, settings: Settings) -> str:
    """Return *text* without the secrets of the settings."""
    secrets: list[str] = [*settings.notify.urls, *settings.digest.urls]
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
