"""List landed pages, and read one as it was received."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from orderpull.errors import UsageError
from orderpull.landing import open_landing
from orderpull.landing.expired import expired_pages
from orderpull.landing.page import PageMeta
from orderpull.landing.protocol import SourceLanding
from orderpull.loading.pages import PendingPages
from orderpull.settings import Settings


@dataclass(frozen=True, slots=True)
class LandedPage:
    """A landed page. :param waits: it is not loaded."""

    meta: PageMeta
    waits: bool

    @property
    def name(self) -> str:
        """Name of the page on the command line."""
        return f"{self.meta.source}:{self.meta.page}"

    def as_json(self) -> dict[str, Any]:
        """Return the object of ``landing list --json`` for this page."""
        meta = self.meta
        return {
            "page": self.name,
            "received_at": meta.received_at,
            "kind": meta.kind,
            "state": meta.state,
            "orders": meta.orders,
            "bytes": meta.size,
            "sha256": meta.sha256,
            "encrypted": meta.encrypted,
            "redacted": meta.redacted,
            "waits": self.waits,
            "request": meta.request,
        }


def landed_pages(settings: Settings, source: str | None, limit: int) -> Iterator[LandedPage]:
    """The newest pages of *source*, or of each source: the newest first.

    :param limit: most pages of each source; 0: all.
    """
    landing = open_landing(settings.landing, settings.folder)
    for name in settings.chosen((source,) if source else ()):
        pages = landing.source(name)
        waiting = set(PendingPages(pages).pages())
        numbers = pages.pages()
        for number in reversed(numbers[-limit:] if limit else numbers):
            yield LandedPage(pages.meta(number), number in waiting)


def read_page(settings: Settings, key: str) -> bytes:
    """The body of the page called *key*, as received, after checking its hash.

    :raises UsageError: *key* is no page. :raises CorruptPage: it has changed since it was landed.
    :raises KeyMissing: it is encrypted, and this machine has no key for it.
    """
    landing, page = find_page(settings, key)
    return landing.read(page)[1]


def find_page(settings: Settings, key: str) -> tuple[SourceLanding, int]:
    """The landing and the number of the page called *key*: ``SOURCE:PAGE``, or ``PAGE``.

    :raises UsageError: there is no such page, or several sources have one.
    """
    landing = open_landing(settings.landing, settings.folder)
    source, _, number = key.rpartition(":")
    names = settings.chosen((source,) if source else ())
    page = int(number) if number.isascii() and number.isdecimal() else 0
    holders = [name for name in names if page and landing.source(name).has(page)]
    if len(holders) == 1:
        return landing.source(holders[0]), page
    if holders:
        raise UsageError(
            f"Several sources have a page {page}.",
            f"Name one: {', '.join(f'{name}:{page}' for name in holders)}.",
        )
    for name in names:
        if page in (expired := expired_pages(landing.source(name))):
            raise UsageError(
                f"Page {key!r} is deleted, as {expired} are (landing.keep_days).",
                "Its orders are in the tables.",
            )
    raise UsageError(
        f"There is no page {key!r} in {landing}.", "`orderpull landing list` shows the pages."
    )
