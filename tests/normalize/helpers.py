"""What the tests of shaping share: pages landed for real, and what becomes of them."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from orderpull.landing import protocol
from orderpull.landing.local import LocalSourceLanding
from orderpull.landing.page import PageMeta, digest
from orderpull.normalize.normalizer import Key, Normalizer, StagedPage
from orderpull.sources.paging.page_parser import PageParser
from orderpull.sources.spec.api import Api
from orderpull.sources.spec.reader import built_in, parse_api

RECEIVED = "2026-07-01T08:00:00Z"


def named_api(name: str) -> Api:
    """The built-in API *name*."""
    return parse_api(built_in()[name].read_text(encoding="utf-8"), f"{name}.toml")


@dataclass(frozen=True)
class Shaped:
    """What the normalizer made of some pages.

    :param orders: rows of ``staged_order`` that are orders, in the order of their pages.
    :param rejects: rows of ``staged_reject``, likewise.
    """

    orders: list[dict[str, Any]]
    rejects: list[dict[str, Any]]

    @property
    def places(self) -> list[Key]:
        """Page and position of each order and each reject."""
        return sorted((row["page"], row["position"]) for row in [*self.orders, *self.rejects])


def land(
    landing: protocol.SourceLanding, api: Api, body: bytes, number: int | None = None
) -> PageMeta:
    """Land *body* as a pull does: with what one look at it tells."""
    number = landing.next_page() if number is None else number
    reading = PageParser(api).parse(body)
    meta = PageMeta(
        source=landing.name,
        page=number,
        state=reading.state,
        status=200,
        request="GET http://shop.test/orders",
        received_at=RECEIVED,
        sha256=digest(body),
        size=len(body),
        orders=reading.orders,
        problem=reading.problem,
    )
    landing.land(meta, body)
    return meta


def new_landing(folder: Path, name: str = "shop") -> LocalSourceLanding:
    """An empty landing of source *name* below *folder*."""
    landing = LocalSourceLanding(folder / name, name)
    landing.prepare()
    return landing


class Workbench:
    """A landing and a normalizer of one API, used for many pages."""

    def __init__(self, folder: Path, api: Api, ordernumber: str = "{number}") -> None:
        self.api = api
        self.landing = new_landing(folder)
        self.connection = duckdb.connect()
        self.connection.execute("SET TimeZone = 'UTC'")
        self.normalizer = Normalizer(self.connection, api, ordernumber)
        self._landed = 0

    def normalize(self, *bodies: bytes, only: Iterable[Key] | None = None) -> Shaped:
        """Land *bodies* and shape them together; their pages are then called 1, 2 and so on."""
        first = self._landed + 1
        metas = [land(self.landing, self.api, body, first + n) for n, body in enumerate(bodies)]
        self._landed += len(bodies)
        kept = None if only is None else [(page + first - 1, position) for page, position in only]
        shaped = self.shape_pages(metas, kept)
        for row in [*shaped.orders, *shaped.rejects]:
            row["page"] -= first - 1
        return shaped

    def shape_pages(self, metas: Sequence[PageMeta], only: Iterable[Key] | None = None) -> Shaped:
        """Shape landed pages together."""
        self.normalizer.normalize(
            [self._staged(meta) for meta in metas], set(only) if only else None
        )
        return Shaped(self._rows("staged_order"), self._rows("staged_reject"))

    def _staged(self, meta: PageMeta) -> StagedPage:
        number = meta.page
        return StagedPage(meta, lambda: self.landing.read(number)[1])

    def _rows(self, table: str) -> list[dict[str, Any]]:
        cursor = self.connection.execute(
            f"SELECT * EXCLUDE (source) FROM {table} ANTI JOIN excluded USING (page, position) "
            "ORDER BY page, position"
        )
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def close(self) -> None:
        """Let go of the engine."""
        with suppress(duckdb.Error):
            self.connection.close()
