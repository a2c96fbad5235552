"""History: every landed version of an order, what changed between them, and what became of each.

Each version is shaped by today's API file and settings. The versions are then loaded one by one, as
they were landed, into empty tables in memory: the merge's own rules say what becomes of each.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from orderpull.destinations.loader import Loader
from orderpull.destinations.merge.stored import DELETED
from orderpull.destinations.shadow import ShadowDestination
from orderpull.errors import DestinationError, UsageError
from orderpull.landing.expired import expired_pages
from orderpull.landing.page import PageMeta
from orderpull.loading.pages import PageLoader, PendingPages
from orderpull.model import LEDGER_REJECT, MASKS, ORDER_ADDRESS, ORDER_HEADER
from orderpull.operate.order_search import Mentioning, Searched, can_filter
from orderpull.pipeline import Pipeline
from orderpull.settings import Settings

FIELDS = (
    "ordernumber", "order_id", "status", "counted", "ordered_at", "modified_at", "currency",
    "total", "discount", "shipping", "tax", "refunded", "channel", "customer",
    "country", "stateprovince", "city", "postalcode", "line1", "line2", "name",
)  # fmt: skip
"""The fields of a version, in the order in which they are shown."""

_HIDDEN = {
    column
    for table in (ORDER_ADDRESS, ORDER_HEADER, LEDGER_REJECT)
    for column in MASKS[table.name].hidden
}
_ITEM_FIELDS = {
    "item": "quantity", "title of": "title", "amount of": "amount", "returned of": "returned",
}  # fmt: skip
"""The prefix before a SKU that name a column of its item."""
_MASK = "•••"

Fields = dict[str, Any]


@dataclass(slots=True)
class Version:
    """One landed version of an order.

    :param position: its place in the page, from 0.
    :param outcome: ``inserted``, ``updated``, ``unchanged``, ``stale``, ``rejected``; ``excluded``:
        no order, by the API file's ``where``; ``waits``: its page is not loaded yet.
    :param fields: its columns; of a reject, number and id if they could be read.
    :param items: the columns of ``order_item`` by SKU.
    :param reason: of a reject. :param message: the same as a sentence.
    :param held: the tables hold this version.
    """

    meta: PageMeta
    position: int
    outcome: str = "excluded"
    fields: Fields = field(default_factory=dict)
    items: dict[str, Fields] = field(default_factory=dict)
    content_hash: str | None = None
    reason: str | None = None
    message: str | None = None
    held: bool = False

    @property
    def name(self) -> str:
        """Source, page and position."""
        return f"{self.meta.source}:{self.meta.page}:{self.position}"

    def shown(self, name: str, *, names: bool) -> Any:  # noqa: ANN401 - a value of a table
        """The value of a field; masked unless *names*.

        ``item SKU`` is a quantity; ``title of SKU``, ``amount of SKU`` and ``returned of SKU`` are
        the other columns of an item.
        """
        for prefix, column in _ITEM_FIELDS.items():
            if name.startswith(f"{prefix} "):
                return self.items.get(name.removeprefix(f"{prefix} "), {}).get(column)
        value = self.fields.get(name)
        return _MASK if value is not None and name in _HIDDEN and not names else value

    def changed_since(self, earlier: "Version | None") -> list[str]:
        """Names of the fields and items that differ; of the first version, those that are there."""
        before = earlier or Version(self.meta, -1)
        names = [f for f in FIELDS if self.fields.get(f) != before.fields.get(f)]
        named = [
            f"{prefix} {sku}"
            for sku in sorted(before.items.keys() | self.items.keys())
            for prefix in _ITEM_FIELDS
        ]
        return names + [
            n for n in named if before.shown(n, names=True) != self.shown(n, names=True)
        ]


@dataclass
class OrderHistory:
    """All landed versions of an order, by source and in the order in which they were landed.

    :param stored: the rows of ``order_header`` with its number or id.
    :param unread: the reason, as a sentence, if the warehouse could not be read.
    """

    order: str
    versions: list[Version] = field(default_factory=list)
    stored: list[Fields] = field(default_factory=list)
    unread: str = ""
    searched: Searched = field(default_factory=Searched)
    seconds: float = 0.0

    def with_changes(self) -> Iterator[tuple[Version, Version | None, list[str]]]:
        """Each version, the shaped one before it of the same order, and what differs."""
        before: dict[tuple[str, str], Version] = {}
        for version in self.versions:
            key = version.meta.source, str(version.fields.get("order_id"))
            earlier = before.get(key)
            shaped = version.reason is None
            yield version, earlier, version.changed_since(earlier) if shaped else []
            if shaped:
                before[key] = version

    def as_json(self, *, names: bool) -> dict[str, Any]:
        """Return the object that ``history --json`` prints. :param names: with personal values."""
        versions = []
        for version, earlier, changed in self.with_changes():
            versions.append(
                {
                    "source": version.meta.source,
                    "page": version.meta.page,
                    "position": version.position,
                    "received_at": version.meta.received_at,
                    "modified_at": version.fields.get("modified_at"),
                    "outcome": version.outcome,
                    "held": version.held,
                    "reason": version.reason,
                    "message": version.message if names else version.message and _MASK,
                    "changes": [
                        {
                            "field": name,
                            "before": earlier.shown(name, names=names) if earlier else None,
                            "after": version.shown(name, names=names),
                        }
                        for name in changed
                    ],
                }
            )
        return {
            "order": self.order,
            "versions": versions,
            "stored": [self._masked(row, names=names) for row in self.stored],
            "searched": {
                "pages": self.searched.pages,
                "bytes": self.searched.body_bytes,
                "deleted": self.searched.deleted,
                "seconds": round(self.seconds, 3),
            },
        }

    @staticmethod
    def _masked(row: Fields, *, names: bool) -> Fields:
        """A row of ``order_header`` without what tells persons apart, unless *names*."""
        return {
            name: _MASK if name in _HIDDEN and value is not None and not names else value
            for name, value in row.items()
        }


def history(settings: Settings, order: str, source: str | None = None) -> OrderHistory:
    """Find every landed version of the order with the number, or the id, *order*.

    :raises UsageError: no landed page and no table has it.
    """
    began = time.monotonic()
    result = OrderHistory(order)
    pipeline = Pipeline(settings, (source,) if source else (), command="replay", detached=True)
    original = pipeline.destination
    rejects = _read_tables(pipeline, result)
    try:
        for name in pipeline.sources:
            shadow = ShadowDestination(original, [name], empty=True)
            pipeline.destination = shadow
            with shadow.loader() as loader:
                _Search(pipeline, name, loader, result, rejects).run()
            shadow.close()
    finally:
        original.close()
    result.seconds = time.monotonic() - began
    if not result.versions and not result.stored:
        raise UsageError(
            f"No order {order!r} is in the {result.searched.pages} landed pages of "
            f"{', '.join(pipeline.sources)}, nor in the tables.",
            "Give its number or its id exactly as the shop writes it.",
        )
    return result


def _read_tables(pipeline: Pipeline, result: OrderHistory) -> list[Fields]:
    """Read the order's headers, and return its open rejects."""
    from orderpull.answers import orders

    sources = list(pipeline.sources)
    try:
        with pipeline.destination.reader() as reader:
            result.stored = reader.rows(orders.headers_of(result.order, sources))
            return reader.rows(orders.rejects_of(result.order, sources))
    except DestinationError as error:
        result.unread = error.message
        return []


