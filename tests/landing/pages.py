"""What the landing's tests share: a landing of one source, and pages to put there."""

from pathlib import Path
from typing import Any

from orderpull.landing import protocol
from orderpull.landing.local import LocalSourceLanding
from orderpull.landing.page import PageMeta, digest

BODY = b'[{"orderNumber": "A-1"}, {"orderNumber": "\xc3\x84-2"}]'


def new_landing(folder: Path, name: str = "shop") -> LocalSourceLanding:
    """An empty landing of source *name* below *folder*."""
    landing = LocalSourceLanding(folder / "landing" / name, name)
    landing.prepare()
    return landing


def meta(page: int, body: bytes = BODY, **more: object) -> PageMeta:
    """The metadata of *body* as page number *page*."""
    known: dict[str, Any] = {
        "source": "shop",
        "page": page,
        "state": "whole",
        "status": 200,
        "request": "GET http://shop.test/orders",
        "received_at": "2026-11-22T14:07:48.123456Z",
        "sha256": digest(body),
        "size": len(body),
        "orders": 2,
    }
    return PageMeta(**known | more)


def land(
    landing: protocol.SourceLanding,
    body: bytes = BODY,
    page: int | None = None,
    **more: object,
) -> PageMeta:
    """Land *body*, under the next number unless *page* is given."""
    made = meta(landing.next_page() if page is None else page, body, **more)
    landing.land(made, body)
    return made


def leftovers(landing: LocalSourceLanding) -> list[str]:
    """Names of what lies in the folder of unfinished things."""
    return sorted(path.name for path in (landing.folder / "in-flight").iterdir())
