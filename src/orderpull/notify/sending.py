"""Sending a message: mail, chat, webhooks and some hundred others, through apprise."""

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orderpull.errors import SettingsError
from orderpull.settings import SECRET_KEYS, Settings, without_password

if TYPE_CHECKING:
    import apprise

HIDDEN = "•••"


@dataclass(frozen=True, slots=True)
class Message:
    """What is told. :param good: whether it is good news."""

    title: str
    body: str
    good: bool = False


def send(settings: Settings, message: Message, log: logging.Logger) -> bool:
    """Send *message* to all; whether anybody got it. Who did not is logged, by kind alone.

    :raises SettingsError: apprise is not installed.
    """
    sent = send_each(settings, message)
    for number, (name, done) in enumerate(sent, start=1):
        if not done:
            log.warning("notification %d of %d (%s) was not sent", number, len(sent), name)
    return any(done for _, done in sent)


def send_each(settings: Settings, message: Message) -> list[tuple[str, bool]]:
    """Send *message* to all; of each address the kind, in apprise's words, and whether it took it.

    :raises SettingsError: apprise is not installed.
    """
    places = places_of(settings)
    from apprise import NotifyFormat, NotifyType

    kind = NotifyType.SUCCESS if message.good else NotifyType.WARNING
    title, body = (without_secrets(text, settings) for text in (message.title, message.body))
    sent = []
    for place in places:
        try:
            done = place is not None and place.notify(
                body=body, title=title, notify_type=kind, body_format=NotifyFormat.TEXT
            )
        except Exception:  # noqa: BLE001 - the others are told all the same
            done = False
        sent.append((str(place.service_name) if place else "not understood", bool(done)))
    return sent


def check(settings: Settings) -> None:
    """Prove that apprise understands all addresses; send nothing.

    :raises SettingsError: it does not, or is not installed.
    """
    places = places_of(settings)
    if None in places:
        number = places.index(None) + 1
        raise SettingsError(
            f"notify.urls: apprise does not understand address {number} of {len(places)}.",
            "docs/schedule.md shows how they are written.",
        )


def places_of(settings: Settings) -> "list[apprise.NotifyBase | None]":
    """Where messages go; None for each address that apprise does not understand.

    :raises SettingsError: apprise is not installed.
    """
    try:
        import apprise
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"Notifications need the Python package {error.name}, which is not installed.",
            "Run: pip install 'orderpull[notify]'.",
        ) from None
    _quiet()
    return [apprise.Apprise.instantiate(url) for url in settings.notify.urls]


def without_secrets(text: str, settings: Settings) -> str:
    """*text* without any secret of the settings. No message should hold one; now none does."""
    secrets: list[str] = list(settings.notify.urls)
    blocks: list[Any] = [
        settings.destination, settings.web, settings.tableau, *settings.sources.values()
    ]  # fmt: skip
    for block in blocks:
        secrets += [getattr(block, key) for key in SECRET_KEYS & {*block.__struct_fields__}]
    for secret in filter(None, secrets):
        text = text.replace(secret, HIDDEN)
    return without_password(text)


def _quiet() -> None:
    """Keep apprise's own log away: it names hosts and quotes servers; ours says what is known."""
    logger = logging.getLogger("apprise")
    logger.handlers[:] = [logging.NullHandler()]
    logger.propagate = False