class _Search:
    """The search for an order in the pages of one source."""

    def __init__(
        self,
        pipeline: Pipeline,
        name: str,
        loader: Loader,
        result: OrderHistory,
        rejects: list[Fields],
    ) -> None:
        self.result = result
        self.pages: PageLoader = pipeline.page_loader(name, loader)
        self.landing = pipeline.landing_of(name)
        self.waiting = set(PendingPages(self.landing).pages())
        self.stage = loader.stage
        self.stored = [row for row in result.stored if row["source"] == name]
        self.rejected = {(r["page"], r["position"]): r for r in rejects if r["source"] == name}
        self.known = [*self.stored, *self.rejected.values()]
        self.ids = {str(row["order_id"]) for row in self.known if row["order_id"]}
        self.ids.add(result.order)

    def run(self) -> None:
        """Add the source's versions to the history."""
        numbers, versions = self.landing.pages(), dict[tuple[int, int], Version]()
        self.result.searched.deleted += expired_pages(self.landing).pages
        searched_for: set[str] = set()
        while (texts := self._texts()) is None or set(texts) - searched_for:
            named = Mentioning(texts, {row["page"] for row in self.known})
            for metas in named.among(self.landing, numbers, self.result.searched):
                versions.update(self._versions_on(metas))
            if texts is None:
                break
            searched_for.update(texts)  # an id that was found leads to versions under other numbers
        ordered = [versions[key] for key in sorted(versions)]
        for version in ordered:
            self._judge(version)
        self._mark_held(ordered)
        self.result.versions += ordered

    def _texts(self) -> list[str] | None:
        """The texts of which a page with the order has one; None: that cannot be told."""
        source = self.pages.source
        by_number, by_id = can_filter(source.api, source.settings.ordernumber)
        if not by_id or not (by_number or self.ids - {self.result.order}):
            return None
        return sorted(self.ids)

    def _versions_on(self, metas: list[PageMeta]) -> dict[tuple[int, int], Version]:
        """The order's versions on some pages, as today's mapping reads them."""
        self.pages.normalizer.normalize([self.pages.staged(meta) for meta in metas])
        by_page = {meta.page: meta for meta in metas}
        versions = {}
        for values in self._of_order("staged_order"):
            key = values["page"], values["position"]
            versions[key] = _shaped(Version(by_page[key[0]], key[1]), values)
            self.ids.add(values["order_id"])
        known = [r for r in self.rejected.values() if r["page"] in by_page]
        for values in [*known, *self._of_order("staged_reject")]:
            key = values["page"], values["position"]
            versions[key] = _rejected(Version(by_page[key[0]], key[1]), values)
        return versions

    def _of_order(self, table: str) -> list[Fields]:
        """The rows of a staged *table* with the order's number, or with one of its ids."""
        named = "list_contains(?::VARCHAR[], order_id) OR ordernumber = ?"
        return self._rows(f"{table} WHERE {named}", [list(self.ids), self.result.order])

    def _judge(self, version: Version) -> None:
        """Load the version into the empty tables, and note what became of it."""
        page, position = version.meta.page, version.position
        outcome = self.pages.judge(page, position)
        for values in self._rows("staged_order WHERE page = ? AND position = ?", [page, position]):
            _shaped(version, values)  # as the tables would have it: without names, say
        if (page, position) in self.rejected:
            outcome = "rejected"
            _rejected(version, self.rejected[page, position])
        version.outcome = "waits" if page in self.waiting else outcome or "excluded"

    def _mark_held(self, versions: list[Version]) -> None:
        """Mark the versions that the tables hold."""
        for row in self.stored:
            same = [
                version
                for version in versions
                if version.meta.page == row["page"] and version.content_hash == row["content_hash"]
            ]
            for version in same[-1:]:
                version.held = True

    def _rows(self, rest: str, values: list[Any]) -> list[Fields]:
        executed = self.stage.execute(f"SELECT * FROM {rest} ORDER BY position", values)
        names = [column[0] for column in executed.description]
        return [dict(zip(names, row, strict=True)) for row in executed.fetchall()]


def _shaped(version: Version, values: Fields) -> Version:
    """Give *version* the *values* of its row in ``staged_order``."""
    version.fields = {name: values[name] for name in FIELDS}
    version.items = {item["sku"]: item for item in values["items"]}
    version.content_hash = values["content_hash"]
    return version


def _rejected(version: Version, values: Fields) -> Version:
    """Give *version* the reason, number and id in *values*, a row of rejects."""
    version.fields |= {name: values[name] for name in ("ordernumber", "order_id")}
    version.reason, version.message = values["reason"], values["message"]
    return version


def was_deleted(row: Fields) -> bool:
    """True if the shop no longer lists the stored order *row*."""
    return bool(row["status"] == DELETED)
